"""Each provider's bodies are counted as its reference says; cut anywhere, they never cost nothing, nor more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_src.contract import ROUTES, STANDARD_TIER, Route
from lambda_src.core.dialects import DIALECTS
from lambda_src.core.dialects.bedrock import stream_events
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import estimate_tokens, events, tokens_to_charge
from lambda_src.core.policy import Model
from lambda_src.core.pricing import Prices, Rates
from lambda_src.core.tokens import Tokens
from tests.bench import PER_TOKEN

FIXTURES = Path(__file__).parent.parent / "fixtures" / "providers"
NAMES = sorted(each.name.removesuffix(".expected.json") for each in FIXTURES.glob("*.expected.json"))
ROUTE = {route.name: route for route in ROUTES}
MODEL = Model(
    name="m", provider="p", upstream="m", prices=Prices({STANDARD_TIER: (Rates(0, PER_TOKEN),)}), price_version="1",
    max_output_tokens=100_000,
)  # fmt: skip
USUAL_INPUT = 25
MOST_OUTPUT = 100_000


def case(name: str) -> tuple[dict[str, Any], Route, ParsedRequest, bytes]:
    """What is expected of a body, its route, the request that it answers, and the body."""
    expected = json.loads((FIXTURES / f"{name}.expected.json").read_text())
    (path,) = [found for end in ("json", "sse", "eventstream") if (found := FIXTURES / f"{name}.{end}").exists()]
    asked = ParsedRequest(body={}, model="m", stream=expected["stream"])
    return expected, ROUTE[expected["route"]], asked, path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_body_is_counted_as_its_provider_means_it(name: str) -> None:
    expected, route, asked, body = case(name)
    reading = DIALECTS[route.dialect].parse_response(route, asked, body, expected["whole"])
    assert reading.usage.reported == expected["reported"]
    assert reading.usage.tokens == Tokens(**expected["tokens"])
    assert reading.usage.model == expected["model"]
    assert (reading.usage.service_tier or STANDARD_TIER) == expected["tier"]
    assert reading.body == body
    if not expected["reported"]:
        assert reading.delivered == len(expected["delivered_text"].encode())


def cuts(body: bytes, route: Route) -> Iterator[bytes]:
    """A stream cut at each of its events' ends, and within each."""
    if route.dialect == "bedrock":
        ends = [end for end in range(len(body)) if len(stream_events(body[:end])) < len(stream_events(body[: end + 1]))]
        for end in ends:
            yield from (body[: end + 1], body[: end - 7])
        return
    end = 0
    for event in events(body):
        yield body[: end + len(event) // 2]
        end += len(event)
        yield body[:end]


@pytest.mark.parametrize("name", [name for name in NAMES if case(name)[0]["stream"] and case(name)[0]["reported"]])
def test_a_stream_cut_anywhere_costs_something_and_no_more_than_the_whole(name: str) -> None:
    expected, route, asked, body = case(name)
    whole = Tokens(**expected["tokens"])
    # What a cut stream does not say is estimated: the input from the request, the output from the text that came.
    dearest = Tokens(**{**expected["tokens"], "input": max(whole.input, USUAL_INPUT)})
    most = MODEL.prices.cost(dearest)
    seen = set()
    for cut in cuts(body, route):
        reading = DIALECTS[route.dialect].parse_response(route, asked, cut, complete=False)
        tokens = tokens_to_charge(reading, USUAL_INPUT, MOST_OUTPUT)
        cost = MODEL.prices.cost(tokens)
        assert tokens.output + tokens.output_audio >= 1
        assert 0 < cost <= most
        assert reading.usage.reported or tokens.output <= max(whole.total_output, estimate_tokens(reading.delivered))
        seen.add(cost)
    assert len(seen) > 2, "the longer it ran the more it costs"
