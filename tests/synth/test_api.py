"""Requirements on keys, plans, the API and its error responses, and what breaks without them."""

from __future__ import annotations

import json
import re

import pytest

from constructs_lib.access_log import ACCESS_FIELDS, STREAM_FIELDS
from lambda_src.contract import ROUTES
from tests.synth.reading import Synthesized, named

# --- keys, plans and routes


def test_every_method_requires_a_key(every: list[Synthesized], header_only: Synthesized) -> None:
    """One open method lets anybody spend the owner's money: the authorizer checks no key. A browser's preflight sends
    none."""
    for name, method in named([*every, header_only], "aws_api_gateway_method"):
        assert method["api_key_required"] is (method["http_method"] != "OPTIONS"), name


def test_authorizer_runs_before_every_method(every: list[Synthesized], header_only: Synthesized) -> None:
    """A method without it would find no key, and reject every request."""
    for stack in (*every, header_only):
        bearer = stack.environment.gateway.bearer
        for name, method in named([stack], "aws_api_gateway_method"):
            authorized = bearer and method["http_method"] != "OPTIONS"
            assert method["authorization"] == ("CUSTOM" if authorized else "NONE"), name
            assert method.get("authorizer_id") == ("${aws_api_gateway_authorizer.gateway.id}" if authorized else None)
            # A deployment follows its methods, and must not go live before API Gateway may invoke the authorizer.
            assert method.get("depends_on") == (["aws_lambda_permission.authorizer"] if authorized else None), name


def test_authorizer_decides_anew_for_each_request(full: Synthesized) -> None:
    """With a cache, a revoked key would work until its entry expires. Neither of the two headers is required."""
    authorizer = full.one("aws_api_gateway_authorizer.gateway")
    assert authorizer["type"] == "REQUEST"
    assert authorizer["authorizer_result_ttl_in_seconds"] == 0
    assert authorizer["identity_source"] == "context.identity.sourceIp"
    assert authorizer["authorizer_uri"] == "${aws_lambda_function.authorizer.invoke_arn}"
    assert full.one("aws_api_gateway_rest_api.gateway")["api_key_source"] == "AUTHORIZER"


def test_without_bearer_tokens_there_is_no_authorizer(header_only: Synthesized) -> None:
    """The snapshots of `test_constructs.py` with `header` have the API as it was before bearer tokens."""
    assert header_only.environment.gateway.bearer is False
    assert "authorizer" not in header_only.text.lower()
    assert header_only.one("aws_api_gateway_rest_api.gateway")["api_key_source"] == "HEADER"


def test_preflights_allow_the_headers_of_the_sdks(full: Synthesized) -> None:
    """A browser sends no request with a header that is not allowed, and the SDKs send a dozen `x-stainless-…`. `*` does
    not include `authorization`, which OpenAI's client always sends."""
    for path in ("v1_chat_completions", "openai_v1_chat_completions"):
        response = full.one(f"aws_api_gateway_integration_response.{path}_options")
        parameters = response["response_parameters"]
        assert parameters["method.response.header.access-control-allow-headers"] == "'*,authorization'"


def test_every_body_is_binary(every: list[Synthesized]) -> None:
    """API Gateway decodes Bedrock's streams only if the request's `accept` is a binary media type, and boto3 sends
    none. A preflight without conversion gets 500: its template cannot read a binary body."""
    for stack in every:
        assert stack.one("aws_api_gateway_rest_api.gateway")["binary_media_types"] == ["*/*"]
        for name, integration in stack.all("aws_api_gateway_integration").items():
            expected = "CONVERT_TO_TEXT" if integration["type"] == "MOCK" else None
            assert integration.get("content_handling") == expected, name


def test_preflights_exist_only_with_cors(full: Synthesized, shipped: dict[str, Synthesized]) -> None:
    assert any(method["http_method"] == "OPTIONS" for method in full.all("aws_api_gateway_method").values())
    for stack in shipped.values():
        assert all(method["http_method"] != "OPTIONS" for method in stack.all("aws_api_gateway_method").values())
        assert "access-control" not in stack.text


def test_every_route_of_the_contract_is_deployed(full: Synthesized) -> None:
    assert {(route.method, path) for route in ROUTES for path in route.paths} <= deployed_methods(full)


def test_openai_routes_have_an_alias(bare: Synthesized) -> None:
    """Groq's SDK appends `/openai/v1/…` to the base URL. `messages` is not part of OpenAI's API."""
    aliases = {(method, path) for method, path in deployed_methods(bare) if path.startswith("/openai")}
    assert aliases == {
        ("POST", "/openai/v1/chat/completions"),
        ("POST", "/openai/v1/responses"),
        ("POST", "/openai/v1/embeddings"),
        ("GET", "/openai/v1/models"),
        ("GET", "/openai/v1/models/{model}"),
    }


