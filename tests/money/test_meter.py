"""Token counts of recorded responses, complete and cut. A cut stream costs more than nothing and at most its total."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_src.contract import ROUTES, STANDARD_TIER, Route
from lambda_src.core.dialects.event_stream import stream_events
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import estimate_tokens, tokens_to_charge
from lambda_src.core.dialects.response_reader import parse_response
from lambda_src.core.dialects.server_sent_events import sse_events
from lambda_src.core.policy import Model
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.tokens import Tokens
from tests.bench import PER_TOKEN

FIXTURES = Path(__file__).parent.parent / "fixtures" / "providers"
NAMES = sorted(path.name.removesuffix(".expected.json") for path in FIXTURES.glob("*.expected.json"))
ROUTE = {route.name: route for route in ROUTES}
MODEL = Model(
    name="m", provider="p", upstream="m", prices=Prices({STANDARD_TIER: (Rates(0, PER_TOKEN),)}), price_version="1",
    max_output_tokens=100_000,
)  # fmt: skip
ESTIMATED_INPUT = 25
MAX_INPUT = MAX_OUTPUT = 100_000


def case(name: str) -> tuple[dict[str, Any], Route, ParsedRequest, bytes]:
    """The expectation for a recorded body, its route, the request it belongs to, and the body."""
    expected = json.loads((FIXTURES / f"{name}.expected.json").read_text())
    candidates = [FIXTURES / f"{name}.{ending}" for ending in ("json", "sse", "eventstream")]
    (path,) = [path for path in candidates if path.exists()]
    parsed_request = ParsedRequest(body={}, model="m", stream=expected["stream"])
    return expected, ROUTE[expected["route"]], parsed_request, path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_recorded_body_is_counted_as_expected(name: str) -> None:
    expected, route, parsed_request, body = case(name)
    response = parse_response(route, parsed_request, body, expected["whole"])
    assert response.usage.reported == expected["reported"]
    assert response.usage.tokens == Tokens(**expected["tokens"])
    assert response.usage.model == expected["model"]
    assert (response.usage.service_tier or STANDARD_TIER) == expected["tier"]
    # Of a truncated stream, callers get the complete events.
    assert body.startswith(response.body)
    assert (response.body == body) is expected["whole"]
    if not expected["reported"]:
        assert response.delivered_bytes == len(expected["delivered_text"].encode())


def cuts(body: bytes, route: Route) -> Iterator[bytes]:
    """The stream cut after each event and within each event."""
    if route.dialect == "bedrock":
        ends = [end for end in range(len(body)) if len(stream_events(body[:end])) < len(stream_events(body[: end + 1]))]
        for end in ends:
            yield from (body[: end + 1], body[: end - 7])
        return
    end = 0
    for event in sse_events(body):
        yield body[: end + len(event) // 2]
        end += len(event)
        yield body[:end]


@pytest.mark.parametrize("name", [name for name in NAMES if case(name)[0]["stream"] and case(name)[0]["reported"]])
def test_cut_stream_costs_more_than_nothing_and_at_most_its_total(name: str) -> None:
    expected, route, parsed_request, body = case(name)
    whole = Tokens(**expected["tokens"])
    # Counts missing from a cut stream are estimated: input from the request, output from the delivered text.
    upper_bound = Tokens(**{**expected["tokens"], "input": max(whole.input, ESTIMATED_INPUT)})
    max_cost = MODEL.prices.cost(upper_bound)
    costs = set()
    for cut in cuts(body, route):
        response = parse_response(route, parsed_request, cut, complete=False)
        tokens = tokens_to_charge(response, ESTIMATED_INPUT, MAX_INPUT, MAX_OUTPUT)
        cost = MODEL.prices.cost(tokens)
        assert tokens.output + tokens.output_audio >= 1
        assert 0 < cost <= max_cost
        delivered_tokens = estimate_tokens(response.delivered_bytes)
        assert response.usage.reported or tokens.output <= max(whole.total_output, delivered_tokens)
        costs.add(cost)
    assert len(costs) > 2, "the cost grows with the delivered part"
