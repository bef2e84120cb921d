"""The real handler with a ledger of its own, and what must hold for each of its responses."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from typing import Any
from unittest import mock

from lambda_src.contract import CONFIG_VARIABLE, HEADER_COST, HEADER_REQUEST_ID, MODEL_ROUTES, Provider, rollup_pk
from lambda_src.core.error_causes import CAUSES
from lambda_src.core.pricing import usd
from lambda_src.resource_names import log_group
from local.cloud.client import Cloud
from tests.bench import Bench, create_table
from tests.gateway.emf import SCHEMA, data_points
from tests.gateway.test_hostile_text import strict
from tests.money.faults import request_id_of, rows_of
from tests.money.ledger_invariants import check_rollups, check_sums
from tests.money.sandboxes import recent_days

GROUP = log_group("fuzz", "prompts")
_LARGEST_ERROR = 4_000
_PROMPT_TOO_SLOW = "TooSlow"
"""Code of the warning that masking a large prompt took too long, which can happen on a busy machine."""
_POLICIES: tuple[dict[str, object], ...] = (
    {},
    {"prompt_log": True, "tags": {"team": "a"}},
    {"budgets": [{"per": "day", "usd_nano": 10**14}, {"per": "total", "usd_nano": 10**16}]},
    {"budgets": [{"per": "month", "usd_nano": 10**9}], "tokens_per_minute": 400_000, "requests_per_minute": 40},
)


@dataclass(frozen=True)
class Outcome:
    """A response and its usage line."""

    status: int
    headers: dict[str, str]
    body: bytes
    usage: dict[str, Any]

    @property
    def is_own_error(self) -> bool:
        """Whether it is an error of the gateway itself, and not the provider's response."""
        cause = CAUSES.get(self.usage["error_code"] or "")
        return self.status >= 400 and cause is not None and cause.shapes is not None


class _Context:
    def get_remaining_time_in_millis(self) -> int:
        return 29_000


class _ThreadLog(io.TextIOBase):
    """Keeps what each thread prints."""

    def __init__(self) -> None:
        self._local = threading.local()

    def write(self, text: str) -> int:
        self._local.__dict__.setdefault("parts", []).append(text)
        return len(text)

    def take(self) -> str:
        """What this thread has printed since the last call."""
        return "".join(self._local.__dict__.pop("parts", []))


@contextmanager
def running(cloud: Cloud | None) -> Iterator[tuple[Cloud, _ThreadLog]]:
    """The embedded cloud that the handler uses, and the log of all handlers. cloud: a running one; None: a new one."""
    log = _ThreadLog()
    with (
        nullcontext(cloud) if cloud else Cloud.start() as used,
        mock.patch.dict(os.environ, used.environment()),
        redirect_stdout(log),
    ):
        logs = used.client("logs")
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=GROUP)
        yield used, log


