"""`tollgate usage show` of requests that never ended or have no usage line, and errors of the usage commands."""

from __future__ import annotations

import contextlib
import json
import time
from datetime import UTC, datetime
from typing import Any

import openai
import pytest

from lambda_src.core.account import Hold
from lambda_src.core.policy import Policy
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.resource_names import log_group
from tests.e2e.command import Command
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def swept(system: System) -> str:
    """A request that reserved money and never ended, so the sweeper booked it."""
    at_ms = int(NOW.timestamp() - 2_400) * 1000  # long before the oldest request that may still run
    hold = Hold(request_id="sweptRequestOfTests=", amount=2_500, deadline=at_ms // 1000 + 60, at_ms=at_ms, tokens=7)
    record = UsageRecord(
        request_id=hold.request_id, at_ms=at_ms, environment="e2e", consumer="limited", key_id=system.key_id("limited"),
        route="chat", provider="openai", model="standin-small", price_version="p", held_nano_usd=hold.amount,
    )  # fmt: skip
    ledger = Ledger(AwsClient(system.cloud.environment()), str(system.outputs["table"]), "e2e", 400)
    policy = Policy(consumer="limited", plan="open", models=frozenset("*"))
    ledger.reserve(hold, "limited", policy, time.monotonic() + 10)
    ledger.open(record, hold, time.monotonic() + 10)
    system.cloud.client("lambda").invoke(FunctionName="tollgate-e2e-sweeper", Payload=b"{}")
    return hold.request_id


def test_a_request_that_the_sweeper_booked(tollgate: Command, swept: str) -> None:
    shown = tollgate.here("--output", "json", "usage", "show", swept).json
    assert (shown["booked"], shown["request"]["settlement"], shown["request"]["nano_usd"]) == (True, "unsettled", 2_500)
    groups = tollgate.here("--output", "json", "logs", "errors").json
    (reason,) = (group for group in groups if group["code"] == "unsettled")
    assert (reason["by"], reason["status"]) == ("gateway", 504)
    assert swept in reason["request_ids"]
    with tollgate.running("usage", "tail", "--consumer", "limited", "--errors", "--since", "1h") as process:
        assert process.stdout is not None
        assert any(line.rstrip("\n").endswith(swept) for line in process.stdout)


def test_a_request_that_a_budget_rejected(system: System, tollgate: Command) -> None:
    """The row has the code only; the message with the figures is in the usage line."""
    with pytest.raises(openai.BadRequestError) as rejected:
        system.openai("poor", max_retries=0).chat.completions.create(
            model="standin-small", messages=[{"role": "user", "content": "Hello"}], max_tokens=1000
        )
    request_id = rejected.value.response.headers["x-tollgate-request-id"]
    shown = tollgate.here("--output", "json", "usage", "show", request_id).json
    assert shown["booked"] is True
    assert shown["key_name"].startswith("poor/")
    message = shown["request"]["error_message"]
    assert "this request may cost up to" in message
    assert "poor's budget of 0.001 USD per day" in message
    table = tollgate.run("usage", "show", request_id).out
    assert shown["key_name"] in table
    assert message[:60] in table


@pytest.mark.parametrize(
    ("error_type", "path", "message"),
    [
        ("THROTTLED", "/v1/messages", "answered 429 (THROTTLED) before any function saw it"),
        ("INTEGRATION_TIMEOUT", "/v1/messages", "the sweeper books it within 20 minutes"),
        ("-", "/v1/messages", "from the gateway, whose usage line takes a few seconds"),
        ("-", "/openai/v1/responses", "from the gateway, whose usage line takes a few seconds"),
        ("-", "/tools/echo", "from a function of your own"),
    ],
)
def test_a_request_that_has_no_usage_line(
    system: System, tollgate: Command, error_type: str, path: str, message: str
) -> None:
    """The access log has its line, as API Gateway writes it."""
    request_id = f"lineless{error_type.strip('-')}{path.replace('/', '')}="
    at_ms = int(NOW.timestamp() * 1000)
    line = {"request_id": request_id, "time": at_ms, "key_id": "k", "method": "POST", "path": path, "status": "429"}
    logs, group = system.cloud.client("logs"), log_group("e2e", "access")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName="tests")
    event: Any = {"timestamp": at_ms, "message": json.dumps({**line, "error_type": error_type})}
    logs.put_log_events(logGroupName=group, logStreamName="tests", logEvents=[event])
    assert message in tollgate.here("usage", "show", request_id, accepted=1).err.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("report", "--by", "team"), 2, "accepted: any of consumer, model, day, key, status"),
        (("report", "--since", "30"), 2, "--since is '30'"),
        (("report", "--since", "2026-02-30"), 2, "2026-02-30"),
        (("report", "--since", "2026-05", "--until", "2026-04"), 2, "swap them"),
        (("report", "--since", "0d"), 2, "accepted: 1d (only the last day) to 3650d"),
        (("report", "--until", "9999-12"), 2, "--until is '9999-12'"),
        (("report", "--to", "usage.txt"), 2, "a table cannot be written to a file"),
        (("report", "--consumer", "meterd"), 1, "Did you mean metered"),
        (("report", "--model", "standin-smal"), 1, "no model 'standin-smal'. Did you mean standin-small"),
        (("report", "--model", "standin-smal", "--format", "html"), 1, "Did you mean standin-small"),
        (("top", "--model", "standin-smal"), 1, "Did you mean standin-small"),
        (("top", "--consumer", "meterd"), 1, "Did you mean metered"),
        (("tail", "--model", "standin-smal"), 1, "Did you mean standin-small"),
        (("tail", "--consumer", "meterd"), 1, "Did you mean metered"),
        (("export", "--since", "1d", "--consumer", "meterd"), 1, "Did you mean metered"),
        (("report", "--to", "/nowhere/at/all.csv"), 2, "cannot be written"),
        (("top", "--by", "day"), 2, "consumer, model, key"),
        (("show", '" or 1'), 2, "invalid request id"),
        (("show", "AAAAAAAAAAAAAAA="), 1, "no request AAAAAAAAAAAAAAA= in the logs"),
        (("show", "AAAAAAAA=", "--day", "2026-01-01"), 2, "pass both or neither"),
        (("show", "AAAAAAAA=", "--day", "2026-01-01", "--consumer", "metered"), 1, "Check the day and the consumer"),
        (("show", "AAAAAAAA=", "--day", "2026-02-30", "--consumer", "metered"), 2, "accepted: a UTC day"),
        (("show", "AAAAAAAA=", "--day", "20260201", "--consumer", "metered"), 2, "accepted: a UTC day"),
        (("export", "--since", "1d", "--format", "parquet"), 2, "pass --to FILE"),
        (("export", "--since", "1d", "--to", "/nowhere/at/all.parquet"), 2, "cannot be written"),
    ],
)
def test_errors(tollgate: Command, words: tuple[str, ...], code: int, message: str) -> None:
    assert message in tollgate.here("usage", *words, accepted=code).err.replace("\n", " ")
