"""The facts of a request that determine its cost and limits, and helpers for reading them from JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lambda_src.core.errors import BadRequest

JsonObject = dict[str, object]

MEDIA_TYPE = "application/json"

TOOLS_ALLOWANCE = 2_000
"""Tokens of a provider's own instructions for tools. Anthropic documents up to about 600."""
BUILT_IN_ALLOWANCE = 1_000
"""Tokens of the definition of a tool that a request only names. Anthropic documents up to about 750."""


@dataclass(frozen=True, slots=True)
class ToolBound:
    """The most that tools add to a request. fees: nano-USD. readings: how often the provider reads the context."""

    fees: int
    readings: int


@dataclass(slots=True, kw_only=True)
class ParsedRequest:
    """The facts of a request.

    body: the request's JSON object. model: the requested model. stream: whether an event stream is requested.
    max_output: maximum output tokens per choice; None: the request has no maximum. choices: requested choices (`n`).
    may_ignore_maximum: some servers take the request's maximum for none.
    extra_output: output tokens per choice that may be billed in addition to `max_output`.
    text_bytes: bytes of the parts of the body whose size in bytes bounds their tokens. images: number of images.
    inputs: texts that are read independently, each at most as long as the context window. token_ids: tokens that the
    request gives as numbers, which `text_bytes` excludes.
    added_tokens: input tokens that the provider adds to explain tools to the model.
    unbounded_input: the part that refers to input of unknown size, such as a file id; None: no such part.
    extended_context: whether the request extends the model's context window.
    unknown_members: top-level fields whose effect on the cost is unknown.
    hosted_feature: a feature that the provider runs at a cost without a bound; None: none.
    hosted_tools: the types of the request's tools that the provider runs. client_tools: its other tools.
    removed_tools: the types of tools that are left out. tool_bound: the most that the hosted tools can add; None: they
    have no bound.
    input_classes, output_classes: token classes that input and output may be billed in.
    marks_long_cache: whether it marks parts for a cache of an hour in Anthropic's manner.
    service_tier: the requested tier; None: the provider's default. may_vary_tier: the provider may choose the tier.
    usage_requested: whether the client requested usage in the stream.
    maximum_fields: fields that the gateway sets to a chat completion's maximum output.
    overrides: fields to set in the body before it is forwarded. removed: fields to leave out.
    """

    body: JsonObject
    model: str
    stream: bool = False
    max_output: int | None = None
    may_ignore_maximum: bool = False
    choices: int = 1
    extra_output: int = 0
    text_bytes: int = 0
    images: int = 0
    inputs: int = 1
    token_ids: int = 0
    added_tokens: int = 0
    unbounded_input: str | None = None
    extended_context: bool = False
    unknown_members: tuple[str, ...] = ()
    hosted_feature: str | None = None
    hosted_tools: tuple[str, ...] = ()
    client_tools: tuple[JsonObject, ...] = ()
    removed_tools: tuple[str, ...] = ()
    tool_bound: ToolBound | None = None
    input_classes: set[str] = field(default_factory=lambda: {"input", "cache_read"})
    output_classes: set[str] = field(default_factory=lambda: {"output"})
    marks_long_cache: bool = False
    service_tier: str | None = None
    may_vary_tier: bool = False
    usage_requested: bool = True
    maximum_fields: tuple[str, ...] = ("max_tokens",)
    overrides: JsonObject = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @property
    def hosted_tool(self) -> str | None:
        """The tool or feature that the provider runs at a cost without a bound; None: none."""
        return self.hosted_feature or (f"the tool {self.hosted_tools[-1]}" if self.hosted_tools else None)

    def remove_hosted_tools(self) -> None:
        """Leave out the tools that the provider runs."""
        self.removed_tools, self.hosted_tools = self.hosted_tools, ()
        if self.client_tools:
            self.overrides["tools"] = list(self.client_tools)
        else:  # an empty list, or a choice between no tools, is an error
            self.removed |= {"tools", "tool_choice", "parallel_tool_calls"}

    def forwarded_body(self, raw: bytes) -> bytes:
        """The bytes to send to the provider: `raw` itself if no field must be set. BadRequest if nested too deeply."""
        if not self.removed and all(self.body.get(name) == value for name, value in self.overrides.items()):
            return raw
        fields = {name: value for name, value in self.body.items() if name not in self.removed} | self.overrides
        # Escaped as ASCII: the caller may have sent half a surrogate pair, which UTF-8 cannot encode.
        try:
            return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
        except RecursionError:
            raise too_deep() from None
        except ValueError:  # 1e999 is valid JSON, and infinite in Python
            raise BadRequest("invalid_json", "the body has a number beyond 1e308. Send a smaller one.") from None


