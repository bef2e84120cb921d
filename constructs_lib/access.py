"""Two IAM managed policies for people: who looks (viewer), and who issues keys and pauses consumers (operator).

They allow what the command `tollgate` calls and nothing else; whoever owns the account's roles attaches them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from constructs_lib.aws import Construct, IamPolicy, addressed
from constructs_lib.function import Function
from constructs_lib.kms_keys import account_in
from constructs_lib.ledger import LedgerTable
from constructs_lib.notifications import Notifications
from constructs_lib.permissions import Statement, allow, document
from constructs_lib.plans import Plans
from constructs_lib.rest_api import RestApi
from constructs_lib.secrets import ProviderSecrets
from constructs_lib.settings import Environment
from constructs_lib.stage import Stage
from lambda_src.contract import ACCOUNTS_INDEX

MOST_PLANS_NAMED: Final = 20
"""A managed policy has at most 6,144 characters (docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
With more plans than this, operators may put keys on every plan of the region."""

_OPERATORS_ITEMS: Final = ("KEY#*", "CONSUMER#*")
"""Partitions that operators change: keys, and what they said of keys and consumers. IAM knows no sort keys, so that the
policy items beside them, which are Terraform's, are open too; the next plan shows what was done to one."""
_AUDIT_ITEMS: Final = ("AUDIT#*",)
"""Rows of who did what. The command only adds them, but who may put an item may put another one in its place, and no
condition key tells the two apart: point-in-time recovery has every state of the last 35 days, and the table's stream
tells whoever reads it both images of a replaced row."""


class Access(Construct):
    """Both policies. viewer_arn, operator_arn: what a role or a permission set attaches; one of them is enough."""

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
        see, put = "secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"
        viewer = _of_secrets(secrets, "SeeSecrets", [see])
        operator = [
            *_of_secrets(secrets, "SetSecrets", [see, put]),
            *self._change_keys(plans),
            _change_ledger(ledger),
        ]
        self.viewer_arn = self._policy(
            "viewer", "Looks: usage, budgets, health, logs. No key, no secret.", [*both, *viewer]
        )
        self.operator_arn = self._policy(
            "operator", "Looks, issues and revokes keys, pauses consumers, sets secrets.", [*both, *operator]
        )

    def _policy(self, name: str, description: str, statements: Sequence[Statement]) -> str:
        policy = IamPolicy(
            self,
            name,
            name=f"{self._environment.prefix}-{name}",
            description=description,
            policy=document([*statements, *self._use_own_key()]),
        )
        return addressed(name, policy).arn

    def _use_own_key(self) -> list[Statement]:
        """The environment's KMS key, through the services that hold what is encrypted with it: items, secrets, and the
        variables of the functions, without which the command knows no table
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
        """What is deployed. No `/apikeys` and no `/usageplans/ID/keys`: both answer with the values of keys where the
        caller asks for them (GetApiKeys, GetApiKey, GetUsagePlanKeys), and no condition key can refuse that."""
        stages = f"/restapis/{api.id}/stages"
        # Names are found in the lists of the region: `/restapis`, `/usageplans`.
        paths = ("/restapis", stages, f"{stages}/{stage.name}", "/account", "/usageplans", "/usageplans/*/usage")
        return allow("ReadApi", ["apigateway:GET"], [self._api_arn(path) for path in paths])

    def _read_logs(self, groups: Sequence[str]) -> list[Statement]:
        # Neither knows a resource of ours: a query is named by its id alone, a saved query by nothing.
        queries = ["logs:DescribeQueryDefinitions", "logs:GetQueryResults", "logs:StopQuery"]
        return [
            allow("ReadLogs", ["logs:StartQuery", "logs:FilterLogEvents"], [f"{group}:*" for group in groups]),
            allow("ListLogs", ["logs:DescribeLogGroups"], [self._arn("logs", f"{self._account}:log-group:*")]),
            allow("FollowQueries", queries, ["*"]),
        ]

    def _read_health(self, functions: Sequence[Function], notifications: Notifications) -> list[Statement]:
        dashboard = self._arn("cloudwatch", f"{self._account}:dashboard/{self._environment.prefix}", region="")
        return [
            # Metrics know no resources, and whoever may not describe all alarms is shown no composite
            # (docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html).
            allow("ReadMetrics", ["cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms"], ["*"]),
            allow("ReadDashboard", ["cloudwatch:GetDashboard"], [dashboard]),
            allow(
                "ReadFunctions",
                ["lambda:GetFunctionConfiguration", "lambda:GetFunctionConcurrency"],
                [function.arn for function in functions],
            ),
            allow("ReadTopic", ["sns:ListSubscriptionsByTopic"], [notifications.arn]),
        ]

    def _change_keys(self, plans: Plans) -> list[Statement]:
        """API Gateway cannot tell one environment's keys from another's: `/apikeys` is the region's. Plans are ours."""
        ids = [plan.id for plan in plans.plans.values()]
        named = [f"/usageplans/{each}" for each in ids] if len(ids) <= MOST_PLANS_NAMED else ["/usageplans/*"]
        keys = ["/apikeys", "/apikeys/*"] + [f"{plan}/keys*" for plan in named]
        actions = [f"apigateway:{method}" for method in ("GET", "POST", "PATCH", "DELETE")]
        return [allow("ChangeKeys", actions, [self._api_arn(path) for path in keys])]


def _of_secrets(secrets: ProviderSecrets, name: str, actions: Sequence[str]) -> list[Statement]:
    return [allow(name, actions, list(secrets.arns.values()))] if secrets.arns else []


def _read_ledger(ledger: LedgerTable) -> Statement:
    items = ("GetItem", "BatchGetItem", "Query")
    actions = (*items, "DescribeTable", "DescribeContinuousBackups", "DescribeTimeToLive")
    table = ledger.table.arn
    return allow("ReadLedger", [f"dynamodb:{each}" for each in actions], [table, f"{table}/index/{ACCOUNTS_INDEX}"])


def _change_ledger(ledger: LedgerTable) -> Statement:
    """Whole items are put, each change in one transaction with its audit row; nothing is updated or deleted.

    Limited to partitions (docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html).
    """
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [*_OPERATORS_ITEMS, *_AUDIT_ITEMS]}}
    return allow("PutItems", ["dynamodb:PutItem"], [ledger.table.arn]) | {"Condition": condition}
