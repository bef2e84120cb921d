"""Log groups. Terraform creates them, so that it sets their retention and no role needs to create one."""

from __future__ import annotations

from constructs_lib.aws import CloudwatchLogGroup, Construct, addressed
from constructs_lib.permissions import Statement, allow
from constructs_lib.settings import Environment


class LogGroup(Construct):
    """One log group, by default with the environment's retention and KMS key."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        group_name: str,
        retention_days: int | None = None,
        kms_key_arn: str | None = None,
    ) -> None:
        super().__init__(scope, f"logs-{name}")
        self.group = addressed(
            name,
            CloudwatchLogGroup(
                self,
                "group",
                name=group_name,
                retention_in_days=retention_days or environment.gateway.log_retention_days,
                kms_key_id=kms_key_arn or environment.gateway.kms_key_arn,
            ),
        )

    @property
    def name(self) -> str:
        """Name, as a reference to the resource."""
        return self.group.name

    @property
    def arn(self) -> str:
        """ARN without the trailing `:*`."""
        return self.group.arn

    def write(self) -> Statement:
        """Permission to write to it."""
        return allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{self.arn}:*"])
