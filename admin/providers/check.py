"""One small call of each provider through the gateway, as a client of ours makes it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from admin.errors import RefusedError, ServiceError
from admin.session import Session
from lambda_src.contract import (
    HEADER_COST,
    HEADER_REQUEST_ID,
    MODELS_PK,
    NANO_PER_USD,
    SK,
    STANDARD_TIER,
    ProviderKind,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MOST_TOKENS: Final = 16
"""Of output. Some reasoning models answer 400 to fewer."""
_SECONDS: Final = 60.0
_LONGEST_ERROR: Final = 300

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """A provider, and how a call of it ended.

    provider: its name.
    ok: whether it answered, with 200 and JSON, or was not called: the key may use none of its models, or a dry run.
    model: the model that was asked, or would be; null where the key may use none.
    status: HTTP status of the answer; null where there was none.
    latency_ms: from the request to the whole answer.
    usd: what was charged, a decimal string.
    nano_usd: the same as an integer of 10⁻⁹ USD.
    request_id: the gateway's; null where there is none.
    error: what was said instead of an answer, or why nothing was asked; null where all is well.
    """

    provider: str
    ok: bool
    model: str | None
    status: int | None
    latency_ms: int
    usd: str
    nano_usd: int
    request_id: str | None
    error: str | None


def check(session: Session, key: str, providers: Sequence[str]) -> Iterator[Checked]:
    """Ask the cheapest model of each that the key may use; in a dry run only find it. Refused where the gateway does
    not take the key, ServiceFault where it does not answer."""
    import urllib3

    pool = urllib3.PoolManager(retries=False, timeout=_SECONDS)
    usable = _usable(pool, session.invoke_url, key)
    models = [each for each in session.table.query(MODELS_PK) if each[SK] in usable]
    for name in providers:
        kind = session.config.providers[name].kind
        offered = [each for each in models if each["provider"] == name]
        if not offered:
            yield _unasked(name, None, "not called: the key may use none of its models")
            continue
        model = min(offered, key=_dearness)
        if session.output.dry_run:
            yield _unasked(name, model[SK], "not called: a dry run")
            continue
        yield _asked(pool, session.invoke_url, key, name, kind, model)


def _unasked(provider: str, model: str | None, why: str) -> Checked:
    return Checked(provider, True, model, None, 0, "0", 0, None, why)


def _usable(pool: PoolManager, url: str, key: str) -> set[str]:
    """Names of the models that the key may use."""
    import urllib3

    try:
        answer = pool.request("GET", f"{url}/v1/models", headers={"x-api-key": key})
    except urllib3.exceptions.HTTPError as fault:
        raise ServiceError(
            f"the gateway at {url} did not answer: {type(fault).__name__}. Is the network up, and can this machine "
            "reach it (name resolution, proxy, certificates)?"
        ) from None
    if answer.status != 200:
        raise RefusedError(f"the gateway did not take the key: {answer.status} {_said(answer)}")
    listed = _members(answer).get("data")
    if not isinstance(listed, list):
        raise ServiceError(f"what answers at {url} is no gateway: its list of models is none. It said: {_said(answer)}")
    return {str(each.get("id")) for each in listed if isinstance(each, dict)}


def _members(answer: BaseHTTPResponse) -> dict[str, Any]:
    """Of the JSON object in an answer; none where it is something else."""
    try:
        document = json.loads(answer.data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _dearness(model: Item) -> tuple[int, int, str]:
    rates = model["prices"][STANDARD_TIER][0]
    return int(rates["output"]) == 0, int(rates["input"]) + int(rates["output"]), str(model[SK])


def _asked(pool: PoolManager, url: str, key: str, provider: str, kind: ProviderKind, model: Item) -> Checked:
    import urllib3

    path, body = _question(kind, model)
    headers = {"x-api-key": key, "content-type": "application/json"}
    began = time.monotonic()
    try:
        answer = pool.request("POST", url + path, headers=headers, body=json.dumps(body).encode())
    except urllib3.exceptions.HTTPError as fault:
        said = f"no answer: {type(fault).__name__}"
        return Checked(provider, False, model[SK], None, _since(began), "0", 0, None, said)
    usd = answer.headers.get(HEADER_COST, "0")
    ok = answer.status == 200 and bool(_members(answer))
    return Checked(
        provider=provider,
        ok=ok,
        model=model[SK],
        status=answer.status,
        latency_ms=_since(began),
        usd=usd,
        nano_usd=_nano(usd),
        request_id=answer.headers.get(HEADER_REQUEST_ID),
        error=None if ok else _said(answer) or "an empty answer",
    )


def _question(kind: ProviderKind, model: Item) -> tuple[str, dict[str, object]]:
    """Path and body of the smallest question in a dialect. What is priced by its input alone makes embeddings."""
    name, words = model[SK], "ping"
    rates = model["prices"][STANDARD_TIER][0]
    if kind == "bedrock":
        message = {"role": "user", "content": [{"text": words}]}
        path = f"/bedrock/model/{quote(name, safe='')}/converse"
        return path, {"messages": [message], "inferenceConfig": {"maxTokens": MOST_TOKENS}}
    if kind == "openai" and rates["input"] and not rates["output"]:
        return "/v1/embeddings", {"model": name, "input": words}
    chat: dict[str, object] = {"model": name, "messages": [{"role": "user", "content": words}]}
    if kind == "anthropic":
        return "/v1/messages", {**chat, "max_tokens": MOST_TOKENS}
    return "/v1/chat/completions", {**chat, "max_completion_tokens": MOST_TOKENS}


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _nano(usd: str) -> int:
    from decimal import Decimal

    return int(Decimal(usd) * NANO_PER_USD)


def _said(answer: BaseHTTPResponse) -> str:
    """The error's own words, shortened; whatever shape it has."""
    document = _members(answer)
    if not document:
        return answer.data.decode(errors="replace")[:_LONGEST_ERROR]
    error = document.get("error", document)
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)[:_LONGEST_ERROR]
