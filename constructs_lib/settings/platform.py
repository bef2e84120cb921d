"""`[aws]`, `[gateway]`, `[metering]` and `[prompts]`: where and how the gateway runs."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from constructs_lib.settings.types import (
    BucketName,
    Count,
    FromDecimal,
    KmsKeyArn,
    LogRetention,
    MemoryMb,
    ObjectKey,
    Origin,
    Positive,
    Region,
    RegularExpressions,
    RequestsPerSecond,
    Section,
    StageName,
    TagName,
    TagValue,
    Text,
    Url,
    WebAclArn,
)
from lambda_src.contract import EstimateMode

_PARTITIONS: Final = {"us-gov-": "aws-us-gov", "cn-": "aws-cn"}


class BackendSettings(Section):
    """Where Terraform stores this environment's state: a local file, or S3 with a lock file."""

    path: Text | None = Field(
        default=None,
        description="Local state file, relative to cdktf.out/stacks/tollgate-NAME. "
        "Default: terraform.tollgate-NAME.tfstate in the project.",
    )
    bucket: BucketName | None = Field(default=None, description="S3 bucket for the state. Enable its versioning.")
    key: ObjectKey | None = Field(
        default=None, description="Object key of the state in the bucket. Default: tollgate/NAME.tfstate."
    )
    region: Region | None = Field(default=None, description="Region of the bucket. Default: aws.region.")
    kms_key_arn: KmsKeyArn | None = Field(
        default=None, description="KMS key that encrypts the state. Default: the bucket's encryption."
    )


class AwsSettings(Section):
    """The AWS account and region to deploy to."""

    region: Region = Field(description="Region to deploy to.")
    profile: Text | None = Field(
        default=None, description="Profile in the AWS configuration. Default: AWS's usual credential chain."
    )
    endpoint: Url | None = Field(
        default=None,
        description="URL of the embedded cloud, which replaces every AWS service. If it is set, the environment "
        "variables TOLLGATE_LOCAL_ENDPOINT and TOLLGATE_LOCAL_PROVIDER_URL override it and the address of the stand-in "
        "provider, localhost:8099. Providers at other ports of this machine, such as Ollama, keep their address.",
    )
    tags: Annotated[dict[TagName, TagValue], Field(max_length=45)] = Field(
        default_factory=dict, description="Tags of every resource."
    )
    backend: BackendSettings = Field(default_factory=BackendSettings, description="Where Terraform stores its state.")

    @property
    def partition(self) -> str:
        """Partition in ARNs of the region: `aws`, or another one for AWS GovCloud (US) and China
        (docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html)."""
        return next((name for prefix, name in _PARTITIONS.items() if self.region.startswith(prefix)), "aws")

    @property
    def domain(self) -> str:
        """Domain of the region's service endpoints."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"


class ThrottleSettings(Section):
    """Rate limit of the stage. API Gateway rejects excess requests with 429."""

    rate: RequestsPerSecond = Field(description="Average requests per second.")
    burst: Count = Field(description="Requests that may arrive at once.")


class GatewaySettings(Section):
    """The API's stage and the gateway Lambda."""

    stage: StageName = Field(default="live", description="Stage name, the last part of the invoke URL.")
    throttle: ThrottleSettings = Field(
        default=ThrottleSettings(rate=50, burst=100), description="Rate limit for all keys together."
    )
    bearer: bool = Field(
        default=True,
        description="Accept API keys as bearer tokens (`Authorization: Bearer KEY`) too, as SDKs send them. A Lambda "
        "runs before each request: about $0.20 per million. If false, keys are accepted in `x-api-key` only.",
    )
    stream: bool = Field(
        default=True,
        description="Send responses to the caller while they arrive, for up to 15 minutes. On AWS it needs version "
        "6.27 or later of Terraform's AWS provider. If false, a response is sent when it is complete, within "
        "timeout_seconds. Custom functions never stream.",
    )
    keep_alive_seconds: Annotated[float, Field(ge=1, le=120, allow_inf_nan=False), FromDecimal] = Field(
        default=15,
        description="While a provider is silent, send a comment to the caller of a stream of server-sent events after "
        "each so many seconds, so that no proxy closes the connection. API Gateway ends a response after 300 seconds "
        "without a byte. Bedrock's streams have no comments.",
    )
    upstream_timeout_seconds: Annotated[float, Field(gt=0, lt=900, allow_inf_nan=False), FromDecimal] | None = Field(
        default=None,
        description="Timeout for a provider's response, in seconds, retries included. Less than timeout_seconds "
        "and, if the gateway streams, than 892. Default: 25; if the gateway streams, timeout_seconds - 20 or three "
        "quarters of it, whichever is more.",
    )
    upstream_retries: Annotated[int, Field(ge=0, le=5)] = Field(
        default=2, description="Retries of provider calls that were not billed (429, 5xx, refused connections)."
    )
    timeout_seconds: Annotated[float, Field(ge=1, le=900, allow_inf_nan=False), FromDecimal] | None = Field(
        default=None,
        description="API Gateway's integration timeout, in seconds. At most 900 if the gateway streams; else at most "
        "300, of which more than 29 require a higher service quota. The Lambda's own timeout is 5 seconds longer, to "
        "settle the request, and at most 900. Default: 900 if it streams, else 29.",
    )
    memory_mb: MemoryMb = Field(default=512, description="Memory of the gateway Lambda, in MB. CPU scales with it.")
    reserved_concurrency: Count | None = Field(
        default=None,
        description="Reserved concurrency of the gateway Lambda, which is also its maximum; 0 stops the gateway. At "
        "least 100 of the account's concurrency limit must stay unreserved (10 in new accounts, whose limit is 10; "
        "they can reserve nothing until Service Quotas raises it). Otherwise the apply fails after it has created the "
        "function, and Terraform marks the function as tainted. Default: the account's shared concurrency.",
    )
    account_concurrency: Positive | None = Field(
        default=None,
        description="The account's concurrency limit in this region, if it is not AWS's default of 1,000: `aws lambda "
        "get-account-settings`. It bounds reserved_concurrency and sets the threshold of the alarm concurrency.",
    )
    max_request_bytes: Annotated[int, Field(ge=1, le=4_500_000)] = Field(
        default=4_000_000,
        description="Largest request body, in bytes. The gateway rejects larger ones with 413. API Gateway sends "
        "bodies to Lambda in base64, which is a third longer, and Lambda's limit is 6 MB.",
    )
    log_retention_days: LogRetention = Field(
        default=90, description="Retention of all log groups but the prompt log, in days."
    )
    tracing: bool = Field(default=True, description="X-Ray tracing of the stage and the Lambda.")
    kms_key_arn: KmsKeyArn | None = Field(
        default=None,
        description="Your KMS key for table, logs, secrets, topic and Lambda. `tollgate kms-policy` prints the key "
        "policy that it needs. Default: AWS's keys, and a key made for the topic.",
    )
    contributor_insights: bool = Field(
        default=True,
        description="Contributor Insights: rankings of keys by requests and by rejections. Two rules at about $0.50 a "
        "month each, plus $0.02 per million requests.",
    )
    cors_origin: Origin | None = Field(
        default=None,
        description="Origin whose web pages may call the API. Default: none, since keys do not belong in browsers.",
    )
    waf_acl_arn: WebAclArn | None = Field(
        default=None,
        description="Regional WAF web ACL for the stage. In AWS's core rule set, set SizeRestrictions_BODY to count: "
        "it blocks bodies over 8 KB, which prompts often exceed.",
    )
    manage_account_role: bool = Field(
        default=False,
        description="Manage the IAM role that lets API Gateway write logs. An account has one per region, a new "
        "account none: enable this in one stack per account and region. It replaces an existing role, and a destroy "
        "leaves none: docs/monitoring.md has the order.",
    )
    deletion_protection: bool = Field(
        default=False,
        description="Protect the ledger's table from deletion, and keep providers' keys for a week after a destroy.",
    )