class Sandbox:
    """The handler in one Lambda sandbox.

    `invoke` checks each response by itself. `next_consumer` checks the ledger of the consumer's requests.
    """

    def __init__(self, cloud: Cloud, log: _ThreadLog, provider_url: str, **config: Any) -> None:
        self.bench = Bench(cloud, provider_url, create_table(cloud))
        self._log = log
        self._lines: dict[str, dict[str, Any]] = {}
        self._numbers = iter(range(10**9))
        for name in ("openai", "anthropic"):
            self.bench.put_secret(f"bench/{name}", f"sk-standin-{name}")
        self._config = self.bench.config(prompt_log_group=GROUP, **config)
        self.consumer = self.key_id = ""

    def add_provider(self, name: str, url: str) -> None:
        """Add an OpenAI provider with a model of the same name. Before `start`."""
        self._config.providers[name] = Provider(kind="openai", base_url=url, secret="bench/openai")
        self.bench.add_model(name, name)

    def start(self) -> None:
        """Load a copy of the handler's module, as a cold start does."""
        spec = importlib.util.find_spec("lambda_src.handler")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with mock.patch.dict(os.environ, {CONFIG_VARIABLE: json.dumps(asdict(self._config))}):
            spec.loader.exec_module(module)
        self._handler = module.handler
        self.next_consumer({})

    def next_consumer(self, policy: Mapping[str, object] | int) -> None:
        """Check the ledger, and begin with another consumer. policy: or the number of an example."""
        chosen = _POLICIES[policy % len(_POLICIES)] if isinstance(policy, int) else policy
        previous, lines = self.consumer, self._lines
        self.consumer, self._lines = f"fuzz-{next(self._numbers)}", {}
        self.key_id = self.bench.add_consumer(self.consumer, **chosen)
        if previous:
            self._check_ledger(previous, lines)

    def invoke(self, event: Mapping[str, Any]) -> Outcome:
        """The checked response to an event."""
        self._log.take()
        answer = self._handler(event, _Context())
        lines = [strict(line) for line in self._log.take().split("\n") if line]
        strict(json.dumps(answer, ensure_ascii=False))
        lines = [line for line in lines if line["kind"] != "budget_event" and line.get("code") != _PROMPT_TOO_SLOW]
        assert [line["kind"] for line in lines] == ["usage"], lines
        line = lines[0]
        if line["consumer"] != "-" and line["route"] not in MODEL_ROUTES:
            self._lines[line["request_id"]] = line
        SCHEMA.validate(line)
        data_points(line)
        assert not line["ledger_failed"]
        assert line["at_ms"] == event["requestContext"]["requestTimeEpoch"]
        assert len(json.dumps(line)) < 16_000
        body = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
        outcome = Outcome(answer["statusCode"], answer["headers"], body, line)
        self._check_response(outcome)
        return outcome

    def _check_response(self, outcome: Outcome) -> None:
        status, headers, usage = outcome.status, outcome.headers, outcome.usage
        assert 200 <= status <= 599
        assert all(name.isascii() and value.isascii() and "\n" not in value for name, value in headers.items())
        assert headers[HEADER_REQUEST_ID] == usage["request_id"]
        assert headers[HEADER_COST] == usd(usage["cost_nano_usd"])
        if outcome.is_own_error:
            _check_error(outcome)
        else:
            # A success of the provider may contain an error, which only the log reports as one.
            replaced = 424 if usage["route"].startswith("converse") and usage["status"] >= 500 else usage["status"]
            assert status in (usage["status"], usage["upstream_status"], replaced)
            assert usage["error_code"] or status < 300
        assert usage["cost_nano_usd"] == 0 or usage["settlement"] == "settled"

    def _check_ledger(self, consumer: str, lines: Mapping[str, dict[str, Any]]) -> None:
        assert self.bench.in_flight(consumer) == 0
        ledger, forever = self.bench.ledger(), float("inf")
        account = ledger.account(consumer, forever)
        rows = rows_of(ledger, consumer, recent_days(), forever)
        check_sums(account, rows, time.time())
        rollups = list(ledger.query_partition(rollup_pk(consumer), forever))
        check_rollups(rollups, [{"model": "-", **row} for row in rows])
        assert sorted(map(request_id_of, rows)) == sorted(lines), "one row for each request"
        for row in rows:
            line = lines[request_id_of(row)]
            for name in ("cost_nano_usd", "settlement", "status"):
                assert row.get(name, 0) == line[name], name


def _check_error(outcome: Outcome) -> None:
    cause = CAUSES[outcome.usage["error_code"]]
    assert outcome.usage["status"] == cause.status
    assert outcome.status in {shape.status for shape in (cause.shapes or {}).values()}
    parsed = strict(outcome.body)
    error = parsed.get("error", parsed)
    assert error["message"]
    assert isinstance(error["message"], str)
    assert error["code"] == outcome.usage["error_code"]
    assert parsed["request_id"] == outcome.usage["request_id"]
    assert outcome.headers["content-type"] == "application/json"
    assert len(outcome.body) < _LARGEST_ERROR


def event(key_id: str, path: str, body: bytes, *, model: str | None = None, text: bool = False) -> dict[str, Any]:
    """An API Gateway event of a POST. text: whether the body is text, as API Gateway sends all but binary types."""
    request_id = str(uuid.uuid4())
    return {
        "httpMethod": "POST",
        "pathParameters": None if model is None else {"model": model},
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "body": body.decode(errors="replace") if text else base64.b64encode(body).decode(),
        "isBase64Encoded": not text,
        "requestContext": {
            "requestId": request_id,
            "extendedRequestId": request_id,
            "requestTimeEpoch": int(time.time() * 1000),
            "resourcePath": path,
            "identity": {"apiKeyId": key_id, "apiKey": "canary-key-value", "sourceIp": "203.0.113.7"},
        },
    }
