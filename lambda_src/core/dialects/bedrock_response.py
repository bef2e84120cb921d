"""Usage, text and errors in responses of Converse and ConverseStream."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from lambda_src.contract import STANDARD_TIER
from lambda_src.core.dialects.parsed_request import JsonObject, find_values
from lambda_src.core.dialects.parsed_response import ParsedResponse, text_size
from lambda_src.core.dialects.response_body import BodyReader
from lambda_src.core.dialects.usage_fields import UsageObject
from lambda_src.core.dialects.usage_reading import bedrock_usage
from lambda_src.core.tokens import as_object, name_or_none, read_count

_BLOCKED: Final = "guardrail_intervened"
_MOST_UNITS: Final = 100
"""Kinds of text units; AWS has less than ten."""


@dataclass(slots=True)
class BedrockResponse:
    """What the parts of a Converse response state. A stream's usage is in its final `metadata` event.

    text: bytes of generated text. units: text units that guardrails assessed. blocked: whether a guardrail replaced the
    response.
    """

    found: bool = False
    text: int = 0
    usage: UsageObject = field(default_factory=UsageObject)
    units: dict[str, int] = field(default_factory=dict)
    blocked: bool = False
    tier: str | None = None
    error: object = None

    def read(self, kind: str, document: JsonObject) -> bool:
        """Read a response or an event of a stream. Callers get all of them."""
        self.found = True
        if kind == "contentBlockDelta":
            self.text += text_size(document.get("delta"))
        elif kind.endswith(("Exception", "Error")):
            self.error = {"code": kind, **document}
        elif kind == "messageStop":
            self.blocked = document.get("stopReason") == _BLOCKED
        elif kind in ("metadata", ""):
            self.usage.add(document.get("usage"))
            self.blocked = self.blocked or document.get("stopReason") == _BLOCKED
            _add_guardrail_units(self.units, document)
            self.tier = tier_of(document) or self.tier
            self.text += text_size(document.get("output"))
            if "__type" in document or document.keys() == {"message"}:  # AWS's form of an error
                self.error = {"code": document.get("__type"), **document}
        return False

    def parsed(self, body: BodyReader, rest: bytes, complete: bool) -> ParsedResponse:
        """The response."""
        usage = self.usage.value or {}
        if self.units:
            usage["guardrailUnits"] = self.units
        reported = bedrock_usage(usage)
        doubtful = reported.doubtful or self.usage.truncated
        reported = replace(reported, doubtful=doubtful, service_tier=self.tier).with_delivered(self.text)
        failed = not complete or self.error is not None or (body.is_stream and not usage)
        # The model was not called: the text is the guardrail's own message.
        uncounted = usage.get("inputTokens") == usage.get("outputTokens") == 0 and not reported.tokens.total
        return ParsedResponse(
            reported, self.text, rest, failed, body.media_type, self.error, unbilled=self.blocked and uncounted
        )


def _add_guardrail_units(units: dict[str, int], payload: JsonObject) -> None:
    """Add the text units that each policy of a guardrail has assessed, for which AWS charges.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailUsage.html
    """
    for metrics in find_values(as_object(payload.get("trace")).get("guardrail"), "invocationMetrics"):
        for name, value in as_object(as_object(metrics).get("usage")).items():
            number, _ = read_count(value)
            if number and (name in units or len(units) < _MOST_UNITS):
                units[name] = units.get(name, 0) + number


def tier_of(body: JsonObject) -> str | None:
    """The service tier in a request or a response. `reserved` is prepaid capacity at standard prices."""
    tier = name_or_none(as_object(body.get("serviceTier")).get("type"))
    return STANDARD_TIER if tier in ("default", "reserved") else tier
