"""Requirements on functions, secrets, ledger, alerts, outputs and the whole stack, and what breaks without them."""

from __future__ import annotations

import re
from pathlib import Path

from constructs_lib.functions import WRAPPER_VARIABLE
from constructs_lib.price_table import version
from lambda_src.configuration import load_config
from lambda_src.contract import CONFIG_VARIABLE, TOKEN_CLASSES
from tests.synth.reading import Synthesized, managed_policy, named, readable, synthesize

# --- Lambda


def test_functions_have_the_documented_runtime(every: list[Synthesized]) -> None:
    for name, function in named(every, "aws_lambda_function"):
        assert (function["runtime"], function["architectures"]) == ("python3.13", ["arm64"]), name
        assert function["logging_config"]["log_format"] == "JSON"
        # A stricter level would drop the usage lines, and with them every metric. The authorizer writes none. A looser
        # level would log an error for each request without a key.
        assert function["logging_config"]["application_log_level"] == ("FATAL" if name == "authorizer" else "INFO")
        assert function["logging_config"]["log_group"] == f"${{aws_cloudwatch_log_group.{name}.name}}"


def test_settings_of_the_gateway_function(full: Synthesized, bare: Synthesized) -> None:
    function = full.one("aws_lambda_function.gateway")
    assert (function["memory_size"], function["reserved_concurrent_executions"]) == (640, 7)
    assert "reserved_concurrent_executions" not in bare.one("aws_lambda_function.gateway")


def test_settings_of_the_authorizer(full: Synthesized) -> None:
    function = full.one("aws_lambda_function.authorizer")
    assert (function["memory_size"], function["timeout"]) == (128, 3)
    assert function["source_code_hash"] == full.one("aws_lambda_function.gateway")["source_code_hash"]
    assert "environment" not in function, "it needs no configuration, and no secret may be in its reach"


def test_functions_invoked_asynchronously_are_not_retried(every: list[Synthesized]) -> None:
    """Otherwise a failing run counts three times in the alarm. The next scheduled run is the retry."""
    for stack in every:
        configs = {
            config["function_name"]: config for config in stack.all("aws_lambda_function_event_invoke_config").values()
        }
        targets = [target["arn"] for target in stack.all("aws_cloudwatch_event_target").values()]
        targets += [topic["endpoint"] for topic in stack.all("aws_sns_topic_subscription").values()]
        functions = [target.removesuffix(".arn}") for target in targets if "aws_lambda_function" in target]
        assert functions == ["${aws_lambda_function.sweeper"]
        for function in functions:
            config = configs[f"{function}.function_name}}"]
            assert (config["maximum_retry_attempts"], config["maximum_event_age_in_seconds"]) == (0, 300)


def test_timeouts_are_ordered(every: list[Synthesized]) -> None:
    """The Lambda's timeout runs no cleanup. The provider's timeout must come first, then API Gateway's, then that.

    A streamed response may take as long as a Lambda at most, and API Gateway waits as long: the provider's timeout must
    leave time to settle.
    """
    for stack in every:
        function = stack.one("aws_lambda_function.gateway")
        settings = load_config({CONFIG_VARIABLE: function["environment"]["variables"][CONFIG_VARIABLE]})
        integration = stack.one("aws_api_gateway_integration.chat")["timeout_milliseconds"] / 1000
        assert settings.upstream_timeout_seconds < integration <= function["timeout"] < settings.hold_seconds
        assert settings.upstream_timeout_seconds + 5 <= function["timeout"]
        assert integration < function["timeout"] or function["timeout"] == 900


def test_lambda_reads_the_configuration_of_the_constructs(every: list[Synthesized]) -> None:
    """The Lambda's own reader parses the variable that the constructs write."""
    for stack in every:
        for name in ("gateway", "aggregator", "sweeper"):
            variables = stack.one(f"aws_lambda_function.{name}")["environment"]["variables"]
            streams = name == "gateway" and stack.environment.gateway.stream
            assert sorted(variables) == sorted([CONFIG_VARIABLE, *([WRAPPER_VARIABLE] if streams else [])])
            settings = load_config(variables)
            assert settings.table == "${aws_dynamodb_table.ledger.name}"
            assert settings.topic_arn == "${aws_sns_topic.alerts.arn}"
            assert set(settings.providers) == set(stack.environment.providers)


# --- secrets, ledger, alerts


def test_secrets_are_created_without_a_value(every: list[Synthesized]) -> None:
    """A secret version in Terraform would put a provider key into its state."""
    named(every, "aws_secretsmanager_secret")
    for stack in every:
        assert not stack.all("aws_secretsmanager_secret_version")


def test_secrets_can_be_restored_if_deletion_protection_is_on(shipped: dict[str, Synthesized]) -> None:
    """Elsewhere a deploy may follow a `destroy`; a recoverable secret would still occupy its name."""
    windows = {
        name: {secret["recovery_window_in_days"] for _, secret in named([stack], "aws_secretsmanager_secret")}
        for name, stack in shipped.items()
    }
    assert windows == {"dev": {0}, "local": {0}, "prod": {7}, "starter": {0}}


