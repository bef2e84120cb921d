"""The switch from whole to streamed responses, under requests (the fixture `system` makes it)."""

from __future__ import annotations

import pytest

from lambda_src.core.pricing import usd
from tests.e2e.conftest import System
from tests.e2e.test_operations import items

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def test_no_request_fails_meanwhile(system: System) -> None:
    assert len(system.switch) > 20
    assert [answer for answer in system.switch if answer.status != 200 or not answer.complete] == []


def test_responses_are_whole_before_and_streamed_after(system: System) -> None:
    streams = [answer.whole for answer in system.switch if answer.stream]
    assert (streams[0], streams[-1]) == (True, False)
    assert all(answer.whole for answer in system.switch if not answer.stream), "the cost of plain JSON is a header"


def test_each_request_is_booked_once(system: System) -> None:
    sent = {answer.request_id: answer.cost_usd for answer in system.switch}
    assert len(sent) == len(system.switch)
    rows = [item for item in items(system) if str(item["pk"]).startswith("USAGE#alpha#")]
    booked = [(request, row) for row in rows if (request := str(row["sk"]).rpartition("#")[2]) in sent]
    assert len(booked) == len(sent)
    assert {request: usd(int(str(row["cost_nano_usd"]))) for request, row in booked} == sent
