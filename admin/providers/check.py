"""Small requests to each provider through the gateway, which show whether it responds and respects a maximum."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from admin.errors import RefusedError, ServiceError
from admin.providers import maximum
from admin.providers.maximum import Answer
from admin.session import Session
from lambda_src.contract import HEADER_COST, HEADER_REQUEST_ID, MODELS_PK, NANO_PER_USD, SK, STANDARD_TIER, Provider
from lambda_src.core.pricing import usd

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_SECONDS: Final = 60.0
_LONGEST_ERROR: Final = 300
_COST_COMMENT = re.compile(rb"^: %b: (\S+)$" % HEADER_COST.encode(), re.MULTILINE)

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """The result of the check of one provider.

    provider: its name.
    ok: whether it responded with 200 and JSON and respected the maximum output, or was not called (the key may use
        none of its models, or a dry run).
    model: the model of the requests; null if the key may use none.
    flavour: the provider's flavour; null unless its kind is openai.
    calls: number of requests.
    status: HTTP status of the first response; null without one.
    latency_ms: time to the complete first response.
    maximum_field: the field under which the provider respected the maximum output of a chat completion; null if it
        respected none, or none was checked.
    output_tokens: the most output tokens that a chat completion with a maximum of 16 reported; null if none did.
    usd: amount charged for all requests, a decimal string.
    nano_usd: the same as an integer of 10⁻⁹ USD.
    request_id: request id of the first response; null without one.
    error: the error, or why the provider was not called; null on success.
    advice: the setting to change in the environment file; null if there is none.
    """

    provider: str
    ok: bool
    model: str | None
    flavour: str | None
    calls: int
    status: int | None
    latency_ms: int
    maximum_field: str | None
    output_tokens: int | None
    usd: str
    nano_usd: int
    request_id: str | None
    error: str | None
    advice: str | None


def check(session: Session, key: str, providers: Sequence[str]) -> Iterator[ProviderCheck]:
    """Call the cheapest model of each provider that the key may use; a dry run only selects it. Raises RefusedError if
    the gateway rejects the key, ServiceError if it does not respond."""
    import urllib3

    pool = urllib3.PoolManager(retries=False, timeout=_SECONDS)
    usable = _usable(pool, session.invoke_url, key)
    models = [item for item in session.ledger.query(MODELS_PK) if item[SK] in usable]
    for name in providers:
        settings = session.config.providers[name]
        offered = [item for item in models if item["provider"] == name]
        if not offered:
            yield _not_called(name, settings, None, "not called: the key may use none of its models")
            continue
        model = min(offered, key=_price)
        if session.output.dry_run:
            yield _not_called(name, settings, model[SK], "not called: a dry run")
            continue
        yield _called(pool, session.invoke_url, key, name, settings, model)


def _not_called(provider: str, settings: Provider, model: str | None, why: str) -> ProviderCheck:
    return ProviderCheck(provider, True, model, _flavour(settings), 0, None, 0, None, None, "0", 0, None, why, None)


def _flavour(settings: Provider) -> str | None:
    return settings.flavour if settings.kind == "openai" else None


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


def _called(pool: PoolManager, url: str, key: str, provider: str, settings: Provider, model: Item) -> ProviderCheck:
    def send(path: str, body: Mapping[str, object]) -> Answer:
        answer = _send(pool, url + path, key, body)
        answers.append(answer)
        return answer

    answers: list[Answer] = []
    path, body = _smallest_request(settings, model)
    if path == maximum.PATH:
        verdict = maximum.check(lambda body: send(path, body), model[SK], settings.flavour)
    else:
        verdict = maximum.Verdict(send(path, body).error)
    nano_usd = sum(answer.nano_usd for answer in answers)
    return ProviderCheck(
        provider=provider,
        ok=verdict.error is None,
        model=model[SK],
        flavour=_flavour(settings),
        calls=len(answers),
        status=answers[0].status,
        latency_ms=answers[0].latency_ms,
        maximum_field=verdict.field,
        output_tokens=verdict.output_tokens,
        usd=usd(nano_usd),
        nano_usd=nano_usd,
        request_id=answers[0].request_id,
        error=verdict.error,
        advice=verdict.advice,
    )


def _send(pool: PoolManager, url: str, key: str, body: Mapping[str, object]) -> Answer:
    import urllib3

    headers = {"x-api-key": key, "content-type": "application/json"}
    began = time.monotonic()
    try:
        response = pool.request("POST", url, headers=headers, body=json.dumps(body).encode())
    except urllib3.exceptions.HTTPError as error:
        return Answer(None, b"", _since(began), 0, None, f"no response: {type(error).__name__}")
    is_valid = bool(_members(response)) or (body.get("stream") is True and b"data:" in response.data)
    return Answer(
        status=response.status,
        body=response.data,
        latency_ms=_since(began),
        nano_usd=_nano(response.headers.get(HEADER_COST) or _cost_comment(response.data)),
        request_id=response.headers.get(HEADER_REQUEST_ID),
        error=None if response.status == 200 and is_valid else _error_text(response) or "empty response",
    )


def _cost_comment(body: bytes) -> str:
    """The cost in a comment at the end of a stream, in USD."""
    found = _COST_COMMENT.search(body)
    return found[1].decode() if found else "0"


def _smallest_request(settings: Provider, model: Item) -> tuple[str, dict[str, object]]:
    """Path and body of a minimal request. A model that is priced by input alone creates embeddings."""
    name, prompt = model[SK], "ping"
    rates = model["prices"][STANDARD_TIER][0]
    if settings.kind == "bedrock":
        message = {"role": "user", "content": [{"text": prompt}]}
        path = f"/bedrock/model/{quote(name, safe='')}/converse"
        return path, {"messages": [message], "inferenceConfig": {"maxTokens": maximum.OUTPUT_TOKENS}}
    if settings.kind == "openai":
        is_embedding = rates["input"] and not rates["output"]
        return ("/v1/embeddings", {"model": name, "input": prompt}) if is_embedding else (maximum.PATH, {})
    message = {"role": "user", "content": prompt}
    return "/v1/messages", {"model": name, "messages": [message], "max_tokens": maximum.OUTPUT_TOKENS}


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