class MeteringSettings(Section):
    """How usage is reserved, priced and stored."""

    estimate: EstimateMode = Field(
        default="strict",
        description='Amount to hold before a request is sent. "strict": its maximum cost, so that no budget is '
        'exceeded. "typical": its usual cost.',
    )
    default_max_output_tokens: Positive = Field(
        default=16_384,
        description="Maximum output of requests that set no maximum, and of models without max_output_tokens.",
    )
    typical_output_tokens: Count = Field(
        default=1_024,
        description='Expected output of requests that set no maximum: for holds if estimate is "typical", and for '
        "tokens_per_minute.",
    )
    image_tokens: Count = Field(default=50_000, description='Tokens to hold per image if estimate is "strict".')
    hold_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        default=None,
        description="Deadline of a hold, in seconds. A request that is not settled by then is charged at the held "
        "amount. More than the Lambda's timeout. Default: 300 more than that if the gateway streams (1,200), else 60 "
        "more, and at least 120.",
    )
    usage_retention_days: Annotated[int, Field(ge=0, le=36_500)] = Field(
        default=400, description="Retention of usage rows in the ledger, in days; 0 keeps them forever."
    )
    metrics_per_consumer: bool = Field(
        default=True, description="Metrics per consumer. Each time series costs about $0.30 a month."
    )


class PromptSettings(Section):
    """The log of prompts and responses. It exists if a consumer has prompt_log = true."""

    retention_days: LogRetention = Field(
        default=7, description="Retention, in days. Prompts are personal data: keep them no longer than necessary."
    )
    max_bytes: Annotated[int, Field(ge=100, le=200_000)] = Field(
        default=20_000, description="Bytes to log of each prompt and each response; the rest is cut off."
    )
    patterns: RegularExpressions = Field(
        default=(),
        description="Regular expressions (Python syntax) of text to mask, in addition to keys, e-mail addresses and "
        "card numbers. They must take linear time: write a limit such as {1,64} for each + and * but a last one.",
    )