def test_ledger_is_backed_up_and_encrypted(every: list[Synthesized], shipped: dict[str, Synthesized]) -> None:
    for _, table in named(every, "aws_dynamodb_table"):
        assert table["billing_mode"] == "PAY_PER_REQUEST"
        assert table["point_in_time_recovery"]["enabled"] is True
        assert table["server_side_encryption"]["enabled"] is True
        assert (table["stream_enabled"], table["stream_view_type"]) == (True, "NEW_AND_OLD_IMAGES")
        assert table["ttl"] == {"attribute_name": "ttl", "enabled": True}
    assert shipped["prod"].one("aws_dynamodb_table.ledger")["deletion_protection_enabled"] is True


def test_every_policy_model_and_key_is_a_resource(every: list[Synthesized]) -> None:
    """A changed limit or price appears in the plan, for review before the apply."""
    for stack in every:
        environment = stack.environment
        slugs = {re.sub(r"[^\w-]", "_", name) for name in environment.models}
        assert set(stack.all("aws_dynamodb_table_item")) == {
            *(f"policy_{name}" for name in environment.consumers),
            *(f"model_{name}" for name in slugs),
            *(f"key_{name}" for name in stack.all("aws_api_gateway_api_key")),
        }


def test_key_item_has_the_key_id(full: Synthesized) -> None:
    item = readable(full.one("aws_dynamodb_table_item.key_acme_blue"))["item"]
    assert item["pk"] == {"S": "KEY#${aws_api_gateway_api_key.acme_blue.id}"}


def test_every_token_class_has_a_price(every: list[Synthesized]) -> None:
    """Without a price, the class would be charged 0 or the request would fail."""
    for stack in every:
        for name in stack.environment.models:
            item = readable(stack.one(f"aws_dynamodb_table_item.model_{re.sub(r'[^a-zA-Z0-9_-]', '_', name)}"))["item"]
            for tier in item["prices"]["M"].values():
                for rates in tier["L"]:
                    assert set(rates["M"]) == {"above", *TOKEN_CLASSES}


def test_published_price_has_the_price_tables_version(shipped: dict[str, Synthesized]) -> None:
    item = readable(shipped["prod"].one("aws_dynamodb_table_item.model_gpt-5"))["item"]
    assert item["price_version"] == {"S": version()}


def test_alarms_can_use_the_topics_kms_key(every: list[Synthesized]) -> None:
    """CloudWatch cannot use the AWS managed key for SNS: its notifications would fail silently."""
    for stack in every:
        key = stack.one("aws_sns_topic.alerts")["kms_master_key_id"]
        if stack.environment.gateway.kms_key_arn is not None:
            assert key == stack.environment.gateway.kms_key_arn
            continue
        assert key == "${aws_kms_key.alerts.arn}"
        policy = readable(stack.one("aws_kms_key.alerts"))["policy"]
        (alarms,) = [statement for statement in policy["Statement"] if statement["Principal"].get("Service")]
        assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]


