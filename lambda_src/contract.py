"""Every name that two sides must spell the same: what is deployed, what runs, and the operator's command.

Nothing here imports anything but the standard library, so that the constructs, the Lambda and the
operator's command can all read it at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

# --- money -----------------------------------------------------------------------------------------

NANO_PER_USD: Final = 1_000_000_000
"""Money is an integer number of nano-USD (10⁻⁹ USD)."""

TOKENS_PER_PRICE: Final = 1_000_000
"""Prices are integer nano-USD per this many tokens, as providers publish them (USD per million tokens):
$0.0375 per million tokens is 37_500_000. A price per single token would not always be an integer."""

TOKEN_CLASSES: Final = (
    "input",  # text (and whatever has no class of its own) that no cache served or stored
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output",  # reasoning tokens are inside
    "output_audio",
)
"""Disjoint token classes. A price table names every one of them; the sum over them is what is charged."""

STANDARD_TIER: Final = "standard"
"""The service tier every model has a price for; others (`batch`, `flex`, `priority`, `fast`) where known."""

# --- what may be said in an environment file ---------------------------------------------------------

ProviderKind = Literal["openai", "anthropic", "bedrock"]
Window = Literal["day", "week", "month", "total"]
WINDOWS: Final[tuple[Window, ...]] = ("day", "week", "month", "total")
EstimateMode = Literal["strict", "typical"]

# --- routes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Route:
    """One method of the API that the gateway Lambda answers.

    name: what the usage record and the log call it.
    path: API Gateway resource path; equals `requestContext.resourcePath` of the event.
    dialect: whose request, answer and error shapes apply.
    billable: the provider charges for it, so that it needs a price, a hold and a settle.
    """

    name: str
    method: str
    path: str
    dialect: ProviderKind
    billable: bool = True


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
"""`/bedrock` routes are deployed only where the environment has a provider of that kind."""

EVENT_STREAM_MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"
"""The one binary media type of the API: Bedrock's streams."""

# --- the Lambda's configuration -----------------------------------------------------------------------

