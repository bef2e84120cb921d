"""The cause of each alarm on the deployed environment."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import urllib3

from constructs_lib.alarm_catalogue import alarms_of
from constructs_lib.metric_sources import Source
from constructs_lib.settings import load
from lambda_src.contract import KEY_SK, PK, SK, STATE_SK, key_pk, usage_pk, usage_sk
from lambda_src.core.account import Hold
from lambda_src.core.policy import Policy
from lambda_src.core.usage_record import UsageRecord
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.ledger import Ledger
from tests.e2e.conftest import System

ENVIRONMENT = load(Path(__file__).parent / "environments" / "e2e.toml")
ALARMS = {alarm.name: alarm for alarm in alarms_of(ENVIRONMENT)}
GATEWAY, AGGREGATOR, SWEEPER, AUTHORIZER, CUSTOM = (
    f"tollgate-e2e-{name}" for name in ("gateway", "aggregator", "sweeper", "authorizer", "echo")
)
LAPSED_MS = 3_600_000
"""Age of requests that never settled: long enough for their bucket to be closed, and to be reported as not booked."""


@dataclass
class Causes:
    """The cause of each alarm: one method per alarm, named after it."""

    system: System

    # --- helpers ------------------------------------------------------------------------------------------

    def chat(self, model: str, times: int = 1, consumer: str = "alarming", parallel: int = 1, **more: Any) -> list[int]:
        """Send chat completions and return their statuses."""
        key = self.system.key(consumer)
        body = {"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}], **more}

        def send(_: int) -> int:
            return self.system.call("POST", "/v1/chat/completions", body, {"x-api-key": key}).status

        with ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(send, range(times)))

    def invoke(self, function: str) -> None:
        """Call a Lambda function with an invalid event."""
        self.system.cloud.client("lambda").invoke(FunctionName=function, Payload=b'{"httpMethod": 7}')

    def sweep(self) -> None:
        """Run the sweeper, as its schedule does."""
        self.system.cloud.client("lambda").invoke(FunctionName=SWEEPER, Payload=b"{}")

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(AwsClient(self.system.cloud.environment()), str(self.system.outputs["table"]), "e2e", 7)

    def reserve(self, *, opened: bool = True) -> UsageRecord:
        """Reserve the amount of a request that does not settle, of a consumer of its own. opened: its row is put."""
        at_ms, name = int(time.time() * 1000) - LAPSED_MS, f"lost-{uuid.uuid4().hex[:8]}"
        hold = Hold(request_id=name, amount=10_000, deadline=at_ms // 1000 + 120, at_ms=at_ms, tokens=5)
        record = UsageRecord(
            request_id=name, at_ms=at_ms, environment="e2e", consumer=name, key_id="k", route="chat",
            provider="openai", model="standin-small", held_nano_usd=hold.amount,
        )  # fmt: skip
        policy, deadline = Policy(consumer=name, plan="open", models=frozenset("*")), time.monotonic() + 5
        self.ledger.reserve(hold, name, policy, deadline)
        if opened:
            self.ledger.open(record, hold, deadline)
        return record

    def settle(self, record: UsageRecord) -> None:
        record.settlement, record.status, record.cost_nano_usd = "settled", 200, 4_000
        assert self.ledger.settle(record, time.monotonic() + 5) == "settled"

    @contextmanager
    def without_bookings(self) -> Iterator[None]:
        """The aggregator fails, and Lambda repeats its batch. Usage rows can still be written."""
        with self.system.cloud.fault("dynamodb", "AccessDeniedException", operations=["UpdateItem"]):
            yield

    def await_metric(self, source: Source, above: float = 0) -> None:
        """Wait until the metric of an alarm has a value above `above`: the aggregator works on its own."""
        dimensions = [{"Name": name, "Value": value} for name, value in source.dimensions]
        for _ in range(150):
            statistics = self.system.cloud.client("cloudwatch").get_metric_statistics(
                Namespace=source.namespace, MetricName=source.name, Dimensions=dimensions, Period=60,
                StartTime=time.time() - 60, EndTime=time.time() + 60, Statistics=["Maximum"],
            )  # fmt: skip
            if any(point["Maximum"] > above for point in statistics["Datapoints"]):
                return
            time.sleep(0.1)
        raise AssertionError(f"{source.name} has no value above {above}")

    # --- availability -------------------------------------------------------------------------------------

    def server_errors(self) -> None:
        assert set(self.chat("standin-500", 6, parallel=3)) == {500}

    def client_errors(self) -> None:
        assert set(self.chat("no-such-model", 24, parallel=8)) == {404}

    def first_byte(self) -> None:
        assert self.chat("standin-slow-3") == [400], "whole responses do not count, however late they are"
        assert self.chat("standin-slow-1", stream=True) == [200]

    def gateway_latency(self) -> None:
        # Eight retries with random, growing delays take longer than the alarm's tenth of a second.
        with self.system.cloud.fault("dynamodb", "ProvisionedThroughputExceededException", times=8):
            self.chat("standin-small")

    def upstream_errors_openai(self) -> None:
        self.chat("standin-500", 7, parallel=4)

    def upstream_errors_anthropic(self) -> None:
        self._messages("/v1/messages", {"model": "claude-500"})

    def upstream_errors_bedrock(self) -> None:
        self._messages("/bedrock/model/nova-500/converse", {})

    def _messages(self, path: str, more: dict[str, Any]) -> None:
        content: Any = "Hello" if more else [{"text": "Hello"}]
        sizes: dict[str, Any] = {"max_tokens": 9} if more else {"inferenceConfig": {"maxTokens": 9}}
        body = {"messages": [{"role": "user", "content": content}], **sizes, **more}
        headers = {"x-api-key": self.system.key("alarming")}
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda _: self.system.call("POST", path, body, headers).status, range(7)))
        assert set(statuses) == {500 if more else 424}, "boto3 would repeat a 500"

    def lambda_errors(self) -> None:
        self.invoke(GATEWAY)

    def throttles(self) -> None:
        client = self.system.cloud.client("lambda")
        client.put_function_concurrency(FunctionName=GATEWAY, ReservedConcurrentExecutions=0)
        try:
            assert set(self.chat("standin-small", 6)) == {500}
        finally:
            client.delete_function_concurrency(FunctionName=GATEWAY)

    def authorizer_failures(self) -> None:
        assert self.system.call("GET", "/v1/models").status == 401, "no failure"
        client = self.system.cloud.client("lambda")
        client.put_function_concurrency(FunctionName=AUTHORIZER, ReservedConcurrentExecutions=0)
        try:
            assert set(self.chat("standin-small", 2)) == {503}
        finally:
            client.delete_function_concurrency(FunctionName=AUTHORIZER)

    def concurrency(self) -> None:
        self.chat("standin-slow-3", 4, parallel=4)

    def duration(self) -> None:
        assert self.chat("standin-slow-3") == [400]

    def ledger_failures(self) -> None:
        with self.system.cloud.fault("dynamodb", "AccessDeniedException", operations=["UpdateItem"]):
            assert self.chat("standin-small") == [503]

    def ledger_throttles(self) -> None:
        with self.system.cloud.fault("dynamodb", "ProvisionedThroughputExceededException"):
            self.chat("standin-small", 4, parallel=4)

    def ledger_conflicts(self) -> None:
        with self.system.cloud.fault("dynamodb", "TransactionConflictException", operations=["UpdateItem"], times=6):
            assert self.chat("standin-small") == [200]

    def secret_failures(self) -> None:
        with self.system.cloud.fault("secretsmanager", "ResourceNotFoundException"):
            for _ in range(20):  # each 401 makes one process of the function forget its cached key
                if 503 in self.chat("standin-401", 2):
                    return
        raise AssertionError("the secret was never read again")

    def quiet(self) -> None:
        self.system.cloud.advance(2 * 3_600)

    def function_errors_echo(self) -> None:
        self.invoke(CUSTOM)

    # --- money --------------------------------------------------------------------------------------------

    def spend(self) -> None:
        self.chat("standin-heedless", 3)

    def spend_anomaly(self) -> None:
        """Two weeks of low cost, then an expensive hour."""
        now = time.time()
        usual = [{"Timestamp": now - 3_600 * hour, "Value": 1_000 + hour % 7} for hour in range(2, 14 * 24)]
        name = {"MetricName": "CostNanoUsd", "Dimensions": [{"Name": "environment", "Value": "e2e"}], "Unit": "None"}
        self.system.cloud.client("cloudwatch").put_metric_data(
            Namespace="Tollgate", MetricData=[name | data_point for data_point in usual]
        )
        self.chat("standin-heedless", 5)

    def budget(self) -> None:
        assert self.chat("standin-long", 2, consumer="nearly", max_tokens=1000) == [200, 400]

    def aggregator_errors(self) -> None:
        self.invoke(AGGREGATOR)

    def aggregator_lag(self) -> None:
        record = self.reserve()
        with self.without_bookings():
            self.settle(record)
            self.await_metric(ALARMS["aggregator-lag"].condition.sources["measured"], above=2_000)

    def quarantined_records(self) -> None:
        key = {PK: usage_pk("alarming", "2026-02-30", 0), SK: usage_sk(0, "of-another-program")}
        table, client = str(self.system.outputs["table"]), self.system.cloud.client("dynamodb")
        foreign = {name: {"S": value} for name, value in {**key, "settlement": "settled"}.items()}
        client.put_item(TableName=table, Item=foreign)
        self.await_metric(ALARMS["quarantined-records"].condition.sources["measured"])
        client.delete_item(TableName=table, Key={name: foreign[name] for name in key})

    def unbooked_buckets(self) -> None:
        record = self.reserve()
        with self.without_bookings():
            self.settle(record)
            self.sweep()

    def reserved_in_vain(self) -> None:
        self.reserve(opened=False)
        self.sweep()

    def unsettled(self) -> None:
        for _ in range(3):
            self.reserve()
        self.sweep()

    def overdue_holds(self) -> None:
        self.reserve()
        with self.system.cloud.fault("dynamodb", "AccessDeniedException", operations=["PutItem"]):
            self.sweep()
        self.sweep()

    def sweeper_errors(self) -> None:
        with self.system.cloud.fault("dynamodb", "AccessDeniedException", operations=["GetItem"]):
            self.sweep()

    def over_estimate(self) -> None:
        self.chat("standin-heedless")

    def unpriced(self) -> None:
        self.chat("no-such-model", 6, parallel=3)

    # --- leaked and misused keys --------------------------------------------------------------------------

    def refusals(self) -> None:
        self.chat("no-such-model", 16, parallel=4)

    def api_gateway_rejections(self) -> None:
        headers = {"x-api-key": "guessed-key"}
        assert {self.system.call("GET", "/v1/models", headers=headers).status for _ in range(16)} == {401}

    def dead_keys(self) -> None:
        client = self.system.cloud.client("apigateway")
        key = client.create_api_key(name=f"tollgate-e2e-alarming-dead-{time.time()}", enabled=True)
        plan = self.system.outputs["plan_ids"]["open"]
        client.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        table = self.system.cloud.client("dynamodb")
        for sk, values in ((KEY_SK, {"consumer": "alarming"}), (STATE_SK, {"status": "revoked"})):
            item = {PK: key_pk(key["id"]), SK: sk, **values}
            table.put_item(
                TableName=self.system.outputs["table"], Item={name: {"S": value} for name, value in item.items()}
            )
        try:
            statuses = {
                self.system.call("GET", "/v1/models", headers={"x-api-key": key["value"]}).status for _ in range(4)
            }
            assert statuses == {403}
        finally:
            client.delete_api_key(apiKey=key["id"])

    def shared_key(self) -> None:
        headers = {"x-api-key": self.system.key("alarming")}
        for number in range(2, 8):
            with urllib3.PoolManager(source_address=(f"127.0.0.{number}", 0), retries=False) as pool:
                assert pool.request("GET", f"{self.system.url}/v1/models", headers=headers).status == 200
