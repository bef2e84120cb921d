"""Strict budgets hold when a provider makes every call that a request allows, and reads its whole context each time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from socket import socket

from lambda_src.contract import ACCOUNT_SK, account_pk
from lambda_src.core.account import Account
from tests.bench import Bench, request
from tests.gateway.test_provider_connection import serving

WINDOW, CALLS, OUTPUT = 1_000, 2, 50
HELD = 2 * 10_000_000 + 3 * WINDOW * 3_000 + OUTPUT * 4_000
"""2 searches, 3 readings at the price of audio, the dearest input, and the output: nano-USD."""
COST = 2 * 10_000_000 + 3 * WINDOW * 1_000 + OUTPUT * 4_000


def test_a_strict_budget_holds_with_the_most_calls(bench: Bench) -> None:
    bench.add_model("searcher", max_input_tokens=WINDOW, fees={"web_search": 10_000_000})
    bench.add_consumer("agents", budgets=[{"usd_nano": 3 * HELD, "per": "day"}])
    received: list[dict[str, object]] = []
    answer = {
        "object": "response", "status": "completed", "model": "searcher",
        "output": [{"type": "web_search_call", "status": "completed", "action": {"type": "search"}}] * CALLS,
        "usage": {"input_tokens": 3 * WINDOW, "output_tokens": OUTPUT, "total_tokens": 3 * WINDOW + OUTPUT},
    }  # fmt: skip
    raw = json.dumps(answer).encode()

    def behave(connection: socket, body: bytes) -> None:
        received.append(json.loads(body))
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n"
        connection.sendall(head.encode() + raw)

    with serving(behave) as (port, _):
        provider = replace(
            bench.config().providers["openai"],
            base_url=f"http://127.0.0.1:{port}/v1", flavour="openai", hosted_tool_calls=CALLS, secret=None,
        )  # fmt: skip
        gateway = bench.gateway(providers={**bench.config().providers, "openai": provider})
        body = {"model": "searcher", "input": "Hi", "tools": [{"type": "web_search"}], "max_output_tokens": OUTPUT}

        def send(_: int) -> tuple[int, str]:
            response = gateway.handle(request("key-agents", body, path="/v1/responses"), 29.0)
            return response.status, response.headers["x-tollgate-cost-usd"]

        with ThreadPoolExecutor(6) as pool:
            outcomes = list(pool.map(send, range(12)))
    succeeded = [cost for status, cost in outcomes if status == 200]
    assert set(succeeded) == {"0.0232"}
    assert all(sent["max_tool_calls"] == CALLS for sent in received)
    bench.aggregate()
    account = Account(bench.ledger().get(account_pk("agents"), ACCOUNT_SK, float("inf")))
    spent = {value for name, value in account.item.items() if name.startswith("s|day|")}
    assert spent == {len(succeeded) * COST}
    assert 3 <= len(succeeded) == len(received)
    assert len(succeeded) * COST <= 3 * HELD