def parse_json(body: bytes, content_type: str, content_encoding: str = "") -> JsonObject:
    """The JSON object of a request body.

    content_encoding: explains a body that cannot be read; API Gateway may have decompressed it.
    Duplicate fields are rejected: the provider might read the other value, and so bypass a limit.
    """
    if content_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise BadRequest(
            "unsupported_media_type",
            f"content-type is {shorten(content_type)}; accepted: {MEDIA_TYPE}. Send the request body as JSON.",
        )
    try:
        parsed = json.loads(body.decode(), object_pairs_hook=_unique_fields, parse_constant=_reject_constant)
    except UnicodeDecodeError as error:
        problem = f"the body is not UTF-8 (byte {error.start}). Send UTF-8 JSON."
        raise _compressed(content_encoding) or BadRequest("invalid_encoding", problem) from None
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise _compressed(content_encoding) or BadRequest(
            "invalid_json", f"the body is not valid JSON: {problem}. Send valid JSON."
        ) from None
    except RecursionError:
        raise too_deep() from None
    except ValueError:  # Python limits the digits of an integer
        raise BadRequest("invalid_json", "the body has a number of thousands of digits. Send a shorter one.") from None
    if not isinstance(parsed, dict):
        raise BadRequest("invalid_json", 'the body is not a JSON object; accepted: an object like {"model": …}.')
    return parsed


def _compressed(content_encoding: str) -> BadRequest | None:
    """The error for a body that is encoded, such as with gzip; None if the header names no encoding."""
    if content_encoding.strip().lower() in ("", "identity"):
        return None
    return BadRequest(
        "unsupported_media_type",
        f"content-encoding is {shorten(content_encoding)}; accepted: a body without content-encoding. Send the JSON "
        "uncompressed: turn off request compression in your client.",
    )


def too_deep() -> BadRequest:
    """The error for a body that exceeds Python's recursion limit."""
    return BadRequest("invalid_json", "the body is nested too deeply. Send a flatter one.")


def reject_case_variants(body: JsonObject, names: Iterable[str]) -> None:
    """Reject fields that differ from one of `names` only by case. Some providers ignore case, so that such a field
    could bypass a limit."""
    names = frozenset(names)
    variants = {given.casefold(): given for given in body if given not in names}
    for name in names if variants else ():
        if given := variants.get(name.casefold()):
            raise BadRequest("invalid_parameter", f"{shorten(given)} is not a field; accepted: {name}.", param=given)


def unknown_members(body: JsonObject, known: frozenset[str]) -> tuple[str, ...]:
    """The names of the request's top-level fields that are not `known`."""
    return tuple(name for name in body if name not in known)


def reject_fields(body: JsonObject, reasons: Mapping[str, str]) -> None:
    """Reject fields that would make the price unpredictable. reasons: the reason by field name."""
    for name, reason in reasons.items():
        if body.get(name) is not None:
            raise BadRequest(
                "not_supported",
                f"{name} is {shorten(body[name])}; it is not supported, because {reason}. Leave it out.",
                param=name,
            )


def model_name(body: JsonObject) -> str:
    """The field `model`. BadRequest if it is missing or not a valid name."""
    if body.get("model") is None:
        raise BadRequest(
            "model_missing", "the request names no model; accepted: a name from GET /v1/models.", param="model"
        )
    return valid_model_name(body["model"], "model")


