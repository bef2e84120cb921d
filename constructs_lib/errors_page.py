"""docs/errors.md: every error that a client may receive, generated from the tables that the code uses.

python -m constructs_lib.errors_page    writes it
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from constructs_lib.gateway_responses import gateway_responses
from lambda_src.core.error_causes import CAUSES, Cause

PAGE: Final = Path("docs", "errors.md")

_INTRODUCTION: Final = """\
# Errors

<!-- Written by `make docs` from constructs_lib/errors_page.py; do not edit. -->

Clients and agent frameworks decide by an error's status whether they send a request again. So Tollgate chooses statuses
by what a repetition would do:

- **The provider may have billed the request** (a timeout, a cut response): 400 for OpenAI's API, 424 for Anthropic's
  and Bedrock's. Clients repeat 5xx and 429, Codex a 424, and Claude Code a 400. Each repetition would be billed.
- **A budget is spent**: 400 with the type `billing_error`. After a 429, clients would wait and repeat the request until
  the budget resets.
- **Requests in flight hold the rest of a budget**: 429 with `x-should-retry: true`. A repetition succeeds when they
  have cost less than they held. `retry-after` is 5 to 15 seconds, so that parallel requests do not come back at once.
- **A rate limit per minute**: 429 with `retry-after` and `x-should-retry: true`. A repetition succeeds.
- **Nothing was billed, and the gateway has repeated the call already**: 502 or the provider's own status, with
  `x-should-retry: false`. boto3 ignores this header, so Bedrock's routes return 424 in place of a 5xx. A provider's own
  408 or 504, which the gateway does not repeat because the provider may have billed the request, has this header too.
- **A dependency of the gateway is down**: 503 with `retry-after`. No provider was called.

A stream that breaks off after it has begun keeps its complete events and ends with the error event of its API: `error`
for chat completions and messages, `response.failed` for responses, `modelStreamErrorException` for Bedrock. Clients
raise an error and do not send the request again.

Every error has `code`, a stable name for programs, and a message that says what is wrong, what was given, what is
accepted and what to do next. `x-tollgate-request-id` identifies the request: `tollgate usage show ID` explains it.

## Errors of the gateway

A cell has the status and the error type; boto3's type is the exception class. The column `logged` has the status in the
usage log, in reports and in metrics: 500 and above is an error of the gateway or of a provider, whatever the client
received. `retry` is the value of `x-should-retry`.
"""

_API_GATEWAY: Final = """
## Errors of API Gateway

API Gateway rejects these requests before a function sees them. The response has a body that OpenAI's and Anthropic's
SDKs and boto3 can parse. They have no usage row; the access log has them. `INTEGRATION_TIMEOUT` and
`INTEGRATION_FAILURE` have the only status and type that neither Codex nor Claude Code repeats.
"""


def page() -> str:
    """The page's Markdown."""
    rows = [_row(code, cause) for code, cause in CAUSES.items()]
    own = [
        f"| `{response.response_type}` | `{response.code}` | {response.status or 'AWS’s'} `{response.error_type}` "
        f"| {'' if response.retry else 'false'} |"
        for response in gateway_responses(bearer=True)
    ]
    return "\n".join(
        [
            _INTRODUCTION,
            "| code | cause | OpenAI | Anthropic | Bedrock | retry | billed | logged |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            _API_GATEWAY,
            "| response type | code | status and error type | retry |",
            "| --- | --- | --- | --- |",
            *own,
            "",
        ]
    )


def _row(code: str, cause: Cause) -> str:
    if cause.shapes is None:
        cells = ["–" if code == "unsettled" else "the provider's own"] * 3
    else:
        cells = [f"{shape.status} `{shape.type}`" for shape in cause.shapes.values()]
    retry = "" if cause.retry is None else str(cause.retry).lower()
    billed = "yes" if cause.billed else "no"
    return f"| `{code}` | {cause.meaning} | {' | '.join(cells)} | {retry} | {billed} | {cause.status} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
