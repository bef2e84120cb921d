"""Kinds of values that an environment file may hold, each with the words an error uses for it."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, TypeGuard

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from lambda_src.contract import NAME_PATTERN

NAME: Final = NAME_PATTERN
MODEL_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,127}$"
REGION: Final = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
URL: Final = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
EMAIL: Final = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
SAFE_NAME: Final = r"^[A-Za-z0-9/_+=.@:-]{1,2048}$"
PATH: Final = r"^(/[A-Za-z0-9-]+|/\{[A-Za-z0-9]+\})*(/[A-Za-z0-9-]+|/\{[A-Za-z0-9]+\+?\})$"
ORIGIN: Final = r"^(\*|https?://[^\s/?#@]+)$"
HANDLER: Final = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)+$"
ARN: Final = r"^arn:[a-z-]+:[^\s]+$"
KMS_KEY: Final = r"^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$"
WEB_ACL: Final = r"^arn:[a-z-]+:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/[^\s/]+/[^\s/]+$"
BUCKET: Final = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
OBJECT_KEY: Final = r"^[^\s/]([^\n]*[^\s/])?$"
STAGE: Final = r"^[a-zA-Z0-9_]{1,32}$"
VARIABLE: Final = r"^[A-Za-z][A-Za-z0-9_]*$"
HTTPS: Final = r"^https://[^\s/?#@]+(/[^\s?#]*)?$"
SLACK_WORKSPACE: Final = r"^[0-9A-Z]{1,255}$"
SLACK_CHANNEL: Final = r"^[A-Za-z0-9]{1,256}$"
UUID: Final = r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
TEAMS_CHANNEL: Final = r"^19(:|%3A)[A-Za-z0-9_-]+(@|%40)thread\.(tacv2|skype)$"

PATTERN_WORDS: Final = {
    NAME: "1 to 31 lower-case letters, digits and hyphens, the first no hyphen",
    MODEL_NAME: "letters, digits and . _ : / + -, the first a letter or digit",
    REGION: "an AWS region such as eu-west-1",
    URL: "a URL such as https://api.example.com/v1, without user, query or fragment",
    EMAIL: "an e-mail address",
    SAFE_NAME: "the name or the ARN of a Secrets Manager secret, never its value",
    PATH: "a path such as /example, /example/{id} or /example/{proxy+} of letters, digits and hyphens",
    ORIGIN: "one origin such as https://app.example.com, or *",
    HANDLER: "FILE.FUNCTION, such as app.handler",
    ARN: "an ARN",
    KMS_KEY: "the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID; no alias",
    WEB_ACL: "the ARN of a regional web ACL, arn:aws:wafv2:REGION:ACCOUNT:regional/webacl/NAME/ID",
    BUCKET: "3 to 63 lower-case letters, digits, hyphens and dots",
    OBJECT_KEY: "a key that neither begins nor ends with /",
    STAGE: "1 to 32 letters, digits and underscores",
    HTTPS: "an https URL without user, query or fragment",
    SLACK_WORKSPACE: "a workspace id such as T01ABCDEFGH",
    SLACK_CHANNEL: "a channel id such as C01ABCDEFGH",
    UUID: "a UUID",
    TEAMS_CHANNEL: "a channel id such as 19:abc@thread.tacv2",
    VARIABLE: "letters, digits and underscores, the first a letter",
}

USD_FORMAT: Final = "usd"
"""What the JSON Schema calls an amount of money."""
_USD_PLACES: Final = 9
_TAGGABLE: Final = re.compile(r"[\w .:/=+@-]*")
_AMOUNT: Final = r"^[0-9]+(\.[0-9]+)?$"
_USD_SCHEMA: Final = {
    "anyOf": [
        {"type": "number", "minimum": 0, "format": USD_FORMAT},
        {"type": "string", "pattern": _AMOUNT, "format": USD_FORMAT},
    ]
}


class Section(BaseModel):
    """Frozen, and strict: a key that is not known is a fault, and so is "10" where a number is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _is_amount(value: object) -> TypeGuard[str]:
    # Decimal would read "1e3" and "1_000" too, which editors that follow the schema mark as wrong.
    return isinstance(value, str) and re.fullmatch(_AMOUNT, value) is not None


def _usd(value: object) -> Decimal:
    try:
        if (isinstance(value, int | Decimal) and not isinstance(value, bool)) or _is_amount(value):
            amount = Decimal(value)
            if amount.is_finite() and amount >= 0 and amount == round(amount, _USD_PLACES):
                return amount
    except InvalidOperation:
        pass
    raise ValueError('USD as a number or in quotes, such as 0.25 or "0.25", not negative, at most nine decimal places')


def _number(value: object) -> object:
    # The loader reads every TOML float as an exact Decimal, for money's sake.
    return float(value) if isinstance(value, Decimal) else value


def _unique(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) != len(values):
        raise ValueError("each value once")
    return values


class _Unique:
    """Of a list: no value stands twice, and the JSON Schema says so."""

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(_unique, handler(kind))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"uniqueItems": True}


def _compiles(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression as Python's re module takes it; of this one it says: {error}") from None
    return value


def _taggable(value: str) -> str:
    if not _TAGGABLE.fullmatch(value) or value.lower().startswith("aws:"):
        raise ValueError("letters, digits, spaces and _ . : / = + - @, not beginning with aws:, as AWS takes tags")
    return value


Usd = Annotated[Decimal, BeforeValidator(_usd), WithJsonSchema(_USD_SCHEMA)]
"""An exact amount. `Environment` files may quote it; a TOML number is just as exact here."""

FromDecimal = BeforeValidator(_number)
"""Of a plain number; it stands last, so that the limits before it are part of the schema."""
Unique = _Unique()

Name = Annotated[str, StringConstraints(pattern=NAME)]
ModelName = Annotated[str, StringConstraints(pattern=MODEL_NAME)]
Text = Annotated[str, StringConstraints(max_length=256)]
TagName = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_taggable)]
TagValue = Annotated[str, StringConstraints(max_length=256), AfterValidator(_taggable)]
"""What every service takes; IAM, the strictest, would refuse others in the middle of an apply
(docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html)."""
RegularExpression = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_compiles)]
Arn = Annotated[str, StringConstraints(pattern=ARN)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Percent = Annotated[int, Field(ge=1, le=1000)]

LogRetention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""Days that CloudWatch Logs accepts."""
