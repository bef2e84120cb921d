"""docs/errors.md is current, and the table follows the rules that it states."""

from __future__ import annotations

import pytest

from constructs_lib.errors_page import PAGE, page
from constructs_lib.gateway_responses import gateway_responses
from lambda_src.core.error_causes import CAUSES

REPEATED = (408, 409, 429, *range(500, 600))
"""Statuses that SDKs send again by their own rules."""
NOT_REPEATED_BY_ANY = {"openai": 400, "anthropic": 424, "bedrock": 424}


def test_page_is_up_to_date() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run `make docs`"


@pytest.mark.parametrize("code", CAUSES)
def test_what_may_be_billed_has_a_status_that_no_client_repeats(code: str) -> None:
    cause = CAUSES[code]
    if cause.shapes is None:
        return
    statuses = {dialect: shape.status for dialect, shape in cause.shapes.items()}
    if cause.billed:
        assert (statuses, cause.retry) == (NOT_REPEATED_BY_ANY, False)
        assert cause.status >= 500, "a failure of the provider, whatever the caller receives"
    elif any(status in REPEATED for status in statuses.values()):
        assert cause.retry is not None or cause.retry_after is not None, "clients are told what to do"
    if cause.retry is False:
        assert statuses["bedrock"] not in REPEATED, "boto3 ignores x-should-retry"


@pytest.mark.parametrize("bearer", [True, False])
def test_api_gateway_never_makes_clients_repeat_a_request_that_may_be_billed(bearer: bool) -> None:
    found = {
        response.response_type: (response.status, response.error_type) for response in gateway_responses(bearer=bearer)
    }
    for response_type in ("INTEGRATION_TIMEOUT", "INTEGRATION_FAILURE", "QUOTA_EXCEEDED"):
        assert found[response_type] == (400, "billing_error"), response_type
