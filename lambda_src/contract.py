"""Names that the constructs, the Lambda and the operator's command must spell the same.

It imports the standard library only, so that all three can import it at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from zlib import crc32

# --- money -----------------------------------------------------------------------------------------

NANO_PER_USD: Final = 1_000_000_000
"""Money is an integer number of nano-USD (10⁻⁹ USD)."""

TOKENS_PER_PRICE: Final = 1_000_000
"""Prices are integer nano-USD per this many tokens, the unit that providers publish: $0.0375 per million tokens is
37_500_000. A price per single token would not always be an integer."""

TOKEN_CLASSES: Final = (
    "input",  # text, and anything without a class of its own, that was not read from or written to a cache
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output",  # includes reasoning tokens
    "output_audio",
)
"""Disjoint token classes. A price table has a price for each; the cost is the sum over all classes."""

STANDARD_TIER: Final = "standard"
"""The service tier that every model has a price for. Prices of other tiers (`batch`, `flex`, …) are optional."""

# --- values in an environment file --------------------------------------------------------------------

ProviderKind = Literal["openai", "anthropic", "bedrock"]
Window = Literal["day", "week", "month", "total"]
EstimateMode = Literal["strict", "typical"]

# --- routes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Route:
    """One API method that the gateway Lambda handles.

    name: its name in usage records and logs.
    path: API Gateway resource path; the event's `requestContext.resourcePath` is one of `paths`.
    dialect: the API whose request, response and error formats apply.
    billable: the provider charges for it, so it needs a price and a hold.
    """

    name: str
    method: str
    path: str
    dialect: ProviderKind
    billable: bool = True

    @property
    def paths(self) -> tuple[str, ...]:
        """`path`, and an alias for clients such as Groq's SDK, which append `/openai/v1/…` to the base URL."""
        return (self.path, f"/openai{self.path}") if self.dialect == "openai" else (self.path,)


ROUTES: Final = (
    Route("chat", "POST", "/v1/chat/completions", "openai"),
    Route("responses", "POST", "/v1/responses", "openai"),
    Route("embeddings", "POST", "/v1/embeddings", "openai"),
    Route("models", "GET", "/v1/models", "openai", billable=False),
    Route("model", "GET", "/v1/models/{model}", "openai", billable=False),
    Route("messages", "POST", "/v1/messages", "anthropic"),
    Route("count_tokens", "POST", "/v1/messages/count_tokens", "anthropic", billable=False),
    Route("converse", "POST", "/bedrock/model/{model}/converse", "bedrock"),
    Route("converse_stream", "POST", "/bedrock/model/{model}/converse-stream", "bedrock"),
)
"""`/bedrock` routes are deployed only if the environment has a `bedrock` provider."""

MODEL_ROUTES: Final = ("models", "model")
"""Routes that the gateway answers itself. Their requests have a usage line and no usage row."""

EVENT_STREAM_MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"
"""The API's only binary media type, used by Bedrock streams."""

# --- the Lambda's configuration -----------------------------------------------------------------------

