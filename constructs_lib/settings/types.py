"""Types of values in an environment file, and how error messages describe them."""

from __future__ import annotations

import ipaddress
import re
import types
import typing
from datetime import date, datetime
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
from pydantic.fields import FieldInfo

from constructs_lib.settings import patterns, regular_expressions

USD_FORMAT: Final = "usd"
"""`format` of amounts of money in the JSON Schema."""
_USD_PLACES: Final = 9
_MAX_USD: Final = 1_000_000_000
"""Multiplied by tokens and by nano-USD it still fits the 38 digits of a DynamoDB number."""
_USD_TEXT: Final = r"^[0-9]{1,10}(\.[0-9]{1,9})?$"
_USD_SCHEMA: Final = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": _MAX_USD, "format": USD_FORMAT},
        {"type": "string", "pattern": _USD_TEXT, "format": USD_FORMAT},
    ]
}
MAX_COUNT: Final = 2**31 - 1
"""What every AWS API with a 32-bit integer accepts, and JavaScript (CDKTF) represents exactly."""
_EXPIRY_YEARS: Final = range(2000, 9999)
"""A shift to UTC stays within the years that Python's datetime represents."""
_DAY_TEXT: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TAG: Final = re.compile(r"[\w .:/=+@-]*")


class Section(BaseModel):
    """A frozen, strict table: unknown keys are errors, and so is "10" instead of 10."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def fields_by_key(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields of a section by their key in the file."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


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
            if amount.is_finite() and 0 <= amount <= _MAX_USD and amount == round(amount, _USD_PLACES):
                return amount
    except InvalidOperation:
        pass
    raise ValueError(
        'USD as a number or in quotes, such as 0.25 or "0.25", not negative, '
        f"at most {_MAX_USD:,} with nine decimal places"
    )


def _as_float(value: object) -> object:
    # The loader reads each TOML float as a Decimal, to keep amounts of money exact.
    return float(value) if isinstance(value, Decimal) else value


def _unique(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) != len(values):
        raise ValueError("each value once")
    return values


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _or_one_item(schema: dict[str, Any]) -> None:
    """Accept one item in place of a list in the JSON Schema."""
    described = {key: schema.pop(key) for key in ("type", "items") if key in schema}
    schema["anyOf"] = [described["items"], described | {"uniqueItems": True}]


def _regular_expression(value: str) -> str:
    try:
        regular_expressions.check(value)
    except re.error as error:
        raise ValueError(f"a regular expression in Python syntax; Python reports: {error}") from None
    except regular_expressions.UnsafePatternError as error:
        raise ValueError(f"a regular expression with {error}") from None
    return value


def _host(url: str) -> str:
    """`url`, if its port is at most 65535 and an address in brackets is an IPv6 address."""
    authority = url.partition("://")[2].partition("/")[0]
    host, _, rest = authority.rpartition("]")
    port = rest.rpartition(":")[2] if ":" in rest else ""
    if port and not 1 <= int(port) <= 65_535:
        raise ValueError("a URL with a port from 1 to 65535")
    if host:
        try:
            ipaddress.IPv6Address(host.removeprefix("["))
        except ValueError:
            raise ValueError("a URL whose brackets contain an IPv6 address, such as http://[::1]:8080") from None
    return url


def _ip_range(value: str) -> str:
    """`value` as a CIDR block: 192.0.2.7 becomes 192.0.2.7/32."""
    accepted = "an address or a CIDR block such as 198.51.100.0/24 or 2001:db8::/32"
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(accepted) from None
    if network.network_address != ipaddress.ip_interface(value).ip:
        raise ValueError(f"{accepted}, whose address is the first of the block: {network}")
    return str(network)


def _expiry(value: date | datetime) -> date | datetime:
    if value.year not in _EXPIRY_YEARS:
        raise ValueError(f"a year from {_EXPIRY_YEARS[0]} to {_EXPIRY_YEARS[-1]}")
    return value


def _day(value: object) -> object:
    """`value`, as a date if it is the text of one."""
    if isinstance(value, str) and re.fullmatch(_DAY_TEXT, value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError("a date such as 2027-01-31, which starts at midnight UTC")


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
OneOrMore = Annotated[
    tuple[_Item, ...],
    Field(strict=False, json_schema_extra=_or_one_item),
    BeforeValidator(_listed),
    AfterValidator(_unique),
]
"""A list in which each value occurs once; one value needs no brackets."""
NonEmptyUniqueList = Annotated[tuple[_Item, ...], Field(min_length=1), _LIST, AfterValidator(_unique)]

Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Positive = Annotated[int, Field(ge=1, le=MAX_COUNT)]
RequestsPerSecond = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False), FromDecimal]
Expiry = Annotated[date | datetime, AfterValidator(_expiry)]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date", "pattern": _DAY_TEXT})]
"""A day in UTC, as a TOML date or in quotes."""
MemoryMb = Annotated[int, Field(ge=128, le=10240)]

Text = Annotated[str, StringConstraints(max_length=256)]
TagName = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_tag)]
TagValue = Annotated[str, StringConstraints(max_length=256), AfterValidator(_tag)]
"""What every service accepts. IAM is the strictest and would reject other tags in the middle of an apply
(docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html)."""
RegularExpression = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(_regular_expression)]
RegularExpressions = Annotated[tuple[RegularExpression, ...], Field(max_length=32), _LIST, AfterValidator(_unique)]

Name = Annotated[str, StringConstraints(pattern=patterns.NAME)]
TerraformName = Annotated[str, StringConstraints(pattern=patterns.TERRAFORM_NAME)]
"""A name that is also the name of a Terraform resource, which must not start with a digit."""
ModelName = Annotated[str, StringConstraints(pattern=patterns.MODEL_NAME)]
Region = Annotated[str, StringConstraints(pattern=patterns.REGION, max_length=32)]
Url = Annotated[str, StringConstraints(pattern=patterns.URL, max_length=512), AfterValidator(_host)]
HttpsUrl = Annotated[str, StringConstraints(pattern=patterns.HTTPS_URL, max_length=512), AfterValidator(_host)]
Email = Annotated[str, StringConstraints(pattern=patterns.EMAIL, max_length=254)]
SecretId = Annotated[str, StringConstraints(pattern=patterns.SECRET_ID)]
ApiPath = Annotated[str, StringConstraints(pattern=patterns.API_PATH, max_length=256)]
Origin = Annotated[str, StringConstraints(pattern=patterns.ORIGIN, max_length=256), AfterValidator(_host)]
Handler = Annotated[str, StringConstraints(pattern=patterns.HANDLER, max_length=128)]
KmsKeyArn = Annotated[str, StringConstraints(pattern=patterns.KMS_KEY_ARN, max_length=256)]
WebAclArn = Annotated[str, StringConstraints(pattern=patterns.WEB_ACL_ARN, max_length=256)]
HostName = Annotated[str, StringConstraints(pattern=patterns.HOST_NAME, max_length=253)]
CertificateArn = Annotated[str, StringConstraints(pattern=patterns.CERTIFICATE_ARN, max_length=256)]
BasePath = Annotated[str, StringConstraints(pattern=patterns.BASE_PATH)]
HostedZoneId = Annotated[str, StringConstraints(pattern=patterns.HOSTED_ZONE_ID)]
SubnetId = Annotated[str, StringConstraints(pattern=patterns.SUBNET_ID)]
SecurityGroupId = Annotated[str, StringConstraints(pattern=patterns.SECURITY_GROUP_ID)]
VpcEndpointId = Annotated[str, StringConstraints(pattern=patterns.VPC_ENDPOINT_ID)]
IpRange = Annotated[str, StringConstraints(max_length=43), AfterValidator(_ip_range)]
"""A CIDR block in its shortest form, so that equal blocks are equal texts."""
BucketName = Annotated[str, StringConstraints(pattern=patterns.BUCKET)]
ObjectKey = Annotated[str, StringConstraints(pattern=patterns.OBJECT_KEY, max_length=1024)]
StageName = Annotated[str, StringConstraints(pattern=patterns.STAGE)]
VariableName = Annotated[str, StringConstraints(pattern=patterns.VARIABLE, max_length=256)]
SlackWorkspaceId = Annotated[str, StringConstraints(pattern=patterns.SLACK_WORKSPACE)]
SlackChannelId = Annotated[str, StringConstraints(pattern=patterns.SLACK_CHANNEL)]
Uuid = Annotated[str, StringConstraints(pattern=patterns.UUID)]
TeamsChannelId = Annotated[str, StringConstraints(pattern=patterns.TEAMS_CHANNEL, max_length=256)]

LogRetention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""Days that CloudWatch Logs accepts."""
