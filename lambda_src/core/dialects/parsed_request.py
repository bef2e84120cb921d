"""What a request asks for, as far as its cost and its limits depend on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lambda_src.core.errors import BadRequest

JsonObject = dict[str, object]

MEDIA_TYPE = "application/json"

TOOLS_ALLOWANCE = 2_000
"""Tokens for a provider's own words about tools; Anthropic documents up to about 600, beside those of each tool."""
BUILT_IN_ALLOWANCE = 1_000
"""Tokens for the definition of a tool that a request only names; Anthropic documents up to about 750."""


@dataclass(slots=True, kw_only=True)
class ParsedRequest:
    """Facts of one request.

    body: the request's JSON object. model: the name asked for. stream: an event stream is wanted.
    max_output: the most output tokens the request allows per choice; None where it names no maximum.
    choices: answers asked for (`n`). extra_output: output tokens that each may be billed on top of `max_output`.
    text_bytes: size of everything in the body whose tokens are bounded by its bytes. images: how many there are.
    allowance: input tokens that the provider adds by itself, to explain tools to the model.
    open_ended: what hides the input's size (a file id, a stored conversation); None: nothing.
    widened: the request asks for a larger context window than the model's usual one.
    hosted: a tool that the provider runs by itself, whose cost no request bounds; None: none.
    input_classes, output_classes: the token classes that the input and output could fall into.
    service_tier: as asked for; None: left to the provider. may_vary_tier: the provider chooses among several.
    usage_wanted: the client itself asked for usage in the stream.
    overrides: members to set in the body before it is forwarded.
    """

    body: JsonObject
    model: str
    stream: bool = False
    max_output: int | None = None
    choices: int = 1
    extra_output: int = 0
    text_bytes: int = 0
    images: int = 0
    added_tokens: int = 0
    unbounded_input: str | None = None
    extended_context: bool = False
    hosted_tool: str | None = None
    input_classes: set[str] = field(default_factory=lambda: {"input", "cache_read"})
    output_classes: set[str] = field(default_factory=lambda: {"output"})
    service_tier: str | None = None
    may_vary_tier: bool = False
    usage_requested: bool = True
    overrides: JsonObject = field(default_factory=dict)

    def forwarded(self, raw: bytes) -> bytes:
        """The bytes to send upstream: `raw` itself where nothing has to be set. BadRequest: nested too deeply."""
        if all(self.body.get(name) == value for name, value in self.overrides.items()):
            return raw
        # Escaped as ASCII: half a surrogate pair, which the caller may have sent escaped, cannot be UTF-8.
        try:
            return json.dumps(self.body | self.overrides, separators=(",", ":")).encode()
        except RecursionError:
            raise too_deep() from None


def parse(body: bytes, content_type: str) -> JsonObject:
    """The JSON object of a request body.

    A member given twice is refused: two readers may each take another one, and the one with the limits may lose.
    """
    if content_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise BadRequest(
            "unsupported_media_type",
            f"content-type is {shorten(content_type)}; accepted: {MEDIA_TYPE}. Send the request body as JSON.",
            status=415,
        )
    try:
        parsed = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadRequest("invalid_encoding", f"the body is not UTF-8 (byte {error.start}); send UTF-8 JSON.") from None
    except json.JSONDecodeError as error:
        raise BadRequest(
            "invalid_json", f"the body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise too_deep() from None
    except ValueError:  # Python's own limit to the digits of a number
        raise BadRequest("invalid_json", "the body has a number of thousands of digits; send a shorter one.") from None
    if not isinstance(parsed, dict):
        raise BadRequest("invalid_json", 'the body must be a JSON object like {"model": …}.')
    return parsed


def too_deep() -> BadRequest:
    """Nesting that Python cannot follow."""
    return BadRequest("invalid_json", "the body is nested too deeply; send a flatter one.")


def reject_case_variants(body: JsonObject, *names: str) -> None:
    """Refuse a member that is one of `names` but for its case: some providers do not tell them apart, so that a limit
    could be written here and another one there."""
    for given in body:
        meant = given.casefold()
        if meant != given and meant in names:
            raise BadRequest("invalid_parameter", f"{shorten(given)} is no member; write {meant}.", param=given)


def reject_fields(body: JsonObject, names: Mapping[str, str]) -> None:
    """Refuse members that would take the request's price out of our hands; `names` says why."""
    for name, why in names.items():
        if body.get(name) is not None:
            raise BadRequest("not_supported", f"{name} is {shorten(body[name])}; {why}. Leave it out.", param=name)


def model_name(body: JsonObject) -> str:
    """The `model` member; BadRequest where it is missing or no name."""
    name = body.get("model")
    if name is None:
        raise BadRequest(
            "model_missing", "the request names no model; GET /v1/models lists the names you may use.", param="model"
        )
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise BadRequest(
            "invalid_model", f"model is {shorten(name)}; accepted: a name from GET /v1/models.", param="model"
        )
    return name


def integer_field(body: JsonObject, name: str, *, least: int = 1, most: int = 100_000_000) -> int | None:
    """A member that bounds the cost, so that it must be a whole number; None where it is absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadRequest(
            "invalid_parameter",
            f"{name} is {shorten(value)}; accepted: a whole number from {least} to {most}.",
            param=name,
        )
    return value


def boolean_field(body: JsonObject, name: str) -> bool:
    """A member that is true or false; False where it is absent or null."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise BadRequest("invalid_parameter", f"{name} is {shorten(value)}; accepted: true or false.", param=name)
    return value


def objects(value: object) -> Iterable[JsonObject]:
    """The objects in a JSON list; nothing for anything else."""
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def for_each_part(owners: Iterable[JsonObject], member: str, see: Callable[[JsonObject], None]) -> None:
    """Call `see` with every content part under `member` of `owners`."""
    for owner in owners:
        for part in objects(owner.get(member)):
            see(part)


def find_values(body: object, name: str) -> Iterator[object]:
    """Every value that a member `name` has, however deep."""
    pending = [body]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            if each.get(name) is not None:
                yield each[name]
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def byte_size(value: object) -> int:
    """Bytes of a string in UTF-8; 0 for anything else."""
    return len(value.encode(errors="surrogatepass")) if isinstance(value, str) else 0


def _once(pairs: list[tuple[str, object]]) -> JsonObject:
    built = dict(pairs)
    if len(built) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in built if names.count(name) > 1)
        raise BadRequest("invalid_json", f"the member {shorten(twice)} is given twice in one object; give it once.")
    return built


def _no_constant(name: str) -> object:
    raise BadRequest("invalid_json", f"{name} is not JSON; send a finite number.")


def shorten(value: object) -> str:
    """A caller's own value, short enough to repeat in an error."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def set_max_output(parsed: ParsedRequest, route_name: str, most: int) -> None:
    """Have the request say that it wants at most `most` output tokens."""
    if route_name in ("converse", "converse_stream"):
        given = parsed.body.get("inferenceConfig")
        parsed.overrides["inferenceConfig"] = {**(given if isinstance(given, dict) else {}), "maxTokens": most}
    elif route_name != "embeddings":
        parsed.overrides[_MAXIMUM_OF_ROUTE[route_name]] = most


_MAXIMUM_OF_ROUTE = {"chat": "max_completion_tokens", "responses": "max_output_tokens", "messages": "max_tokens"}
