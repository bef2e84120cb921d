"""Sections about where and how the gateway runs: `[aws]`, `[gateway]`, `[metering]`, `[prompts]`."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from constructs_lib.settings.types import (
    BUCKET,
    KMS_KEY,
    OBJECT_KEY,
    ORIGIN,
    REGION,
    STAGE,
    URL,
    WEB_ACL,
    Arn,
    Count,
    FromDecimal,
    LogRetention,
    Positive,
    RegularExpression,
    Section,
    TagName,
    TagValue,
    Text,
    Unique,
)
from lambda_src.contract import EstimateMode

_PARTITIONS: Final = {"us-gov-": "aws-us-gov", "cn-": "aws-cn"}


class BackendSettings(Section):
    """Where Terraform keeps this environment's state: a file, or S3 with a lock file beside it."""

    path: Text | None = Field(
        default=None,
        description="Local state file, relative to cdktf.out/stacks/tollgate-NAME. "
        "Default: terraform.tollgate-NAME.tfstate in the checkout.",
    )
    bucket: Annotated[str, StringConstraints(pattern=BUCKET)] | None = Field(
        default=None, description="S3 bucket that holds the state. Create it with versioning on."
    )
    key: Annotated[str, StringConstraints(pattern=OBJECT_KEY, max_length=1024)] | None = Field(
        default=None, description="Key of the state in the bucket. Default: tollgate/NAME.tfstate."
    )
    region: Annotated[str, StringConstraints(pattern=REGION)] | None = Field(
        default=None, description="Region of the bucket. Default: aws.region."
    )
    kms_key_arn: Arn | None = Field(
        default=None, description="KMS key that encrypts the state. Default: the bucket's own."
    )