def deployed_methods(stack: Synthesized) -> set[tuple[str, str]]:
    """HTTP method and path of each method."""
    parents = stack.all("aws_api_gateway_resource")

    def path_of(resource_id: str) -> str:
        resource = parents.get(resource_id.removeprefix("${aws_api_gateway_resource.").removesuffix(".id}"))
        return "" if resource is None else f"{path_of(resource['parent_id'])}/{resource['path_part']}"

    methods = stack.all("aws_api_gateway_method").values()
    return {(method["http_method"], path_of(method["resource_id"])) for method in methods}


def test_bedrock_routes_need_a_bedrock_provider(bare: Synthesized, full: Synthesized) -> None:
    """Without one, the routes could only fail."""
    assert "converse" in full.all("aws_api_gateway_method")
    assert not [name for name in bare.all("aws_api_gateway_resource") if "bedrock" in name]


def test_starter_plan_is_the_documented_example(shipped: dict[str, Synthesized]) -> None:
    plan = shipped["local"].one("aws_api_gateway_usage_plan.starter")
    assert plan["throttle_settings"] == {"rate_limit": 10, "burst_limit": 5}
    assert plan["quota_settings"] == {"limit": 1000, "period": "MONTH"}


def test_operator_issued_keys_are_not_resources(shipped: dict[str, Synthesized], full: Synthesized) -> None:
    """Otherwise Terraform's state would have their values, which `keys = "operator"` prevents."""
    prod = shipped["prod"]
    assert prod.environment.consumers
    assert not prod.all("aws_api_gateway_api_key")
    assert not prod.all("aws_api_gateway_usage_plan_key")
    assert set(full.all("aws_api_gateway_api_key")) == {"acme_blue", "acme_green"}
    assert "policy_issued" in full.all("aws_dynamodb_table_item")


def test_no_key_has_a_value(every: list[Synthesized]) -> None:
    """A value in the program would appear in git, in the JSON and in every plan."""
    for name, key in named(every, "aws_api_gateway_api_key"):
        assert "value" not in key, name
    for stack in every:
        assert not re.search(r"aws_api_gateway_(api|usage_plan)_key\.[\w-]+\.value", stack.text)


def test_disabling_a_key_survives_an_apply(every: list[Synthesized]) -> None:
    """The next deploy must not re-enable a leaked key that an operator disabled."""
    for name, key in named(every, "aws_api_gateway_api_key"):
        assert key["lifecycle"]["ignore_changes"] == ["enabled"], name


# --- the API, its stage and its logs


def test_api_is_regional_and_described(every: list[Synthesized]) -> None:
    for _, api in named(every, "aws_api_gateway_rest_api"):
        assert api["endpoint_configuration"] == {"types": ["REGIONAL"]}
        assert api["description"] == "API for logging and monitoring AI API usage"


def test_throttles_are_explicit(every: list[Synthesized]) -> None:
    """By default Terraform sends -1, which means no limit in AWS."""
    for _, settings in named(every, "aws_api_gateway_method_settings"):
        assert settings["method_path"] == "*/*"
        assert settings["settings"]["throttling_rate_limit"] > 0
        assert settings["settings"]["throttling_burst_limit"] > 0


def test_execution_log_has_no_bodies(every: list[Synthesized]) -> None:
    """Data traces would write prompts, responses and keys into a log."""
    for _, settings in named(every, "aws_api_gateway_method_settings"):
        assert settings["settings"]["data_trace_enabled"] is False
        assert settings["settings"]["logging_level"] == "ERROR"
        assert settings["settings"]["metrics_enabled"] is False, "billed by method, and not used"


def test_access_log_has_the_key_id_and_never_the_value(every: list[Synthesized]) -> None:
    """API Gateway knows the variables of streaming only for integrations that stream."""
    for stack in every:
        stage = stack.one("aws_api_gateway_stage.gateway")
        log_format = json.loads(stage["access_log_settings"]["format"])
        assert log_format["key_id"] == "$context.identity.apiKeyId"
        assert "$context.identity.apiKey" not in log_format.values()
        assert set(log_format) == {*ACCESS_FIELDS, *(STREAM_FIELDS if stack.environment.streams_on_aws else {})}


def test_execution_log_is_created_before_the_stage(every: list[Synthesized]) -> None:
    """API Gateway would create it without retention or encryption, and a destroy would leave it behind."""
    for stack in every:
        group = stack.one("aws_cloudwatch_log_group.execution")
        stage = stack.environment.gateway.stage
        assert group["name"] == f"API-Gateway-Execution-Logs_${{aws_api_gateway_rest_api.gateway.id}}/{stage}"
        assert group.get("kms_key_id") == stack.environment.gateway.kms_key_arn
        settings = stack.one("aws_api_gateway_method_settings.gateway")
        assert "aws_cloudwatch_log_group.execution" in stack.one("aws_api_gateway_stage.gateway")["depends_on"]
        assert "aws_api_gateway_stage.gateway" in settings["stage_name"]