def valid_model_name(name: object, param: str) -> str:
    """`name`. BadRequest if it is not a valid name of a model. param: the field that has it."""
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        raise BadRequest(
            "invalid_model", f"model is {shorten(name)}; accepted: a name from GET /v1/models.", param=param
        )
    return name


def integer_field(body: JsonObject, name: str, *, minimum: int = 1, maximum: int = 100_000_000) -> int | None:
    """An integer that affects the cost; None if it is absent or null. BadRequest for any other value."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise BadRequest(
            "invalid_parameter",
            f"{name} is {shorten(value)}; accepted: a whole number from {minimum} to {maximum}.",
            param=name,
        )
    return value


def boolean_field(body: JsonObject, name: str) -> bool:
    """A boolean; False if it is absent or null. BadRequest for any other value."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise BadRequest("invalid_parameter", f"{name} is {shorten(value)}; accepted: true or false.", param=name)
    return value


_IMAGE_URL = re.compile(r"https?://[^/?#]+/[^?#]*\.(png|jpe?g|gif|webp)([?#].*)?", re.IGNORECASE | re.DOTALL)


def is_image_url(url: object) -> bool:
    """Whether a remote URL's path ends like an image's. Servers also accept URLs of documents and videos for images."""
    return isinstance(url, str) and _IMAGE_URL.fullmatch(url) is not None


def objects(value: object) -> Iterable[JsonObject]:
    """The objects in a JSON array; empty if `value` is not an array."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def for_each_part(owners: Iterable[JsonObject], name: str, visit: Callable[[JsonObject], None]) -> None:
    """Call `visit` with each content part in the field `name` of each of `owners`."""
    for owner in owners:
        for part in objects(owner.get(name)):
            visit(part)


def split_tools(
    parsed: ParsedRequest, tools: Iterable[JsonObject], is_client_tool: Callable[[JsonObject], bool]
) -> None:
    """Set `parsed.client_tools` and `parsed.hosted_tools`."""
    client: list[JsonObject] = []
    hosted: list[JsonObject] = []
    for tool in tools:
        (client if is_client_tool(tool) else hosted).append(tool)
    parsed.client_tools, parsed.hosted_tools = tuple(client), tuple(brief(tool.get("type")) for tool in hosted)


def find_values(body: object, name: str) -> Iterator[object]:
    """The values of all fields called `name`, at any depth."""
    pending = [body]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if value.get(name) is not None:
                yield value[name]
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def byte_size(value: object) -> int:
    """Bytes of a string in UTF-8; 0 if `value` is not a string."""
    return len(value.encode(errors="surrogatepass")) if isinstance(value, str) else 0


def _unique_fields(pairs: list[tuple[str, object]]) -> JsonObject:
    unique: JsonObject = {}
    for name, value in pairs:
        if name in unique:
            raise BadRequest("invalid_json", f"the field {shorten(name)} is given twice in one object. Give it once.")
        unique[name] = value
    return unique


def _reject_constant(name: str) -> object:
    raise BadRequest("invalid_json", f"{name} is not JSON; accepted: finite numbers.")


def shorten(value: object) -> str:
    """A caller's value as JSON, truncated for an error message."""
    return brief(json.dumps(value, ensure_ascii=False, default=str))


def brief(value: object) -> str:
    """A caller's value as text, truncated for an error message."""
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def set_max_output(parsed: ParsedRequest, route_name: str, max_output: int) -> None:
    """Set the request's maximum output tokens, under the name that its route or, for chats, its provider uses."""
    if route_name in ("converse", "converse_stream"):
        given = parsed.body.get("inferenceConfig")
        parsed.overrides["inferenceConfig"] = {**(given if isinstance(given, dict) else {}), "maxTokens": max_output}
    elif route_name == "responses":
        parsed.overrides["max_output_tokens"] = max_output
    elif route_name != "embeddings":
        parsed.overrides |= dict.fromkeys(parsed.maximum_fields, max_output)
