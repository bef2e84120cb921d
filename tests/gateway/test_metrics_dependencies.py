"""Metrics of the gateway's own services: the ledger, secrets and the count of source addresses."""

from __future__ import annotations

import json

import pytest

from lambda_src.contract import Provider, seen_pk
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.dynamodb_attributes import deserialize_item
from lambda_src.gateway import Gateway
from tests.bench import Bench, chat, request
from tests.gateway.conftest import send
from tests.gateway.emf import EmfLog, FailingAws, point


def test_ledger_throttles_and_failures(bench: Bench, emf_log: EmfLog) -> None:
    aws = FailingAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    send(gateway, request("key-free", chat()))
    aws.throttles = 2
    send(gateway, request("key-free", chat()))
    _, line = emf_log.lines()
    assert (point(line, "LedgerThrottles"), point(line, "LedgerFailures")) == (2, None), "the third attempt succeeded"
    send(bench.gateway(table="no-such-table"), request("key-free", chat()))
    line = emf_log.line()
    assert point(line, "LedgerFailures") == 1
    assert point(line, "Errors", reason="ledger_unavailable") == 1
    assert point(line, "Refusals") == 0, "a ledger outage must not look like a stolen key"
    budget = [{"usd_nano": 1, "per": "day"}]
    send(gateway, request(bench.add_consumer("condition", budgets=budget), chat()))
    assert point(emf_log.line(), "LedgerFailures") is None, "a failed condition is no ledger failure"


def test_unreadable_secret(bench: Bench, emf_log: EmfLog) -> None:
    gateway = bench.gateway()
    gateway.config.providers["openai"] = Provider(
        kind="openai", base_url=bench.config().providers["openai"].base_url, secret="bench/absent"
    )
    send(gateway, request("key-free", chat()))
    line = emf_log.line()
    assert point(line, "SecretFailures") == 1
    assert point(line, "Errors", reason="provider_secret_unavailable") == 1
    assert line["cost_nano_usd"] == 0


def test_cached_secret_serves_during_an_outage_and_failures_count(
    bench: Bench, emf_log: EmfLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = FailingAws(bench.cloud.environment())
    gateway = Gateway(bench.config(), aws)
    send(gateway, request("key-free", chat()))
    aws.denied = '"SecretId":"bench/openai"'
    monkeypatch.setattr("lambda_src.edges.secrets.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("lambda_src.edges.secrets.STALE_SECONDS", -1.0)
    assert send(gateway, request("key-free", chat())).status == 200
    fresh, stale = emf_log.lines()
    assert (point(fresh, "SecretFailures"), point(stale, "SecretFailures")) == (None, 2), (
        "read before the hold and at the call"
    )


def test_addresses_per_key_and_hour(bench: Bench, emf_log: EmfLog) -> None:
    key = bench.add_consumer("roaming")
    clock = [1_795_437_000.0]  # 2026-11-23T12:30Z
    first, second = (Gateway(bench.config(), AwsClient(bench.cloud.environment()), lambda: clock[0]) for _ in range(2))
    for gateway, address in ((first, "192.0.2.1"), (first, "192.0.2.1"), (second, "192.0.2.2"), (first, "2001:db8::1")):
        send(gateway, request(key, {}, source_ip=address))
    assert [point(line, "AddressesPerKey") for line in emf_log.lines()] == [1, 1, 2, 3]
    clock[0] += 1_800
    send(first, request(key, {}, source_ip="192.0.2.1"))
    assert point(emf_log.line(), "AddressesPerKey") == 1, "a new hour starts at zero"
    items = [deserialize_item(item) for item in bench.dynamodb.scan(TableName=bench.table)["Items"]]
    seen = {item["sk"]: item for item in items if item["pk"] == seen_pk(key)}
    assert set(seen) == {"2026-11-23T12", "2026-11-23T13"}
    assert seen["2026-11-23T12"]["ttl"] == 1_795_435_200 + 2 * 86_400
    hashes = seen["2026-11-23T12"]["addresses"]
    assert len(hashes) == 3
    assert {len(digest) for digest in hashes} == {12}
    assert "192.0.2" not in json.dumps(items, default=str), "addresses are stored as hashes only"


def test_address_count_is_bounded_and_never_fails_a_request(
    bench: Bench, emf_log: EmfLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambda_src.edges.source_addresses.MAX_ADDRESSES", 2)
    key = bench.add_consumer("flooding")
    for number in range(4):
        send(bench.gateway(), request(key, {}, source_ip=f"192.0.2.{number}"))
    assert [point(line, "AddressesPerKey") for line in emf_log.lines()] == [1, 2, 2, 2]
    aws = FailingAws(bench.cloud.environment())
    aws.denied = "SEEN#"
    gateway = Gateway(bench.config(), aws)
    assert send(gateway, request("key-free", chat())).status == 200
    assert send(gateway, request("key-free", chat())).status == 200
    first, second = emf_log.lines()
    assert (point(first, "AddressesPerKey"), point(first, "LedgerFailures")) == (None, 1)
    assert point(second, "LedgerFailures") is None, "each address is written only once"