CONFIG_VARIABLE: Final = "TOLLGATE_CONFIG"
"""Environment variable of every Tollgate Lambda: a JSON object with the fields of `Config`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider's endpoint and credentials.

    base_url: the SDKs' base URL (`https://api.openai.com/v1`); for `bedrock` the endpoint of Bedrock Runtime.
    secret: name or ARN of the Secrets Manager secret that holds the provider's API key; None: no key is sent.
    region: AWS region that requests are signed for (`bedrock` only).
    allow_members: request fields to forward in `strict` mode although their effect on the cost is unknown.
    remove_hosted_tools: leave tools that the provider runs out of requests.
    hosted_tool_calls: calls of such tools to allow in `strict` mode if the request states no maximum; None: admit none.
    flavour: the provider's kind of OpenAI's API (`openai` only): a name in `FLAVOURS`.
    """

    kind: ProviderKind
    base_url: str
    secret: str | None = None
    region: str | None = None
    allow_members: tuple[str, ...] = ()
    remove_hosted_tools: bool = False
    hosted_tool_calls: int | None = None
    flavour: str = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Configuration of a Tollgate Lambda; everything else is in the ledger. Units are in the names.

    topic_arn: SNS topic for budget events; None: they are only logged.
    estimate: how the held amount of a request is computed (docs/accounting.md).
    default_max_output_tokens: inserted by `strict` into requests without a maximum.
    typical_output_tokens: assumed output of such requests if `estimate` is `typical`.
    image_tokens: most input tokens of one image.
    keep_alive_seconds: seconds of silence after which a stream gets a comment.
    hold_seconds: deadline of a request; a row that is still held after it becomes `unsettled`.
    retention_days: days that usage rows are kept; 0: forever.
    cors_origin: origin whose web pages may read responses; None: no origin.
    metrics_per_consumer: whether metrics have the dimension `consumer` (each series is billed).
    prompt_log_group: log group for prompts and responses of consumers with `prompt_log`; None: they are not logged.
    prompt_log_max_bytes: bytes kept of each prompt and of each response.
    prompt_log_patterns: Python regular expressions that are masked in addition to keys, e-mail addresses and card
        numbers.
    """

    environment: str
    table: str
    providers: dict[str, Provider]
    topic_arn: str | None = None
    estimate: EstimateMode = "strict"
    default_max_output_tokens: int = 16_384
    typical_output_tokens: int = 1_024
    image_tokens: int = 50_000
    upstream_timeout_seconds: float = 25.0
    upstream_retries: int = 2
    keep_alive_seconds: float = 15.0
    max_request_bytes: int = 4_000_000
    hold_seconds: int = 120
    retention_days: int = 400
    cors_origin: str | None = None
    metrics_per_consumer: bool = True
    prompt_log_group: str | None = None
    prompt_log_max_bytes: int = 20_000
    prompt_log_patterns: tuple[str, ...] = ()


GATEWAY_HANDLER: Final = "lambda_src.handler.handler"
STREAMING_HANDLER: Final = "lambda_src.streaming_handler.handler"
STREAM_VARIABLE: Final = "stream"
"""Stage variable of a stage whose integrations stream."""
SWEEP_MINUTES: Final = 5
"""Minutes between two runs of the sweeper."""
SWEEPER_HANDLER: Final = "lambda_src.sweeper.handler"
AUTHORIZER_HANDLER: Final = "lambda_src.authorizer.handler"
AGGREGATOR_HANDLER: Final = "lambda_src.aggregator.handler"

# --- the ledger ---------------------------------------------------------------------------------------

PK: Final = "pk"
SK: Final = "sk"
TTL_ATTRIBUTE: Final = "ttl"
"""Epoch seconds after which DynamoDB may delete the item."""

UNSPLIT_INDEX: Final = "unsplit"
UNSPLIT_INDEX_KEY: Final = "unsplit"
"""Sort key of a local index without entries: no item has the attribute. Without such an index, DynamoDB may divide the
items of a partition key over several partitions, and so over several shards of the stream. Bookings need the order of a
partition key's records. A partition key may then have 10 GB:
docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html#LSI.ItemCollections."""
ACCOUNTS_INDEX: Final = "accounts"
ACCOUNTS_INDEX_KEY: Final = "account"
"""Sparse KEYS_ONLY index (hash `account`, range `pk`) of accounts, policies and keys. The value of `account` never
changes, so that account updates don't write to the index."""

LISTED_ACCOUNT: Final = ACCOUNTS_INDEX_KEY
LISTED_POLICY: Final = "policy"
LISTED_KEY: Final = "key"
"""Values of `account`, one for each kind of item in the index."""

KEY_SK: Final = "KEY"
POLICY_SK: Final = "POLICY"
STATE_SK: Final = "STATE"
"""Sort key of the items that an operator writes (pause, revocation). Terraform never touches them."""
ACCOUNT_SK: Final = "ACCOUNT"
MODELS_PK: Final = "MODELS"
"""Partition of all models, so that one query reads them; `sk` is the name that clients request."""

NAMES_PK: Final = "NAMES"
"""Partition and sort key of the item with the names of renamed consumers, models and providers."""

