"""JSON for everything that leaves the gateway: valid JSON and valid UTF-8, whatever callers and providers sent."""

from __future__ import annotations

import json


def json_text(value: object) -> str:
    """`value` as compact JSON, with null for NaN and infinities. RecursionError if it is nested too deeply."""
    try:
        text = _dump(value)
    except ValueError:
        text = _dump(json.loads(json.dumps(value), parse_constant=lambda _: None))
    return valid_text(text)


def valid_text(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair, which JSON can escape and UTF-8 cannot encode."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # joins the halves of a pair


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
