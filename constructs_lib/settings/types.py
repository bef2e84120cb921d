"""Types of values in an environment file, and how error messages describe them."""

from __future__ import annotations

import re
import types
import typing
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, TypeGuard, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from lambda_src.contract import NAME_PATTERN

NAME: Final = NAME_PATTERN
_MODEL_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,127}$"
_REGION: Final = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
_URL: Final = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
_HTTPS_URL: Final = r"^https://[^\s/?#@]+(/[^\s?#]*)?$"
_EMAIL: Final = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_SECRETS_MANAGER_ID: Final = r"^[A-Za-z0-9/_+=.@:-]{1,2048}$"
_API_PATH: Final = r"^(/[A-Za-z0-9-]+|/\{[A-Za-z0-9]+\})*(/[A-Za-z0-9-]+|/\{[A-Za-z0-9]+\+?\})$"
_ORIGIN: Final = r"^(\*|https?://[^\s/?#@]+)$"
_HANDLER: Final = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)+$"
_ARN: Final = r"^arn:[a-z-]+:[^\s]+$"
_KMS_KEY_ARN: Final = r"^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$"
_WEB_ACL_ARN: Final = r"^arn:[a-z-]+:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/[^\s/]+/[^\s/]+$"
_BUCKET: Final = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_OBJECT_KEY: Final = r"^[^\s/]([^\n]*[^\s/])?$"
_STAGE: Final = r"^[a-zA-Z0-9_]{1,32}$"
_VARIABLE: Final = r"^[A-Za-z][A-Za-z0-9_]*$"
_SLACK_WORKSPACE: Final = r"^[0-9A-Z]{1,255}$"
_SLACK_CHANNEL: Final = r"^[A-Za-z0-9]{1,256}$"
_UUID: Final = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_TEAMS_CHANNEL: Final = r"^19(:|%3A)[A-Za-z0-9_-]+(@|%40)thread\.(tacv2|skype)$"

PATTERN_WORDS: Final = {
    NAME: "1 to 31 lower-case letters, digits and hyphens, not starting with a hyphen",
    _MODEL_NAME: "1 to 128 letters, digits and . _ : / + -, starting with a letter or digit",
    _REGION: "an AWS region such as eu-west-1",
    _URL: "a URL such as https://api.example.com/v1, without user, query or fragment",
    _HTTPS_URL: "an https URL without user, query or fragment",
    _EMAIL: "an e-mail address",
    _SECRETS_MANAGER_ID: "the name or ARN of a Secrets Manager secret, never its value",
    _API_PATH: "a path such as /example, /example/{id} or /example/{proxy+} of letters, digits and hyphens",
    _ORIGIN: "one origin such as https://app.example.com, or *",
    _HANDLER: "FILE.FUNCTION, such as app.handler",
    _ARN: "an ARN",
    _KMS_KEY_ARN: "the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID, not of an alias",
    _WEB_ACL_ARN: "the ARN of a regional web ACL, arn:aws:wafv2:REGION:ACCOUNT:regional/webacl/NAME/ID",
    _BUCKET: "3 to 63 lower-case letters, digits, hyphens and dots",
    _OBJECT_KEY: "a key that does not start or end with /",
    _STAGE: "1 to 32 letters, digits and underscores",
    _VARIABLE: "letters, digits and underscores, starting with a letter",
    _SLACK_WORKSPACE: "a workspace id such as T01ABCDEFGH",
    _SLACK_CHANNEL: "a channel id such as C01ABCDEFGH",
    _UUID: "a UUID",
    _TEAMS_CHANNEL: "a channel id such as 19:abc@thread.tacv2",
}

USD_FORMAT: Final = "usd"
"""`format` of amounts of money in the JSON Schema."""
_USD_PLACES: Final = 9
_USD_TEXT: Final = r"^[0-9]+(\.[0-9]+)?$"
_USD_SCHEMA: Final = {
    "anyOf": [
        {"type": "number", "minimum": 0, "format": USD_FORMAT},
        {"type": "string", "pattern": _USD_TEXT, "format": USD_FORMAT},
    ]
}
_TAG: Final = re.compile(r"[\w .:/=+@-]*")


class Section(BaseModel):
    """A frozen, strict table: unknown keys are errors, and so is "10" instead of 10."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def unwrap(annotation: Any) -> Any:
    """`annotation` without `| None` and `Annotated`."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return unwrap(typing.get_args(annotation)[0])
    if origin in (types.UnionType, typing.Union):
        return unwrap(next(option for option in typing.get_args(annotation) if option is not type(None)))
    return annotation