CONFIG_VARIABLE: Final = "TOLLGATE_CONFIG"
"""Environment variable of every Tollgate Lambda: one JSON object with the fields of `Config`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where a provider is and how to speak to it.

    base_url: scheme, host and path prefix before `/chat/completions` or `/v1/messages` (as the SDKs mean it:
        `https://api.openai.com/v1`, `https://api.anthropic.com`); for `bedrock` the runtime's endpoint.
    secret: Secrets Manager name or ARN whose string value is the provider's API key; None where no key is sent.
    region: AWS region to sign for (`bedrock` alone).
    """

    kind: ProviderKind
    base_url: str
    secret: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a Tollgate Lambda needs to know beyond the ledger's own items. Units are in the names.

    topic_arn: SNS topic for budget events; None: log only.
    estimate: how the money held for a request is computed (docs/accounting.md).
    default_max_output_tokens: inserted (`strict`) into requests that name no maximum of their own.
    typical_output_tokens: assumed output of such requests when `estimate` is `typical`.
    image_tokens: allowance for one image in the input bound.
    hold_seconds: after this a hold with no settle is turned into an `unsettled` row.
    retention_days: usage rows leave the ledger after this many days; 0 keeps them.
    cors_origin: origin whose browser pages may read the answers; None: no page may.
    metrics_per_consumer: whether metrics have the consumer dimension (each series costs money).
    prompt_log_group: where prompts and answers of consumers with `prompt_log` go; None: nowhere.
    prompt_log_max_bytes: kept of each prompt and each answer. prompt_log_patterns: regular expressions (Python's) of
        what is masked beside keys, e-mail addresses and card numbers.
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
    max_request_bytes: int = 4_000_000
    hold_seconds: int = 120
    retention_days: int = 400
    cors_origin: str | None = None
    metrics_per_consumer: bool = True
    prompt_log_group: str | None = None
    prompt_log_max_bytes: int = 20_000
    prompt_log_patterns: tuple[str, ...] = ()


GATEWAY_HANDLER: Final = "lambda_src.handler.handler"
SWEEP_MINUTES: Final = 5
"""Between two passes of the sweeper."""
SWEEPER_HANDLER: Final = "lambda_src.sweeper.handler"

# --- the ledger ---------------------------------------------------------------------------------------

PK: Final = "pk"
SK: Final = "sk"
TTL_ATTRIBUTE: Final = "ttl"
"""Epoch seconds after which DynamoDB may drop the item."""

ACCOUNTS_INDEX: Final = "accounts"
ACCOUNTS_INDEX_KEY: Final = "account"
"""Sparse KEYS_ONLY index (hash `account`, range `pk`) that lists what there are few of: accounts, policies and keys.
The attribute is constant, so that updates of an account never write to the index."""

LISTED_ACCOUNT: Final = ACCOUNTS_INDEX_KEY
LISTED_POLICY: Final = "policy"
LISTED_KEY: Final = "key"
"""Values of `account`: what kind of item the index lists. Of usage rows, rollups and the like it lists none."""

KEY_SK: Final = "KEY"
POLICY_SK: Final = "POLICY"
STATE_SK: Final = "STATE"
"""What an operator sets (pause, revocation) lives in an item of its own, which no apply touches."""
ACCOUNT_SK: Final = "ACCOUNT"
MODELS_PK: Final = "MODELS"
"""All model items share one partition, so that one query reads them all; `sk` is the name clients ask for."""


def key_pk(key_id: str) -> str:
    """Partition of one API key: `KEY` (who it belongs to) and `STATE` (what an operator said of it)."""
    return f"KEY#{key_id}"


def consumer_pk(consumer: str) -> str:
    """Partition of one consumer: `POLICY`, `STATE`, and `EVENT#…` (budget events raised)."""
    return f"CONSUMER#{consumer}"


def account_pk(consumer: str) -> str:
    """Partition of one consumer's account item."""
    return f"ACCOUNT#{consumer}"


def usage_pk(consumer: str, day: str) -> str:
    """Partition of one consumer's usage rows of one UTC day (`2026-11-23`)."""
    return f"USAGE#{consumer}#{day}"


def usage_sk(epoch_ms: int, request_id: str) -> str:
    """Usage rows sort by the time API Gateway took the request in. 13 digits last until the year 2286."""
    return f"{epoch_ms:013d}#{request_id}"


AUDIT_MONTH: Final = "%Y-%m"


def audit_pk(month: str) -> str:
    """Partition of what operators changed in a month (`2026-11`); `sk` is `<epoch ms, 13 digits>#<random>`."""
    return f"AUDIT#{month}"


def seen_pk(key_id: str) -> str:
    """Partition of the source addresses a key was used from; `sk` is the UTC hour, `2026-11-23T12`."""
    return f"SEEN#{key_id}"


def rollup_pk(consumer: str) -> str:
    """Partition of one consumer's rollups; `sk` is `DAY#MODEL#KEY_ID`."""
    return f"ROLLUP#{consumer}"


def rollup_sk(day: str, model: str, key_id: str) -> str:
    """Rollups sort by day, so that a report over days is one range query per consumer."""
    return f"{day}#{model}#{key_id}"


def rollup_parts(sk: str) -> tuple[str, str, str]:
    """Day, model and key id of a rollup's sort key; only a model's name may hold a `#` of its own."""
    day, _, rest = sk.partition("#")
    model, _, key_id = rest.rpartition("#")
    return day, model, key_id


LATENCY_BOUNDS_MS: Final = (
    10, 25, 50, 100, 250, 500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 60_000, 300_000,
)  # fmt: skip
"""Upper bounds of the rollups' latency histogram; what is slower counts as `ms_inf`."""

# Attributes of a rollup, all numbers that the gateway adds to; those that are zero may be missing:
#
#   requests, errors (5xx), refusals, estimated, unsettled, over_estimate, cost_nano_usd, tokens_<class>,
#   tokens_reasoning, latency_ms (their sum), ms_<bound> (histogram of them: how many took at most that long and more
#   than the bound before), status_<HTTP status>, code_<error code>. Unsettled requests have no latency.


# Items that Terraform writes, in DynamoDB's types (S string, N number, L list, M map, BOOL):
#
# (each key and policy item also has `account`, one of LISTED_…)
#
#   key      pk KEY#<key id>        sk KEY      consumer S, name S, created_by S ("terraform" | operator), expires S?
#   policy   pk CONSUMER#<name>     sk POLICY   consumer S, plan S, owner S?, models L<S> ("*" alone = every model),
#                                               budgets L<M{usd_nano N, per S}>, thresholds L<N> (percent),
#                                               tokens_per_minute N?, requests_per_minute N?, max_output_tokens N?,
#                                               expires S? (ISO 8601, UTC), tags M<S>, prompt_log BOOL?
#   model    pk MODELS              sk <name>   provider S, upstream S, max_output_tokens N, max_input_tokens N?,
#                                               price_version S, free BOOL,
#                                               prices M<service tier, L<M{above N, <token class> N, …}>>
#            `above` is the number of input tokens beyond which the tier's prices hold for the WHOLE request;
#            the first is 0; every token class is present in each.
#
# Items that an operator writes (moments are ISO 8601 in UTC, `by` is an STS ARN):
#
#   key      pk KEY#<key id>        sk KEY      as Terraform's, with created S; replaces S? (rotated from that key)
#   STATE    pk KEY#<key id>        sk STATE    status S: "active" | "disabled" | "revoked", at S, by S, expires S? (in
#                                               place of the key's own: a rotation's grace), replaced_by S?
#   STATE    pk CONSUMER#<name>     sk STATE    status S: "active" | "paused", at S, by S, reason S?,
#                                               raises L<M{usd_nano N, per S, until S, at S, by S}>: added to every
#                                               budget of that window until then
#   audit    pk AUDIT#<month>       sk <epoch ms>#<random>    at S, by S, action S, target S, before S?, after S? (JSON)
#
# Items that the Lambda alone writes: account, rollup, usage row, EVENT (lambda_src/edges/ledger.py), and
#
#   seen     pk SEEN#<key id>       sk <hour>   addresses SS (12 hex digits of a hash each, at most 500), ttl N (2 days)

# --- headers --------------------------------------------------------------------------------------------

HEADER_REQUEST_ID: Final = "x-tollgate-request-id"
HEADER_COST: Final = "x-tollgate-cost-usd"
HEADER_BUDGET_LEFT: Final = "x-tollgate-budget-remaining-usd"
HEADER_TOKENS_LEFT: Final = "x-tollgate-tokens-remaining"
HEADER_MAX_OUTPUT: Final = "x-tollgate-max-output-tokens"
"""Present where the gateway put a maximum into a request that named none."""
HEADER_TAGS: Final = "x-tollgate-tags"
"""Sent by callers: `name=value, name=value`, kept on the usage record."""
HEADER_PROMPT_LOG: Final = "x-tollgate-log"
"""Sent by callers: `off` keeps this request out of the prompt log, where the consumer has one."""
HEADER_SHOULD_RETRY: Final = "x-should-retry"
"""The OpenAI and Anthropic SDKs obey it before their own rules."""

# --- names of what AWS holds ------------------------------------------------------------------------------

METRIC_NAMESPACE: Final = "Tollgate"


def prefix(environment: str) -> str:
    """Every AWS name of an environment starts so; also the stack's name."""
    return f"tollgate-{environment}"


NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,30}$"
"""Of environments, consumers, plans and labels of keys; to be matched as a whole (`$` alone lets a newline pass)."""


def api_key_name(environment: str, consumer: str, label: str) -> str:
    """Name of a consumer's key in API Gateway. Not unique: a rotation makes a second key of the same name."""
    return f"{prefix(environment)}-{consumer}-{label}"


def api_key_description(consumer: str, label: str) -> str:
    """Says apart what the hyphens of `api_key_name` leave open; a key that an operator made says more after it."""
    return f"Key {label} of consumer {consumer}"


def gateway_log_group(environment: str) -> str:
    """One structured line per request: the usage record."""
    return f"/tollgate/{environment}/usage"


def prompt_log_group(environment: str) -> str:
    """Prompts and answers of the consumers that have them logged: one JSON line per request, masked and cut."""
    return f"/tollgate/{environment}/prompts"


def sweeper_log_group(environment: str) -> str:
    """What the sweeper did: a line per pass, and one per request that it ended."""
    return f"/tollgate/{environment}/sweeper"


def access_log_group(environment: str) -> str:
    """API Gateway's own line per request, key id and never the value."""
    return f"/tollgate/{environment}/access"


def secret_name(environment: str, provider: str) -> str:
    """Default Secrets Manager name of a provider's key."""
    return f"tollgate/{environment}/providers/{provider}"