def test_prompts_are_logged_only_if_a_consumer_opted_in(full: Synthesized, shipped: dict[str, Synthesized]) -> None:
    """They are personal data: off by default, kept for days, encrypted with a key that can be revoked."""
    for stack in shipped.values():
        assert "prompts" not in stack.all("aws_cloudwatch_log_group")
        assert "prompt_log" not in str(stack.all("aws_dynamodb_table_item"))
    assert full.one("aws_cloudwatch_log_group.prompts")["retention_in_days"] == 3
    items = {name: readable(item)["item"] for name, item in full.all("aws_dynamodb_table_item").items()}
    assert items["policy_acme"]["prompt_log"] == {"BOOL": True}
    assert "prompt_log" not in items["policy_issued"]
    (write,) = [statement for statement in full.statements("gateway") if statement["Sid"] == "WritePrompts"]
    assert write["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert "prompts" not in str(managed_policy(full, "operator"))


def test_prompt_log_gets_a_kms_key_by_default(tmp_path: Path) -> None:
    text = '[aws]\nregion = "eu-west-1"\n[plans.p]\nrate = 1\nburst = 1\n[consumers.c]\nplan = "p"\nprompt_log = true\n'
    (tmp_path / "spoken.toml").write_text(text)
    stack = synthesize(tmp_path / "spoken.toml", tmp_path / "out")
    group = stack.one("aws_cloudwatch_log_group.prompts")
    assert (group["kms_key_id"], group["retention_in_days"]) == ("${aws_kms_key.prompts.arn}", 7)
    statement = readable(stack.one("aws_kms_key.prompts"))["policy"]["Statement"][1]
    assert statement["Principal"] == {"Service": "logs.eu-west-1.amazonaws.com"}
    ((group_arn,),) = statement["Condition"]["ArnLike"].values()
    assert group_arn.endswith(":log-group:/tollgate/spoken/prompts")


def test_kms_key_encrypts_all_stored_data(full: Synthesized) -> None:
    key = full.environment.gateway.kms_key_arn
    assert full.one("aws_dynamodb_table.ledger")["server_side_encryption"]["kms_key_arn"] == key
    for resource_type, argument in (
        ("aws_cloudwatch_log_group", "kms_key_id"),
        ("aws_secretsmanager_secret", "kms_key_id"),
        ("aws_lambda_function", "kms_key_arn"),
    ):
        for name, resource in named([full], resource_type):
            # Lambda's key encrypts environment variables, and the authorizer has none.
            assert resource.get(argument) == (
                None if resource_type.endswith("function") and name == "authorizer" else key
            )


def test_function_without_variables_has_no_kms_key(tmp_path: Path) -> None:
    """The AWS provider drops the key of a function without variables: every plan would add it again."""
    path = tmp_path / "test.toml"
    key = "arn:aws:kms:eu-west-1:111122223333:key/main"
    path.write_text(
        f'[aws]\nregion = "eu-west-1"\n[gateway]\nkms_key_arn = "{key}"\n[functions.plain]\nsource = "examples/hello"\n'
        '[functions.varied]\nsource = "examples/hello"\nenvironment = { A = "b" }\n'
    )
    functions = synthesize(path, tmp_path / "out").all("aws_lambda_function")
    keys = {name: function.get("kms_key_arn") for name, function in functions.items()}
    assert keys == {
        "gateway": key, "aggregator": key, "sweeper": key, "authorizer": None, "plain": None, "varied": key,
    }  # fmt: skip
    without = [name for name, function in functions.items() if "environment" not in function]
    assert without == ["authorizer", "plain"]


def test_sweeper_runs_every_five_minutes(every: list[Synthesized]) -> None:
    for stack in every:
        assert stack.one("aws_lambda_function.sweeper")["timeout"] < 5 * 60, "runs would overlap"
    for _, rule in named(every, "aws_cloudwatch_event_rule"):
        assert rule["schedule_expression"] == "rate(5 minutes)"
    for _, target in named(every, "aws_cloudwatch_event_target"):
        assert target["arn"] == "${aws_lambda_function.sweeper.arn}"


# --- outputs and the whole


def test_outputs_have_their_public_names(every: list[Synthesized]) -> None:
    for stack in every:
        assert {
            "invoke_url",
            "openai_base_url",
            "api_id",
            "stage_name",
            "table",
            "usage_log_group",
            "access_log_group",
            "dashboard_url",
            "key_ids",
            "plan_ids",
        } <= set(stack.json["output"])


def test_there_are_no_data_sources(every: list[Synthesized]) -> None:
    """They need credentials, and prevent plans offline or for pull requests from forks."""
    assert all("data" not in stack.json for stack in every)


def test_addresses_are_business_names(every: list[Synthesized]) -> None:
    """CDKTF's own names end in eight hex digits that change when code moves, which would replace resources."""
    for stack in every:
        names = [name for resources in stack.json["resource"].values() for name in resources]
        assert not [name for name in names if re.search(r"_[0-9A-F]{8}$", name)]
        assert not [name for name in stack.json["output"] if re.search(r"_[0-9A-F]{8}$", name)]


def test_every_resource_has_its_own_address(full: Synthesized) -> None:
    """CDKTF silently merges two resources with the same address."""
    paths = [
        resource["//"]["metadata"]["path"]
        for resources in full.json["resource"].values()
        for resource in resources.values()
    ]
    assert len(paths) == len(set(paths)) == full.resources


def test_names_start_with_the_prefix(full: Synthesized) -> None:
    """Environments in one account must not collide."""
    for resource_type, argument in (
        ("aws_api_gateway_rest_api", "name"),
        ("aws_api_gateway_api_key", "name"),
        ("aws_api_gateway_usage_plan", "name"),
        ("aws_cloudwatch_metric_alarm", "alarm_name"),
        ("aws_cloudwatch_dashboard", "dashboard_name"),
        ("aws_cloudwatch_event_rule", "name"),
        ("aws_cloudwatch_contributor_insight_rule", "rule_name"),
        ("aws_cloudwatch_log_metric_filter", "name"),
        ("aws_cloudwatch_query_definition", "name"),
        ("aws_dynamodb_table", "name"),
        ("aws_iam_policy", "name"),
        ("aws_iam_role", "name"),
        ("aws_lambda_function", "function_name"),
        ("aws_sns_topic", "name"),
    ):
        for name, resource in named([full], resource_type):
            assert resource[argument].startswith("tollgate-full"), name
    for resource_type in ("aws_cloudwatch_log_group", "aws_secretsmanager_secret"):
        for name, resource in named([full], resource_type):
            if name != "execution":  # API Gateway chooses its name
                assert resource["name"].lstrip("/").startswith("tollgate/full/"), name