EXCEEDED_PK: Final = "EXCEEDED"
"""Partition of the models whose provider has exceeded a request's maximum output; `sk` is the model's name."""


def key_pk(key_id: str) -> str:
    """Partition of an API key: `KEY` (its consumer) and `STATE` (set by an operator)."""
    return f"KEY#{key_id}"


def consumer_pk(consumer: str) -> str:
    """Partition of a consumer: `POLICY` and `STATE`. The Lambdas cannot write to it."""
    return f"CONSUMER#{consumer}"


def event_pk(consumer: str) -> str:
    """Partition of a consumer's budget events."""
    return f"EVENT#{consumer}"


def account_pk(consumer: str) -> str:
    """Partition of a consumer's account item."""
    return f"ACCOUNT#{consumer}"


USAGE_SLOTS: Final = 4
"""Partitions of a consumer's usage rows of a day: one partition key carries about 330 requests per second."""
USAGE: Final = "USAGE#"


def usage_pk(consumer: str, day: str, slot: int | str) -> str:
    """One partition of a consumer's usage rows of a UTC day (`2026-11-23`). slot: `usage_slot`."""
    return f"{USAGE}{consumer}#{day}#{slot}"


def usage_pks(consumer: str, day: str) -> list[str]:
    """All partitions of a consumer's usage rows of a UTC day."""
    return [usage_pk(consumer, day, slot) for slot in range(USAGE_SLOTS)]


def usage_slot(request_id: str) -> int:
    """Number of the partition that has the row of a request."""
    return crc32(request_id.encode()) % USAGE_SLOTS


def usage_sk(epoch_ms: int, request_id: str) -> str:
    """Sort key of a usage row: when API Gateway received the request. 13 digits last until the year 2286."""
    return f"{epoch_ms:013d}#{request_id}"


CORRECTION: Final = "correction"
"""`kind` of a correction, which is an item beside the usage row that it corrects. Usage rows have no `kind`."""


def correction_sk(row_sk: str, number: int) -> str:
    """Sort key of the correction `number`, from 1, of a usage row. It sorts directly after the row."""
    return f"{row_sk}#{number:04d}"


AUDIT_MONTH: Final = "%Y-%m"


def audit_pk(month: str) -> str:
    """Partition of one month's audit trail (`2026-11`); `sk` is `<epoch ms, 13 digits>#<random>`."""
    return f"AUDIT#{month}"


def seen_pk(key_id: str) -> str:
    """Partition of a key's source addresses; `sk` is the UTC hour, `2026-11-23T12`."""
    return f"SEEN#{key_id}"


def rollup_pk(consumer: str) -> str:
    """Partition of a consumer's rollups; `sk` is `DAY#MODEL#KEY_ID`."""
    return f"ROLLUP#{consumer}"


def rollup_sk(day: str, model: str, key_id: str) -> str:
    """Sort key of a rollup. It begins with the day, so that a report is one range query per consumer."""
    return f"{day}#{model}#{key_id}"


def rollup_parts(sk: str) -> tuple[str, str, str]:
    """Day, model and key id of a rollup's sort key. Only the model's name may contain a `#`."""
    day, _, rest = sk.partition("#")
    model, _, key_id = rest.rpartition("#")
    return day, model, key_id


LATENCY_BOUNDS_MS: Final = (
    10, 25, 50, 100, 250, 500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 60_000, 300_000,
)  # fmt: skip
"""Upper bounds of the rollups' latency histogram. Slower requests count as `ms_inf`."""

# Attributes of a rollup. All are numbers that the aggregator adds to; zeros may be missing:
#
#   requests, errors (5xx), refusals, estimated, unsettled, over_estimate, cost_nano_usd, tokens_<class>,
#   tokens_reasoning, latency_ms (sum), ms_<bound> (requests with a latency of at most this bound and above the previous
#   one), streams (those that began), first_byte_ms (their sum), status_<HTTP status>, code_<error code>. Unsettled
#   requests have no latency. Corrections add to cost_nano_usd and tokens_<class>, and to corrections (their number) and
#   corrected_nano_usd (their part of the cost).