def _is_usd_text(value: object) -> TypeGuard[str]:
    # Decimal also accepts "1e3" and "1_000", which the JSON Schema does not.
    return isinstance(value, str) and re.fullmatch(_USD_TEXT, value) is not None


def _usd(value: object) -> Decimal:
    try:
        if (isinstance(value, int | Decimal) and not isinstance(value, bool)) or _is_usd_text(value):
            amount = Decimal(value)
            if amount.is_finite() and amount >= 0 and amount == round(amount, _USD_PLACES):
                return amount
    except InvalidOperation:
        pass
    raise ValueError('USD as a number or in quotes, such as 0.25 or "0.25", not negative, at most nine decimal places')


def _as_float(value: object) -> object:
    # The loader reads each TOML float as a Decimal, to keep amounts of money exact.
    return float(value) if isinstance(value, Decimal) else value


def _unique(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) != len(values):
        raise ValueError("each value once")
    return values


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression in Python syntax; Python reports: {error}") from None
    return value


def _tag(value: str) -> str:
    if not _TAG.fullmatch(value) or value.lower().startswith("aws:"):
        raise ValueError("letters, digits, spaces and _ . : / = + - @, not starting with aws:, as AWS requires")
    return value


Usd = Annotated[Decimal, BeforeValidator(_usd), WithJsonSchema(_USD_SCHEMA)]
"""An exact amount, as a TOML number or in quotes."""

FromDecimal = BeforeValidator(_as_float)
"""For a number that is not money. It comes last in `Annotated`, so that limits before it are in the JSON Schema."""

_Item = TypeVar("_Item")
_LIST: Final = Field(strict=False, json_schema_extra={"uniqueItems": True})
UniqueList = Annotated[tuple[_Item, ...], _LIST, AfterValidator(_unique)]
NonEmptyUniqueList = Annotated[tuple[_Item, ...], Field(min_length=1), _LIST, AfterValidator(_unique)]

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
RequestsPerSecond = Annotated[float, Field(ge=0, allow_inf_nan=False), FromDecimal]
MemoryMb = Annotated[int, Field(ge=128, le=10240)]

Text = Annotated[str, StringConstraints(max_length=256)]
TagName = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_tag)]
TagValue = Annotated[str, StringConstraints(max_length=256), AfterValidator(_tag)]
"""What every service accepts. IAM is the strictest and would reject other tags in the middle of an apply
(docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html)."""
RegularExpression = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_regular_expression)]

Name = Annotated[str, StringConstraints(pattern=NAME)]
ModelName = Annotated[str, StringConstraints(pattern=_MODEL_NAME)]
Region = Annotated[str, StringConstraints(pattern=_REGION)]
Url = Annotated[str, StringConstraints(pattern=_URL)]
HttpsUrl = Annotated[str, StringConstraints(pattern=_HTTPS_URL)]
Email = Annotated[str, StringConstraints(pattern=_EMAIL)]
SecretId = Annotated[str, StringConstraints(pattern=_SECRETS_MANAGER_ID)]
ApiPath = Annotated[str, StringConstraints(pattern=_API_PATH)]
Origin = Annotated[str, StringConstraints(pattern=_ORIGIN)]
Handler = Annotated[str, StringConstraints(pattern=_HANDLER)]
Arn = Annotated[str, StringConstraints(pattern=_ARN)]
KmsKeyArn = Annotated[str, StringConstraints(pattern=_KMS_KEY_ARN)]
WebAclArn = Annotated[str, StringConstraints(pattern=_WEB_ACL_ARN)]
BucketName = Annotated[str, StringConstraints(pattern=_BUCKET)]
ObjectKey = Annotated[str, StringConstraints(pattern=_OBJECT_KEY, max_length=1024)]
StageName = Annotated[str, StringConstraints(pattern=_STAGE)]
VariableName = Annotated[str, StringConstraints(pattern=_VARIABLE)]
SlackWorkspaceId = Annotated[str, StringConstraints(pattern=_SLACK_WORKSPACE)]
SlackChannelId = Annotated[str, StringConstraints(pattern=_SLACK_CHANNEL)]
Uuid = Annotated[str, StringConstraints(pattern=_UUID)]
TeamsChannelId = Annotated[str, StringConstraints(pattern=_TEAMS_CHANNEL)]

LogRetention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""Days that CloudWatch Logs accepts."""
