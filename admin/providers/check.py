"""One small request to each provider through the gateway."""

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

MAX_OUTPUT_TOKENS: Final = 16
"""Maximum output tokens. Some reasoning models reject less."""
_SECONDS: Final = 60.0
_LONGEST_ERROR: Final = 300

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """The result of the check of one provider.

    provider: its name.
    ok: whether it responded with 200 and JSON, or was not called (the key may use none of its models, or a dry run).
    model: the model of the request; null if the key may use none.
    status: HTTP status; null without a response.
    latency_ms: time to the complete response.
    usd: amount charged, a decimal string.
    nano_usd: the same as an integer of 10⁻⁹ USD.
    request_id: request id of the gateway; null without a response.
    error: the error, or why the provider was not called; null on success.
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


def check(session: Session, key: str, providers: Sequence[str]) -> Iterator[ProviderCheck]:
    """Call the cheapest model of each provider that the key may use; a dry run only selects it. Raises RefusedError if
    the gateway rejects the key, ServiceError if it does not respond."""
    import urllib3

    pool = urllib3.PoolManager(retries=False, timeout=_SECONDS)
    usable = _usable(pool, session.invoke_url, key)
    models = [item for item in session.ledger.query(MODELS_PK) if item[SK] in usable]
    for name in providers:
        kind = session.config.providers[name].kind
        offered = [item for item in models if item["provider"] == name]
        if not offered:
            yield _not_called(name, None, "not called: the key may use none of its models")
            continue
        model = min(offered, key=_price)
        if session.output.dry_run:
            yield _not_called(name, model[SK], "not called: a dry run")
            continue
        yield _called(pool, session.invoke_url, key, name, kind, model)


def _not_called(provider: str, model: str | None, why: str) -> ProviderCheck:
    return ProviderCheck(provider, True, model, None, 0, "0", 0, None, why)


def _usable(pool: PoolManager, url: str, key: str) -> set[str]:
    """Models that the key may use."""
    import urllib3

    try:
        response = pool.request("GET", f"{url}/v1/models", headers={"x-api-key": key})
    except urllib3.exceptions.HTTPError as error:
        raise ServiceError(
            f"the gateway at {url} did not respond: {type(error).__name__}. Check the network, DNS, proxy and "
            "certificates of this machine."
        ) from None
    if response.status != 200:
        raise RefusedError(f"the gateway rejected the key: {response.status} {_error_text(response)}")
    listed = _members(response).get("data")
    if not isinstance(listed, list):
        raise ServiceError(f"{url} is not a gateway: it returned no list of models, but: {_error_text(response)}")
    return {str(model.get("id")) for model in listed if isinstance(model, dict)}


def _members(response: BaseHTTPResponse) -> dict[str, Any]:
    """Members of the JSON object in a response; {} if it is something else."""
    try:
        document = json.loads(response.data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _price(model: Item) -> tuple[int, int, str]:
    rates = model["prices"][STANDARD_TIER][0]
    return int(rates["output"]) == 0, int(rates["input"]) + int(rates["output"]), str(model[SK])


def _called(pool: PoolManager, url: str, key: str, provider: str, kind: ProviderKind, model: Item) -> ProviderCheck:
    import urllib3

    path, body = _smallest_request(kind, model)
    headers = {"x-api-key": key, "content-type": "application/json"}
    began = time.monotonic()
    try:
        response = pool.request("POST", url + path, headers=headers, body=json.dumps(body).encode())
    except urllib3.exceptions.HTTPError as error:
        text = f"no response: {type(error).__name__}"
        return ProviderCheck(provider, False, model[SK], None, _since(began), "0", 0, None, text)
    usd = response.headers.get(HEADER_COST, "0")
    ok = response.status == 200 and bool(_members(response))
    return ProviderCheck(
        provider=provider,
        ok=ok,
        model=model[SK],
        status=response.status,
        latency_ms=_since(began),
        usd=usd,
        nano_usd=_nano(usd),
        request_id=response.headers.get(HEADER_REQUEST_ID),
        error=None if ok else _error_text(response) or "empty response",
    )


def _smallest_request(kind: ProviderKind, model: Item) -> tuple[str, dict[str, object]]:
    """Path and body of a minimal request. A model that is priced by input alone creates embeddings."""
    name, prompt = model[SK], "ping"
    rates = model["prices"][STANDARD_TIER][0]
    if kind == "bedrock":
        message = {"role": "user", "content": [{"text": prompt}]}
        path = f"/bedrock/model/{quote(name, safe='')}/converse"
        return path, {"messages": [message], "inferenceConfig": {"maxTokens": MAX_OUTPUT_TOKENS}}
    if kind == "openai" and rates["input"] and not rates["output"]:
        return "/v1/embeddings", {"model": name, "input": prompt}
    chat: dict[str, object] = {"model": name, "messages": [{"role": "user", "content": prompt}]}
    if kind == "anthropic":
        return "/v1/messages", {**chat, "max_tokens": MAX_OUTPUT_TOKENS}
    return "/v1/chat/completions", {**chat, "max_completion_tokens": MAX_OUTPUT_TOKENS}


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _nano(usd: str) -> int:
    from decimal import Decimal

    return int(Decimal(usd) * NANO_PER_USD)


def _error_text(response: BaseHTTPResponse) -> str:
    """The message of an error response of any shape, shortened."""
    document = _members(response)
    if not document:
        return response.data.decode(errors="replace")[:_LONGEST_ERROR]
    error = document.get("error", document)
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)[:_LONGEST_ERROR]
