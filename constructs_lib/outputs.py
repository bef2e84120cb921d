"""Terraform outputs: URLs, ids and names, never the value of a key."""

from __future__ import annotations

from constructs_lib.access import Access
from constructs_lib.aws import Construct, TerraformOutput
from constructs_lib.dashboard import Dashboard
from constructs_lib.domain import Domain
from constructs_lib.function import Function
from constructs_lib.ledger import LedgerTable
from constructs_lib.notifications import Notifications
from constructs_lib.plans import Plans
from constructs_lib.rest_api import RestApi
from constructs_lib.secrets import ProviderSecrets
from constructs_lib.settings import Environment
from constructs_lib.stage import Stage
from constructs_lib.vpc_needs import needed_services


def write_outputs(
    stack: Construct,
    *,
    environment: Environment,
    api: RestApi,
    stage: Stage,
    domain: Domain | None,
    invoke_url: str,
    plans: Plans,
    ledger: LedgerTable,
    secrets: ProviderSecrets,
    gateway: Function,
    aggregator: Function,
    sweeper: Function,
    notifications: Notifications,
    dashboard: Dashboard,
    access: Access,
) -> None:
    """Add the outputs to `stack`. Their names are a public contract."""
    key_ids: dict[str, dict[str, str]] = {}
    for key in plans.keys:
        key_ids.setdefault(key.consumer, {})[key.name] = key.id
    outputs: dict[str, tuple[object, str]] = {
        "invoke_url": (invoke_url, "Base URL for Anthropic's SDK and for plain HTTP calls such as /v1/models."),
        "openai_base_url": (f"{invoke_url}/v1", "Base URL for OpenAI's SDK."),
        "api_id": (api.id, "Id of the REST API."),
        "stage_name": (stage.name, "Name of the API's stage."),
        "table": (ledger.name, "Name of the ledger's table."),
        "usage_log_group": (gateway.logs.name, "Log group with one usage line per request."),
        "access_log_group": (stage.access_logs.name, "Log group with API Gateway's line per request."),
        "aggregator_log_group": (aggregator.logs.name, "Log group of the aggregator."),
        "sweeper_log_group": (sweeper.logs.name, "Log group of the sweeper."),
        "topic_arn": (notifications.arn, "SNS topic for alarms and budget events."),
        "dashboard_url": (dashboard.url, "URL of the dashboard in the AWS console."),
        "plan_ids": ({name: plan.id for name, plan in plans.plans.items()}, "Ids of usage plans by name."),
        "key_ids": (
            key_ids,
            "Ids of API keys by consumer and name. To read a value: "
            "aws apigateway get-api-key --include-value --query value --output text --api-key ID",
        ),
        "viewer_policy_arn": (access.viewer_arn, "IAM policy for viewers: `tollgate usage`, `doctor`, `logs`."),
        "operator_policy_arn": (access.operator_arn, "IAM policy for operators, who also change keys and consumers."),
        "secrets": (secrets.arns, "Secrets for provider keys. Set each with `tollgate providers secret set`."),
    }
    if domain is not None:
        outputs["domain_target"] = (domain.target, "Host name that DNS records of the custom domain point to.")
        outputs["domain_target_zone_id"] = (domain.target_zone_id, "Hosted zone of domain_target, for alias records.")
    if environment.network.has_vpc:
        services = sorted(needed_services(environment))
        outputs["vpc_endpoint_services"] = (services, "Services that need a VPC endpoint, or a NAT gateway.")
    scope = Construct(stack, "outputs")
    for name, (value, description) in outputs.items():
        TerraformOutput(scope, name, value=value, description=description, static_id=True)