# A consumer's first name is its id: renaming it changes neither `consumer` in an item nor the name in a partition key.
#
# Items that Terraform writes, in DynamoDB's types (S string, N number, L list, M map, BOOL). Key and policy items also
# have `account`, one of LISTED_….
#
#   key      pk KEY#<key id>        sk KEY      consumer S, name S, created_by S ("terraform" | operator), expires S?
#   policy   pk CONSUMER#<id>       sk POLICY   consumer S (the id), name S? (if renamed), plan S, owner S?,
#                                               models L<S> ("*": every model),
#                                               budgets L<M{usd_nano N, per S}>, thresholds L<N> (percent),
#                                               tokens_per_minute N?, requests_per_minute N?, max_output_tokens N?,
#                                               expires S? (ISO 8601, UTC), tags M<S>, prompt_log BOOL?,
#                                               budgets_in_usd L<S> (for reviewers of a plan)
#   model    pk MODELS              sk <name>   provider S, upstream S, max_output_tokens N, max_input_tokens N?,
#                                               price_version S, free BOOL,
#                                               prices M<service tier, L<M{above N, <token class> N, …}>>,
#                                               price_changes L<M{from S (ISO 8601, UTC), price_version S, prices M}>?,
#                                               prices_in_usd L<S> (for reviewers of a plan)
#            The prices apply to the WHOLE request if it has more than `above` input tokens. The first `above` is 0.
#            Each entry has every token class. The last change whose `from` is not after a request's arrival replaces
#            its prices.
#   names    pk NAMES               sk NAMES    consumers M<id, name>, models M<earlier name, name>,
#                                               providers M<earlier name, name>; only if something is renamed
#
# Items that an operator writes (times are ISO 8601 in UTC, `by` is an STS ARN):
#
#   key      pk KEY#<key id>        sk KEY      as Terraform's, with created S; replaces S? (the rotated key)
#   STATE    pk KEY#<key id>        sk STATE    status S: "active" | "disabled" | "revoked", at S, by S, expires S?
#                                               (overrides the key's own: a rotation's grace period), replaced_by S?
#   STATE    pk CONSUMER#<name>     sk STATE    status S: "active" | "paused", at S, by S, reason S?,
#                                               raises L<M{usd_nano N, per S, until S, at S, by S}>: added to every
#                                               budget of window `per` until `until`
#   audit    pk AUDIT#<month>       sk <epoch ms>#<random>    at S, by S, action S, target S, before S?, after S? (JSON)
#   correction                      pk of the usage row, sk <sk of the usage row>#<number>
#                                               kind S (CORRECTION), request_id S, consumer S, day S, at_ms N (of the
#                                               request), key_id S, model S, provider S?, cost_nano_usd N and
#                                               tokens_<class> N? (differences), reason S, by S, at S, method S ("cost",
#                                               "tokens" or "prices": what was stated), price_version S?, run S (shared
#                                               by the corrections of one command), ttl N? (the usage row's)
#
# Items that the Lambdas write: account, rollup, usage row (lambda_src/edges/ledger.py), EVENT
# (lambda_src/edges/budget_events.py) and
#
#   exceeded pk EXCEEDED            sk <model>  status S: "held" | "cleared" (by an operator), at S, by S? (operator),
#                                               request_id S, output_over_maximum N
#   seen     pk SEEN#<key id>       sk <hour>   addresses SS (at most 500 hashes of 12 hex digits), ttl N (2 days)

# --- headers --------------------------------------------------------------------------------------------

HEADER_REQUEST_ID: Final = "x-tollgate-request-id"
HEADER_COST: Final = "x-tollgate-cost-usd"
HEADER_PROMPT_LOG: Final = "x-tollgate-log"
"""Request header: `off` excludes the request from the consumer's prompt log."""
HEADER_SHOULD_RETRY: Final = "x-should-retry"
"""The OpenAI and Anthropic SDKs obey it before their own retry rules."""

# --- metrics --------------------------------------------------------------------------------------------

METRIC_NAMESPACE: Final = "Tollgate"
