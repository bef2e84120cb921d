"""Two IAM managed policies for people: viewers, and operators, who issue keys and pause consumers too.

They allow the calls of the command `tollgate` and nothing else. The account's administrator attaches them to roles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from constructs_lib.aws import Construct, IamPolicy, addressed
from constructs_lib.function import Function
from constructs_lib.kms_keys import account_in
from constructs_lib.ledger import LedgerTable
from constructs_lib.notifications import Notifications
from constructs_lib.permissions import Statement, allow, document, in_partitions
from constructs_lib.plans import Plans
from constructs_lib.rest_api import RestApi
from constructs_lib.secrets import ProviderSecrets
from constructs_lib.settings import Environment
from constructs_lib.stage import Stage
from lambda_src.contract import EXCEEDED_PK
from lambda_src.resource_names import ENVIRONMENT_TAG, account_role_name

MAX_PLANS_NAMED: Final = 13
"""A managed policy has at most 6,144 characters (docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
With more plans than this, operators may add keys to every plan of the region."""

_OPERATOR_PARTITIONS: Final = ("KEY#*", "CONSUMER#*", EXCEEDED_PK)
"""Partitions with keys, with states of keys and consumers, and with models that are held in full. IAM has no condition
on sort keys, so operators can also write the policy items in them, which Terraform owns; the next plan shows such a
change."""
_AUDIT_PARTITIONS: Final = ("AUDIT#*",)
"""The audit log. The command only adds rows, but PutItem can also replace one, and no condition key prevents that.
Point-in-time recovery keeps all states of the last 35 days, and the table's stream has both images of a replaced row.
"""


class Access(Construct):
    """Both policies, as viewer_arn and operator_arn. The operator policy includes the viewer's permissions."""

    def __init__(
        self,
        scope: Construct,
        *,
        environment: Environment,
        ledger: LedgerTable,
        secrets: ProviderSecrets,
        notifications: Notifications,
        functions: Sequence[Function],
        api: RestApi,
        stage: Stage,
        plans: Plans,
    ) -> None:
        super().__init__(scope, "access")
        self._environment = environment
        self._account = account_in(ledger.table.arn)
        both = [
            _read_ledger(ledger),
            self._read_api(api, stage),
            *self._read_logs([*(function.logs.arn for function in functions), stage.access_logs.arn]),
            *self._read_health(functions, notifications),
        ]
        describe, put = "secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"
        viewer = _secrets_statement(secrets, "SeeSecrets", [describe])
        operator = [
            *_secrets_statement(secrets, "SetSecrets", [describe, put]),
            *self._change_keys(plans),
            _change_ledger(ledger),
        ]
        self.viewer_arn = self._policy(
            "viewer", "Read usage, budgets, health and logs. No key values, no secrets.", [*both, *viewer]
        )
        self.operator_arn = self._policy(
            "operator", "Read as a viewer; issue and revoke keys, pause consumers, set secrets.", [*both, *operator]
        )

    def _policy(self, name: str, description: str, statements: Sequence[Statement]) -> str:
        policy = IamPolicy(
            self,
            name,
            name=f"{self._environment.prefix}-{name}",
            description=description,
            policy=document([*statements, *self._use_kms_key()]),
        )
        return addressed(name, policy).arn

    def _use_kms_key(self) -> list[Statement]:
        """Use of the environment's KMS key through the services that encrypt with it. Lambda is one of them, since the
        command reads the table's name from the functions' environment variables
        (docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html)."""
        key = self._environment.gateway.kms_key_arn
        if key is None:
            return []
        region = self._environment.aws.region
        services = [
            f"{name}.{region}.{self._environment.aws.domain}" for name in ("dynamodb", "lambda", "secretsmanager")
        ]
        return [
            allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], [key])
            | {"Condition": {"StringEquals": {"kms:ViaService": services}}}
        ]

    def _arn(self, service: str, rest: str, *, region: str | None = None) -> str:
        aws = self._environment.aws
        return f"arn:{aws.partition}:{service}:{aws.region if region is None else region}:{rest}"

    def _api_arn(self, path: str) -> str:
        return self._arn("apigateway", f":{path}")

    def _read_api(self, api: RestApi, stage: Stage) -> Statement:
        """Read the deployed API, without `/apikeys` and `/usageplans/ID/keys`: both return key values on request
        (GetApiKeys, GetApiKey, GetUsagePlanKeys), and no condition key can prevent that."""
        stages = f"/restapis/{api.id}/stages"
        # `/restapis` and `/usageplans` list those of the region, to find ids by name.
        paths: tuple[str, ...] = (
            "/restapis",
            stages,
            f"{stages}/{stage.name}",
            "/account",
            "/usageplans",
            "/usageplans/*/usage",
        )
        if self._environment.domain is not None:
            domain_name = f"/domainnames/{self._environment.domain.name}"
            paths += (domain_name, f"{domain_name}/basepathmappings")
        return allow("ReadApi", ["apigateway:GET"], [self._api_arn(path) for path in paths])

    def _read_logs(self, groups: Sequence[str]) -> list[Statement]:
        # No ARN identifies a running or saved query of ours, so these actions need `*`.
        queries = ["logs:DescribeQueryDefinitions", "logs:GetQueryResults", "logs:StopQuery"]
        return [
            allow("ReadLogs", ["logs:StartQuery", "logs:FilterLogEvents"], [f"{group}:*" for group in groups]),
            allow("ListLogs", ["logs:DescribeLogGroups"], [self._arn("logs", f"{self._account}:log-group:*")]),
            allow("FollowQueries", queries, ["*"]),
        ]

    def _read_health(self, functions: Sequence[Function], notifications: Notifications) -> list[Statement]:
        dashboard = self._arn("cloudwatch", f"{self._account}:dashboard/{self._environment.prefix}", region="")
        return [
            # Metrics have no resource-level permissions, and DescribeAlarms returns composite alarms only with `*`
            # (docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html).
            allow("ReadMetrics", ["cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms"], ["*"]),
            allow("ReadDashboard", ["cloudwatch:GetDashboard"], [dashboard]),
            allow(
                "ReadFunctions",
                ["lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency"],
                [function.arn for function in functions],
            ),
            # These have no resource-level permissions.
            allow("ReadLimits", ["lambda:GetAccountSettings", "lambda:ListEventSourceMappings"], ["*"]),
            allow(
                "ReadAccountRole",
                ["iam:GetRole"],
                [self._arn("iam", f"{self._account}:role/{account_role_name('*')}", region="")],
            ),
            allow("ReadTopic", ["sns:ListSubscriptionsByTopic"], [notifications.arn]),
            *self._read_vpc(),
        ]

    def _read_vpc(self) -> list[Statement]:
        # These have no resource-level permissions.
        actions = ["ec2:DescribeRouteTables", "ec2:DescribeVpcEndpoints"]
        return [allow("ReadVpc", actions, ["*"])] if self._environment.network.has_vpc else []

    def _change_keys(self, plans: Plans) -> list[Statement]:
        """Create keys with the environment's tag, change keys that have it, and put keys on the environment's plans.

        A list of keys has no tags, so operators can list the keys of all environments in the region. Creating a key
        with tags needs PUT on the key's tags; tagging an existing key needs PATCH on the key too
        (docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-iam-policy.html).
        """
        ids = [plan.id for plan in plans.plans.values()] if len(plans.plans) <= MAX_PLANS_NAMED else ["*"]
        keys, every_key = self._api_arn("/apikeys"), self._api_arn("/apikeys/*")
        tags = self._api_arn(f"/tags/{quote(every_key, safe='*')}")
        get, post, delete = "apigateway:GET", "apigateway:POST", "apigateway:DELETE"
        return [
            allow("ListKeys", [get], [keys]),
            allow("CreateKeys", [post], [keys]) | self._if_tagged("aws:RequestTag"),
            allow("TagKeys", ["apigateway:PUT"], [tags]),
            allow("ChangeKeys", [get, "apigateway:PATCH", delete], [every_key]) | self._if_tagged("aws:ResourceTag"),
            allow("AssignKeys", [get, post, delete], [self._api_arn(f"/usageplans/{plan}/keys*") for plan in ids]),
        ]

    def _if_tagged(self, condition_key: str) -> Statement:
        return {"Condition": {"StringEquals": {f"{condition_key}/{ENVIRONMENT_TAG}": self._environment.name}}}


def _secrets_statement(secrets: ProviderSecrets, name: str, actions: Sequence[str]) -> list[Statement]:
    return [allow(name, actions, list(secrets.arns.values()))] if secrets.arns else []


def _read_ledger(ledger: LedgerTable) -> Statement:
    """Read items, also through the index, the table's settings, and its stream, in which `ledger verify` sees rows that
    change meanwhile."""
    items = ("GetItem", "BatchGetItem", "Query")
    settings = ("DescribeTable", "DescribeContinuousBackups", "DescribeTimeToLive")
    stream = ("DescribeStream", "GetShardIterator", "GetRecords")
    table = ledger.table.arn
    return allow(
        "ReadLedger",
        [f"dynamodb:{action}" for action in (*items, *settings, *stream)],
        [table, f"{table}/*"],
    )


def _change_ledger(ledger: LedgerTable) -> Statement:
    """Put items; the command writes each change in one transaction with its audit row, and never updates or deletes."""
    put = allow("PutItems", ["dynamodb:PutItem"], [ledger.table.arn])
    return in_partitions(put, [*_OPERATOR_PARTITIONS, *_AUDIT_PARTITIONS])
