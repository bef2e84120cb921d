"""What a stack tells: where to call it and where to look. Never a key's value."""

from __future__ import annotations

from constructs_lib.access import Access
from constructs_lib.aws import Construct, TerraformOutput
from constructs_lib.dashboard import Dashboard
from constructs_lib.function import Function
from constructs_lib.ledger import LedgerTable
from constructs_lib.notifications import Notifications
from constructs_lib.plans import Plans
from constructs_lib.rest_api import RestApi
from constructs_lib.secrets import ProviderSecrets
from constructs_lib.settings import Environment
from constructs_lib.stage import Stage


def write_outputs(
    stack: Construct,
    *,
    environment: Environment,
    api: RestApi,
    stage: Stage,
    plans: Plans,
    ledger: LedgerTable,
    secrets: ProviderSecrets,
    gateway: Function,
    sweeper: Function,
    notifications: Notifications,
    dashboard: Dashboard,
    access: Access,
) -> None:
    """Terraform outputs of `stack`, under the names that scripts read."""
    key_ids: dict[str, dict[str, str]] = {}
    for key in plans.keys:
        key_ids.setdefault(key.consumer, {})[key.name] = key.id
    invoke_url = stage.invoke_url(environment, api)
    outputs: dict[str, tuple[object, str]] = {
        "invoke_url": (invoke_url, "Base URL of Anthropic's SDK, and of plain calls such as /v1/models."),
        "openai_base_url": (f"{invoke_url}/v1", "Base URL of OpenAI's SDK."),
        "api_id": (api.id, "Id of the REST API."),
        "stage_name": (stage.name, "Name of its stage."),
        "table": (ledger.name, "The ledger's table."),
        "usage_log_group": (gateway.logs.name, "One line per request: the usage record."),
        "access_log_group": (stage.access_logs.name, "API Gateway's own line per request."),
        "sweeper_log_group": (sweeper.logs.name, "What the sweeper did."),
        "topic_arn": (notifications.arn, "Alarms and budget events."),
        "dashboard_url": (dashboard.url, "The dashboard in the console."),
        "plan_ids": ({name: plan.id for name, plan in plans.plans.items()}, "Usage plans by name."),
        "key_ids": (
            key_ids,
            "API keys by consumer and name. Read a value with: "
            "aws apigateway get-api-key --include-value --query value --output text --api-key ID",
        ),
        "viewer_policy_arn": (access.viewer_arn, "IAM policy of who looks: `tollgate usage`, `doctor`, `logs`."),
        "operator_policy_arn": (access.operator_arn, "IAM policy of who issues keys and pauses consumers too."),
        "secrets": (secrets.arns, "Secrets of the providers' keys; fill each with put-secret-value."),
    }
    scope = Construct(stack, "outputs")
    for name, (value, description) in outputs.items():
        TerraformOutput(scope, name, value=value, description=description, static_id=True)
