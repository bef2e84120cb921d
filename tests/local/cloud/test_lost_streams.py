"""The gateway behind API Gateway: callers who hang up, and sandboxes that die or time out in mid-stream."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from lambda_src.contract import CONFIG_VARIABLE, KEY_SK, STREAM_VARIABLE, key_pk
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from lambda_src.sweeper import Sweeper
from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tests.bench import PER_TOKEN, Bench, chat, create_table
from tests.local.cloud.stack import Api, archive, deploy_api, deploy_function
from tests.money.sandboxes import counters_and_rows, recent_days

LAMBDA_SRC = Path(__file__).resolve().parents[3] / "lambda_src"
TIMEOUT_SECONDS = 5
APP = """
import os, signal, time
from lambda_src import streaming_handler
def handler(invocation, stream):
    '''Dies, or hangs, before the part of the stream that the request names; the first, of number 0, is sent anyway.'''
    what, _, left = invocation.event["headers"].get("x-test", "").partition("-")
    write = stream.write
    def watched(part):
        nonlocal left
        left = str(int(left or 1_000) - 1)
        if what and left == "0":
            os.kill(os.getpid(), signal.SIGKILL) if what == "die" else time.sleep(60)
        write(part)
    stream.write = watched
    return streaming_handler.handler(invocation, stream)
"""


@pytest.fixture(scope="module")
def bench(cloud: Cloud) -> Iterator[Bench]:
    with StandInProvider.start() as provider:
        created = Bench(cloud, provider.url, create_table(cloud))
        created.put_secret("bench/openai", "sk-standin-openai")
        created.add_model("quick", upstream="standin-drip-0.3")
        yield created


@pytest.fixture(scope="module")
def api(bench: Bench) -> Api:
    """The gateway's function, with a short time-out, behind an API that streams."""
    files = {f"lambda_src/{path.relative_to(LAMBDA_SRC)}": path.read_text() for path in LAMBDA_SRC.rglob("*.py")}
    files |= {"lambda_src/bootstrap": (LAMBDA_SRC / "bootstrap").read_text(), "app.py": APP}
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/lambda_src/bootstrap",
        CONFIG_VARIABLE: json.dumps(asdict(bench.config())),
    }
    code = archive(files, executable=("lambda_src/bootstrap",))
    function = deploy_function(bench.cloud, code, Timeout=TIMEOUT_SECONDS, Environment={"Variables": variables})
    path, stage = "/v1/chat/completions", {STREAM_VARIABLE: "on"}
    return deploy_api(bench.cloud, function, streamed=True, path=path, variables=stage)


class Caller:
    """A consumer of its own, with OpenAI's SDK."""

    def __init__(self, bench: Bench, api: Api, name: str) -> None:
        self._bench, self._name = bench, name
        bench.add_consumer(name, budgets=[{"usd_nano": 10**12, "per": "month"}])
        gateway = bench.cloud.client("apigateway")
        key = gateway.create_api_key(name=f"{api.id}-{name}", enabled=True)
        gateway.create_usage_plan_key(usagePlanId=api.plan_id, keyId=key["id"], keyType="API_KEY")
        bench.put(key_pk(key["id"]), KEY_SK, {"consumer": name, "name": name, "created_by": "terraform"})
        url = bench.cloud.invoke_url(api.id, "v1") + "/v1"
        headers = {"x-api-key": key["value"]}
        self._client = openai.OpenAI(base_url=url, api_key="unused", default_headers=headers, max_retries=0)

    def stream(self, test: str = "") -> Any:
        """The events of a stream. test: of `APP`."""
        body: Any = chat("quick", stream=True)
        return self._client.chat.completions.create(**body, extra_headers={"x-test": test})

    def booked(self) -> tuple[dict[str, int], list[dict[str, Any]]]:
        return counters_and_rows(self._bench, self._name, recent_days())

    def all_settled(self, count: int) -> list[dict[str, Any]]:
        """The rows, once `count` requests are settled."""
        until = time.monotonic() + 20
        while True:
            _, rows = self.booked()
            if len(rows) == count and {row["settlement"] for row in rows} == {"settled"}:
                return rows
            assert time.monotonic() < until, rows
            time.sleep(0.05)


def test_a_caller_who_hangs_up_at_any_event_is_charged_in_full(bench: Bench, api: Api) -> None:
    """Nothing tells the function, so the rest of the stream is read and metered."""
    caller = Caller(bench, api, "hasty")
    count = len(list(caller.stream()))
    assert count > 3

    def hang_up(after: int) -> None:
        with caller.stream() as stream:
            for _, _event in zip(range(after), stream, strict=False):
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hang_up, range(count)))
    rows = caller.all_settled(count + 1)
    assert {(row["status"], row["usage_source"], row.get("error_code")) for row in rows} == {(200, "reported", None)}
    (cost,) = {row["cost_nano_usd"] for row in rows}
    row = rows[0]
    assert cost == (row["tokens_input"] * PER_TOKEN["input"] + row["tokens_output"] * PER_TOKEN["output"]) // 10**6
    counters, _ = caller.booked()
    assert counters["c|total|all"] == counters["s|total|all"] == cost * (count + 1)
    assert bench.in_flight("hasty") == 0


@pytest.mark.parametrize("what", ["die", "hang"])
def test_a_sandbox_that_is_lost_in_mid_stream(bench: Bench, api: Api, what: str) -> None:
    """The SDK raises, and the sweeper books the held amount once. The next request gets another sandbox."""
    caller = Caller(bench, api, what)
    received, started = [], time.monotonic()
    with pytest.raises((openai.APIError, httpx2.HTTPError)):
        received.extend(caller.stream(f"{what}-2"))
    assert len(received) == 2
    assert (time.monotonic() - started > TIMEOUT_SECONDS - 1) is (what == "hang")
    _, rows = caller.booked()
    assert [row["settlement"] for row in rows] == ["held"]
    held = rows[0]["held_nano_usd"]
    for unsettled in (1, 0, 0):
        assert sweep_later(bench)["unsettled"] == unsettled
        counters, rows = caller.booked()
        assert [(row["settlement"], row["cost_nano_usd"]) for row in rows] == [("unsettled", held)]
        assert counters["c|total|all"] == counters["s|total|all"] == held
    assert bench.in_flight(what) == 0
    assert len(list(Caller(bench, api, f"after-{what}").stream())) > 3


def sweep_later(bench: Bench) -> dict[str, int]:
    """Run the sweeper an hour from now, when every request has lapsed and is booked."""
    bench.aggregate()
    aws = AwsClient(bench.cloud.environment())
    ledger = Ledger(aws, bench.table, "bench", 400, now=lambda: time.time() + 3_600)
    return Sweeper(bench.config(), aws, ledger).run(time.monotonic() + 30)
