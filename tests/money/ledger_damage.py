"""A ledger whose rollups and accounts are damaged and repaired, with an aggregator that runs beside the command."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from admin import cli
from lambda_src.contract import ACCOUNT_SK, PK, SK, account_pk, rollup_pk
from lambda_src.core.account import Hold
from lambda_src.core.policy import Policy
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import UsageRecord
from tests.bench import Bench
from tests.money.correction_bench import ENVIRONMENT, FOREVER, NOW, settle_down
from tests.money.deployment import deploy

ACCOUNT = account_pk("app"), ACCOUNT_SK


class Ledger:
    """Commands on a bench's ledger. capsys, monkeypatch: of the test."""

    def __init__(self, bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = bench
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def redeploy(self) -> None:
        """Deploy the bench's options."""
        deploy(self.bench, ENVIRONMENT, self._monkeypatch)

    def verify(self, *arguments: str, code: int = 0) -> Any:
        """The document of `ledger verify`, which does not wait."""
        self._capsys.readouterr()
        words = ["--env", ENVIRONMENT, "--yes", "--output", "json", "ledger", "verify", "--wait", "0", *arguments]
        assert cli.run(words) == code, self._capsys.readouterr()
        printed = self._capsys.readouterr().out  # with budget events of the aggregator
        return json.loads(printed[printed.index("{\n") :])

    def differences(self, *arguments: str) -> list[tuple[str, str, int]]:
        """Kind, item and difference in nano-USD of each difference."""
        found = self.verify(*arguments, code=1)["differences"]
        return [(each["kind"], each["item"], each["difference_nano_usd"]) for each in found]

    def doctor(self, *, code: int = 0) -> list[str]:
        """The findings of doctor's check."""
        self._capsys.readouterr()
        assert cli.run(["--env", ENVIRONMENT, "--output", "json", "doctor", "--only", "sums"]) == code
        (check,) = json.loads(self._capsys.readouterr().out)["checks"]
        return [finding["found"] for finding in check["findings"]]

    def refuses(self, *arguments: str) -> str:
        """What the command says when it changes nothing."""
        words = ["--env", ENVIRONMENT, "--yes", "--output", "json", "ledger", "verify", "--wait", "0", *arguments]
        assert cli.run(words) == 1
        return self._capsys.readouterr().err

    def repair(self, *arguments: str, code: int = 0) -> Any:
        """The document of `ledger verify --repair`, while the aggregator books."""
        with booking(self.bench):
            return self.verify("--repair", *arguments, code=code)


@contextmanager
def booking(bench: Bench) -> Iterator[None]:
    """Books what ends during the block, as the aggregator does."""
    settle_down(bench)
    ended = threading.Event()

    def book() -> None:
        while not ended.wait(0.02):
            bench.aggregate()

    thread = threading.Thread(target=book)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        settle_down(bench)


def damage(bench: Bench, key: tuple[str, str], changes: Mapping[str, int | None]) -> None:
    """Add to attributes of an item; None removes one."""
    names = {f"#{number}": name for number, name in enumerate(changes)}
    adds = [f"#{number} :{number}" for number, name in enumerate(changes) if changes[name] is not None]
    removes = [f"#{number}" for number, name in enumerate(changes) if changes[name] is None]
    values = {f":{number}": {"N": str(change)} for number, change in enumerate(changes.values()) if change is not None}
    expression = " ".join(
        [*([f"ADD {', '.join(adds)}"] if adds else []), *([f"REMOVE {', '.join(removes)}"] if removes else [])]
    )
    bench.dynamodb.update_item(
        TableName=bench.table, Key={PK: {"S": key[0]}, SK: {"S": key[1]}}, UpdateExpression=expression,
        ExpressionAttributeNames=names, **({"ExpressionAttributeValues": values} if values else {}),
    )  # fmt: skip


def lose(bench: Bench, key: tuple[str, str]) -> None:
    """Delete an item."""
    bench.dynamodb.delete_item(TableName=bench.table, Key={PK: {"S": key[0]}, SK: {"S": key[1]}})


def rollup(day: str, model: str = "quick", consumer: str = "app") -> tuple[str, str]:
    """The key of a rollup."""
    return rollup_pk(consumer), f"{day}#{model}#key-{consumer}"


class Request:
    """A request of the consumer `app`, step by step, at NOW or a number of seconds earlier."""

    def __init__(self, bench: Bench, request_id: str, amount: int = 500_000, seconds_ago: float = 1) -> None:
        at_ms = int((NOW.timestamp() - seconds_ago) * 1000)
        self.ledger = bench.ledger()
        self.hold = Hold(
            request_id=request_id,
            amount=amount,
            deadline=at_ms // 1000 + bench.config().hold_seconds,
            at_ms=at_ms,
            tokens=9,
        )
        self.record = UsageRecord(
            request_id=request_id, at_ms=at_ms, environment=ENVIRONMENT, consumer="app", key_id="key-app", route="chat",
            provider="openai", model="quick", status=200, price_version="bench-1", held_nano_usd=amount,
        )  # fmt: skip

    def reserve(self) -> Request:
        policy = Policy(consumer="app", plan="bench", models=frozenset("*"))
        self.ledger.reserve(self.hold, "app", policy, FOREVER)
        return self

    def open(self) -> Request:
        self.reserve().ledger.open(self.record, self.hold, FOREVER)
        return self

    def settle(self, cost: int = 200_000) -> Request:
        """End the request, whose row is held."""
        self.record.settlement, self.record.usage_source = "settled", "reported"
        self.record.cost_nano_usd, self.record.tokens = cost, Tokens(input=100, output=25)
        self.ledger.settle(self.record, FOREVER)
        return self
