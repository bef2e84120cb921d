"""Invalid requests and failing dependencies: the caller gets a clear error, and the ledger a usage row."""

from __future__ import annotations

import json

import pytest

from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, error_of, request
from tests.gateway.conftest import UsageLog, rows_of, send

MESSAGES = "/v1/messages"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code", "words"),
    [
        (b'{"model": "standin-small", ', {}, 400, "invalid_json", "line 1, column 28"),
        (b"[1, 2]", {}, 400, "invalid_json", "not a JSON object"),
        (b"", {}, 400, "invalid_json", "not valid JSON"),
        (b'{"model": NaN}', {}, 400, "invalid_json", "NaN is not JSON"),
        (b"[" * 100_000, {}, 400, "invalid_json", "nested too deeply"),
        (b'{"model": "a", "model": "standin-small"}', {}, 400, "invalid_json", '"model" is given twice'),
        (b'{"model": "\xff"}', {}, 400, "invalid_encoding", "not UTF-8 (byte 11)"),
        (b"{}", {}, 400, "model_missing", "GET /v1/models"),
        (b'{"model": 7}', {}, 400, "invalid_model", "model is 7"),
        (b'{"model": "gpt-unknown"}', {}, 404, "model_not_found", "'gpt-unknown'"),
        (b'{"model": "claude-small"}', {}, 400, "wrong_route", "/v1/messages"),
        (b'{"model": "standin-small", "max_tokens": -1}', {}, 400, "invalid_parameter", "max_tokens is -1"),
        (b'{"model": "standin-small", "max_tokens": "9"}', {}, 400, "invalid_parameter", "whole number"),
        (b'{"model": "standin-small", "n": 1000}', {}, 400, "invalid_parameter", "n is 1000"),
        (b'{"model": "standin-small", "stream": "yes"}', {}, 400, "invalid_parameter", "true or false"),
        (b"model=standin-small", {"Content-Type": "text/plain"}, 415, "unsupported_media_type", "application/json"),
        (b" " * 4_000_001, {}, 413, "request_too_large", "at most 4000000"),
        (b'{"model": "standin-small", "web_search_options": {}}', {}, 400, "unbounded_cost", "web_search_options"),
        (b'{"model": "standin-small"}', {"X-Tollgate-Tags": "no equals"}, 400, "invalid_tags", "name=value"),
    ],
)
def test_invalid_request_is_explained_and_has_a_row(
    gateway: Gateway,
    bench: Bench,
    log: UsageLog,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
    words: str,
) -> None:
    response = send(gateway, request("key-free", body, headers=headers))
    assert response.status == status
    error = error_of(response)
    assert error["code"] == code
    assert words in error["message"]
    (row,) = rows_of(bench, response)
    assert (row["status"], row["error_code"], row["settlement"], row["cost_nano_usd"]) == (status, code, "refused", 0)
    (line,) = log.lines()
    assert line["error_code"] == code


def test_huge_headers_are_not_logged(gateway: Gateway, log: UsageLog) -> None:
    response = send(gateway, request("key-free", chat(), headers={"X-Huge": "z" * 100_000}))
    assert response.status == 200
    (line,) = log.lines()
    assert "zzz" not in json.dumps(line)


def test_key_missing_from_the_ledger_is_rejected(gateway: Gateway) -> None:
    response = send(gateway, request("key-nobody", chat()))
    assert (response.status, error_of(response)["code"]) == (403, "key_unknown")


@pytest.mark.parametrize(
    ("model", "status", "logged", "code", "charged"),
    [
        ("standin-429", 429, 429, "upstream_throttled", False),
        ("standin-500", 500, 500, "upstream_error", False),
        ("standin-slow-3", 400, 504, "upstream_timeout", True),
        ("standin-reset", 400, 502, "upstream_reset", True),
        ("standin-cut", 400, 502, "upstream_cut", True),
        ("standin-garbage", 400, 502, "upstream_invalid", True),
        ("standin-nousage", 200, 200, None, True),
    ],
)
def test_failing_provider(
    gateway: Gateway, bench: Bench, model: str, status: int, logged: int, code: str | None, charged: bool
) -> None:
    response = send(gateway, request("key-free", chat(model)))
    assert response.status == status
    (row,) = rows_of(bench, response)
    assert (row["status"], row.get("error_code")) == (logged, code)
    assert (int(str(row["cost_nano_usd"])) > 0) is charged
    assert row["usage_source"] == ("estimated" if charged else "none")
    if code is not None:  # either the provider may have billed the request, or the gateway has repeated it already
        assert response.headers["x-should-retry"] == "false"
    if charged and code is not None:  # other errors are the provider's own
        assert error_of(response)["code"] == code


def test_transient_failure_is_retried_and_charged_once(gateway: Gateway, bench: Bench) -> None:
    response = send(gateway, request("key-free", chat("standin-503-then-ok", "retry this")))
    assert response.status == 200
    (row,) = rows_of(bench, response)
    assert row["retries"] == 1
    assert row["usage_source"] == "reported"


