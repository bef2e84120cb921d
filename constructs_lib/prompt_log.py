"""The encrypted log of prompts and responses, kept for days. It exists only if a consumer has `prompt_log`."""

from __future__ import annotations

from constructs_lib.aws import Construct
from constructs_lib.kms_keys import account_in, own_key
from constructs_lib.kms_policy import let_logs_encrypt
from constructs_lib.logs import LogGroup
from constructs_lib.permissions import Statement
from constructs_lib.settings import Environment
from lambda_src.resource_names import log_group


class PromptLog(Construct):
    """The log group. logs: None if no consumer has `prompt_log`."""

    def __init__(self, scope: Construct, *, environment: Environment, account_of: str) -> None:
        """account_of: an ARN in the account."""
        super().__init__(scope, "prompts")
        self.logs: LogGroup | None = None
        if not environment.logs_prompts():
            return
        self.logs = LogGroup(
            self,
            "prompts",
            environment=environment,
            group_name=log_group(environment.name, "prompts"),
            retention_days=environment.prompts.retention_days,
            kms_key_arn=environment.gateway.kms_key_arn or self._key(environment, account_in(account_of)),
        )

    def write(self) -> list[Statement]:
        """Permission to write to it. Our policies let nobody read it; the account's administrator decides."""
        return [] if self.logs is None else [self.logs.write() | {"Sid": "WritePrompts"}]

    def _key(self, environment: Environment, account: str) -> str:
        aws = environment.aws
        group_arn = (
            f"arn:{aws.partition}:logs:{aws.region}:{account}:log-group:{log_group(environment.name, 'prompts')}"
        )
        return own_key(
            self,
            "prompts",
            description=f"Prompts and responses of {environment.prefix}",
            account=account,
            partition=aws.partition,
            user=let_logs_encrypt(aws, [group_arn]),
        )