class AwsSettings(Section):
    """The account and region to deploy to."""

    region: Annotated[str, StringConstraints(pattern=REGION)] = Field(description="Region, such as eu-west-1.")
    profile: Text | None = Field(
        default=None, description="Profile of the AWS configuration. Default: the usual chain."
    )
    endpoint: Annotated[str, StringConstraints(pattern=URL)] | None = Field(
        default=None,
        description="URL that stands in for every AWS service: the embedded cloud. Where it is set, the environment "
        "variables TOLLGATE_LOCAL_ENDPOINT and TOLLGATE_LOCAL_PROVIDER_URL may move it and the stand-in provider.",
    )
    tags: dict[TagName, TagValue] = Field(default_factory=dict, description="Tags of every resource.")
    backend: BackendSettings = Field(default_factory=BackendSettings, description="Where Terraform keeps its state.")

    @property
    def partition(self) -> str:
        """What ARNs of the region say after `arn:`. AWS GovCloud (US) and China are apart from the rest
        (docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html)."""
        return next((found for start, found in _PARTITIONS.items() if self.region.startswith(start)), "aws")

    @property
    def domain(self) -> str:
        """What the names of services by region end with."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"


class ThrottleSettings(Section):
    """Requests that API Gateway lets through; the excess is answered 429."""

    rate: Annotated[float, Field(ge=0, allow_inf_nan=False), FromDecimal] = Field(
        description="Requests per second, on average."
    )
    burst: Count = Field(description="Requests at once.")


class GatewaySettings(Section):
    """The API's stage and the gateway Lambda."""

    stage: Annotated[str, StringConstraints(pattern=STAGE)] = Field(
        default="live", description="Last part of the invoke URL."
    )
    throttle: ThrottleSettings = Field(
        default=ThrottleSettings(rate=50, burst=100), description="For all keys together."
    )
    upstream_timeout_seconds: Annotated[float, Field(gt=0, lt=300, allow_inf_nan=False), FromDecimal] = Field(
        default=25.0, description="For a provider's answer, retries included. Less than timeout_seconds."
    )
    upstream_retries: Annotated[int, Field(ge=0, le=5)] = Field(
        default=2, description="Calls repeated where nothing was billed (429, 5xx, refused connections)."
    )
    timeout_seconds: Annotated[float, Field(ge=1, le=300, allow_inf_nan=False), FromDecimal] = Field(
        default=29.0,
        description="API Gateway's patience with the Lambda. More than 29 needs a raised service quota. The Lambda "
        "itself has 5 seconds more, to book what was spent.",
    )
    memory_mb: Annotated[int, Field(ge=128, le=10240)] = Field(
        default=512, description="Memory of the gateway Lambda; CPU too."
    )
    reserved_concurrency: Count | None = Field(
        default=None,
        description="Requests at once, reserved and at most; 0 stops the gateway. Default: the account's pool.",
    )
    max_request_bytes: Annotated[int, Field(ge=1, le=6_000_000)] = Field(
        default=4_000_000, description="Larger bodies are answered 413. Lambda takes no more than 6 MB."
    )
    log_retention_days: LogRetention = Field(default=90, description="For every log group.")
    tracing: bool = Field(default=True, description="X-Ray traces of the stage and the Lambda.")
    kms_key_arn: Annotated[str, StringConstraints(pattern=KMS_KEY)] | None = Field(
        default=None,
        description="Own KMS key for table, logs, secrets, topic and Lambda. Its policy has to let CloudWatch Logs and "
        "CloudWatch alarms use it. Default: AWS's keys, and one made for the topic.",
    )
    contributor_insights: bool = Field(
        default=True,
        description="Rank keys by requests and by refusals; about $0.50 a month for each of two rules, and $0.02 per "
        "million requests.",
    )
    cors_origin: Annotated[str, StringConstraints(pattern=ORIGIN)] | None = Field(
        default=None,
        description="Origin whose browser pages may call the API. Default: none; keys do not belong in browsers.",
    )
    waf_acl_arn: Annotated[str, StringConstraints(pattern=WEB_ACL)] | None = Field(
        default=None,
        description="Regional WAF web ACL in front of the stage. SizeRestrictions_BODY in AWS's core rule set blocks "
        "bodies over 8 KB, which prompts are: have it count instead.",
    )
    manage_account_role: bool = Field(
        default=False,
        description="Set the account's one role that lets API Gateway write logs. Only one stack per account and "
        "region may, and a new account has none.",
    )
    deletion_protection: bool = Field(
        default=False,
        description="Refuse to delete the ledger's table; keep providers' keys for a week after a destroy.",
    )


class MeteringSettings(Section):
    """How usage is held, priced and kept."""

    estimate: EstimateMode = Field(
        default="strict", description="What a request holds before it is sent: a bound, or the usual."
    )
    default_max_output_tokens: Positive = Field(
        default=16_384, description="Output maximum of requests that name none, and of models that state none."
    )
    typical_output_tokens: Count = Field(
        default=1_024, description="Output assumed of such requests if estimate is typical."
    )
    image_tokens: Count = Field(default=50_000, description="Held for each image of a request if estimate is strict.")
    hold_seconds: Positive = Field(default=120, description="After this a hold nobody settled is charged as held.")
    usage_retention_days: Count = Field(
        default=400, description="Usage rows stay this long in the ledger; 0: for ever."
    )
    metrics_per_consumer: bool = Field(
        default=True, description="Metrics per consumer; each series costs about $0.30 a month."
    )


class PromptSettings(Section):
    """The log of prompts and answers of the consumers that have prompt_log = true; without one there is none."""

    retention_days: LogRetention = Field(
        default=7, description="They are personal data: keep them no longer than you must."
    )
    max_bytes: Annotated[int, Field(ge=100, le=200_000)] = Field(
        default=20_000, description="Kept of each prompt and of each answer; the rest is cut off."
    )
    patterns: Annotated[tuple[RegularExpression, ...], Field(strict=False), Unique] = Field(
        default=(),
        description="Regular expressions (Python's) of what is masked besides keys, e-mail addresses and cards.",
    )