def test_every_log_has_a_retention(every: list[Synthesized]) -> None:
    """Without retention, logs cost more each month and keep personal data for ever."""
    for name, group in named(every, "aws_cloudwatch_log_group"):
        assert group["retention_in_days"] >= 1, name


def test_tracing_follows_the_environment(every: list[Synthesized]) -> None:
    for _, stage in named(every, "aws_api_gateway_stage"):
        assert stage["xray_tracing_enabled"] is True
    for name, function in named(every, "aws_lambda_function"):
        assert function["tracing_config"]["mode"] == "Active", name


def test_account_wide_role_is_opt_in(shipped: dict[str, Synthesized]) -> None:
    """There is one per account and region; a stack that owns it takes it from all others."""
    owners = {name for name, stack in shipped.items() if stack.all("aws_api_gateway_account")}
    assert owners == {"dev", "local", "starter"}  # their files set manage_account_role


def test_deployment_depends_on_everything_it_captures(every: list[Synthesized]) -> None:
    parts = ("resource", "method", "integration", "method_response", "integration_response", "gateway_response")
    for stack in every:
        dependencies = set(stack.one("aws_api_gateway_deployment.gateway")["depends_on"])
        for part in parts:
            resource_type = f"aws_api_gateway_{part}"
            assert {f"{resource_type}.{name}" for name in stack.all(resource_type)} <= dependencies
        assert stack.one("aws_api_gateway_deployment.gateway")["lifecycle"] == {"create_before_destroy": True}


# --- error responses


def test_error_responses_are_json_for_the_sdks(every: list[Synthesized]) -> None:
    """OpenAI's SDK reads error.message and error.code, Anthropic's reads error.type; both show a request id."""
    for name, response in named(every, "aws_api_gateway_gateway_response"):
        template = response["response_templates"]["application/json"]
        body = json.loads(template.replace("$context.error.messageString", '"text of API Gateway"'))
        assert body["type"] == "error", name
        assert body["request_id"] == "$context.extendedRequestId"
        assert {"type", "code", "message", "param"} == set(body["error"]) - {"detail"}
        assert len(body["error"]["message"]) > 15
        headers = response["response_parameters"]
        assert headers["gatewayresponse.header.x-tollgate-request-id"] == "context.extendedRequestId"


@pytest.mark.parametrize(
    ("response_type", "status", "retried"),
    [
        ("unauthorized", "401", False),
        ("invalid_api_key", "401", False),
        ("authorizer_failure", "503", True),
        ("authorizer_configuration_error", "503", True),
        ("access_denied", "403", False),
        ("waf_filtered", "403", False),
        ("request_too_large", "413", False),
        ("throttled", "429", True),
        ("quota_exceeded", "400", False),
        ("integration_timeout", "400", False),
        ("missing_authentication_token", "404", False),
    ],
)
def test_sdks_retry_only_requests_that_reached_no_provider(
    full: Synthesized, response_type: str, status: str, retried: bool
) -> None:
    """If an SDK retries after a timeout, the provider may charge twice."""
    response = full.one(f"aws_api_gateway_gateway_response.{response_type}")
    assert response["status_code"] == status
    header = response["response_parameters"].get("gatewayresponse.header.x-should-retry")
    assert header == (None if retried else "'false'")


def test_errors_about_keys_name_no_header_unless_it_is_the_only_way(
    full: Synthesized, header_only: Synthesized
) -> None:
    """Most tools can set a base URL and a key, and no header."""
    for name in ("unauthorized", "invalid_api_key"):
        template = full.one(f"aws_api_gateway_gateway_response.{name}")["response_templates"]["application/json"]
        assert "as your SDK's api_key" in template
        assert "x-api-key" not in template
        assert "default_headers" not in template
    response = header_only.one("aws_api_gateway_gateway_response.invalid_api_key")
    assert "x-api-key" in response["response_templates"]["application/json"]


def test_defaults_cover_all_other_error_responses(full: Synthesized) -> None:
    assert {"default_4xx", "default_5xx"} <= set(full.all("aws_api_gateway_gateway_response"))
    assert "status_code" not in full.one("aws_api_gateway_gateway_response.default_5xx")


def test_rejected_keys_are_told_that_new_keys_take_seconds(full: Synthesized) -> None:
    """API Gateway's control plane takes seconds: whoever tries a key right after `keys issue` gets this response."""
    response = full.one("aws_api_gateway_gateway_response.invalid_api_key")
    assert "works after some seconds" in response["response_templates"]["application/json"]