def test_anthropic_route_returns_anthropic_errors(gateway: Gateway) -> None:
    response = send(gateway, request("key-free", {"model": "nope"}, path=MESSAGES))
    body = json.loads(response.body)
    assert body["type"] == "error"
    assert body["error"]["type"] == "not_found_error"
    assert body["request_id"] == response.headers["x-tollgate-request-id"]


def test_anthropic_client_gets_anthropic_errors_from_the_models_route(gateway: Gateway) -> None:
    """Both APIs have this path; the header `anthropic-version` tells the clients apart."""
    route = {"path": "/v1/models/{model}", "method": "GET", "model": "nope"}
    response = send(gateway, request("key-free", {}, **route, headers={"anthropic-version": "2023-06-01"}))
    assert json.loads(response.body)["error"]["type"] == "not_found_error"
    response = send(gateway, request("key-free", {}, **route))
    assert json.loads(response.body)["error"]["type"] == "invalid_request_error"


def test_bedrock_route_returns_errors_that_boto3_recognises(gateway: Gateway) -> None:
    response = send(gateway, request("key-free", {}, path="/bedrock/model/{model}/converse", model="nope"))
    assert response.status == 404
    assert response.headers["x-amzn-errortype"] == "ResourceNotFoundException"
    assert "nope" in json.loads(response.body)["message"]


def test_unreachable_provider_is_not_charged(bench: Bench) -> None:
    gateway = bench.gateway()
    unreachable = bench.config().providers["openai"].__class__(kind="openai", base_url="http://127.0.0.1:9/v1")
    gateway.config.providers["openai"] = unreachable
    response = send(gateway, request("key-free", chat()))
    assert (response.status, error_of(response)["code"]) == (502, "upstream_unreachable")
    (row,) = rows_of(bench, response)
    assert row["cost_nano_usd"] == 0


def test_unavailable_ledger_returns_503(bench: Bench) -> None:
    gateway = bench.gateway(table="no-such-table")
    response = send(gateway, request("key-free", chat()))
    assert (response.status, error_of(response)["code"]) == (503, "ledger_unavailable")


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("secretsmanager", "InternalServiceError", 500),
        ("secretsmanager", "ThrottlingException", 400),
        ("dynamodb", "InternalServerError", 500),
        ("dynamodb", "ServiceUnavailable", 503),
        ("dynamodb", "RequestLimitExceeded", 400),
    ],
)
def test_transient_aws_error_is_retried(bench: Bench, service: str, code: str, status: int) -> None:
    """Each service has its own codes for transient errors; the caller does not notice any of them."""
    with bench.cloud.fault(service, code, status=status, times=1):
        assert send(bench.gateway(), request("key-free", chat())).status == 200


def test_aws_access_denied_is_not_retried(bench: Bench) -> None:
    with bench.cloud.fault("secretsmanager", "AccessDeniedException", times=1):
        response = send(bench.gateway(), request("key-free", chat()))
    assert (response.status, error_of(response)["code"]) == (503, "provider_secret_unavailable")


def test_missing_secret_returns_503_and_leaves_no_hold(bench: Bench) -> None:
    gateway = bench.gateway()
    gateway.config.providers["openai"] = (
        bench.config()
        .providers["openai"]
        .__class__(kind="openai", base_url=bench.provider_url, secret="bench/never-created")
    )
    bench.add_consumer("secretless")
    response = send(gateway, request("key-secretless", chat()))
    assert (response.status, error_of(response)["code"]) == (503, "provider_secret_unavailable")
    assert gateway.ledger.account("secretless", float("inf")).item == {}


def test_every_response_has_the_cors_header_of_the_allowed_origin(bench: Bench) -> None:
    gateway = bench.gateway(cors_origin="https://app.example.com")
    for body in (chat(), {}):
        response = send(gateway, request("key-free", body))
        assert response.headers["access-control-allow-origin"] == "https://app.example.com"
    response = send(bench.gateway(), request("key-free", chat()))
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("model", "logged"),
    [
        ("openai/gpt-9:free@2026", "openai/gpt-9:free@2026"),
        ("sk-proj-AbCdEf0123456789AbCdEf", "[redacted:key]"),
        ("somebody@example.com", "[redacted:email]"),
        ("project-bluebird-9", "[redacted:pattern]-9"),
        ("please summarise my salary", None),
        ("x" * 81, None),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", None),
    ],
)
def test_unknown_model_names_are_logged_only_if_harmless(
    bench: Bench, log: UsageLog, model: str, logged: str | None
) -> None:
    gateway = bench.gateway(prompt_log_patterns=("project-[a-z]+",))
    response = send(gateway, request(bench.add_consumer("inventive", models=["standin-small"]), chat(model)))
    assert response.status == 404
    (line,) = log.lines()
    assert line["model_asked"] == logged


def test_slow_pattern_does_not_delay_the_rejection_of_a_model(bench: Bench, log: UsageLog) -> None:
    gateway = bench.gateway(prompt_log_patterns=("(a+)+$",))
    response = send(gateway, request("key-free", chat("a" * 70 + ":")))
    assert response.status == 404, "the pattern would take years"
    (line,) = log.lines()
    assert line["model_asked"] is None
