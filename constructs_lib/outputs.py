"""What a stack tells: where to call it and where to look. Never a key's value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.aws import Construct, TerraformOutput
from constructs_lib.settings import Environment

if TYPE_CHECKING:
    from constructs_lib.stack import TollgateStack


def write_outputs(stack: TollgateStack, environment: Environment) -> None:
    """Outputs by the names that scripts read."""
    key_ids: dict[str, dict[str, str]] = {}
    for key in stack.plans.keys:
        key_ids.setdefault(key.consumer, {})[key.name] = key.id
    invoke_url = stack.stage.invoke_url(environment, stack.api)
    outputs: dict[str, tuple[object, str]] = {
        "invoke_url": (invoke_url, "Base URL of Anthropic's SDK, and of plain calls such as /v1/models."),
        "openai_base_url": (f"{invoke_url}/v1", "Base URL of OpenAI's SDK."),
        "api_id": (stack.api.id, "Id of the REST API."),
        "stage_name": (stack.stage.name, "Name of its stage."),
        "table": (stack.ledger.name, "The ledger's table."),
        "usage_log_group": (stack.gateway.logs.name, "One line per request: the usage record."),
        "access_log_group": (stack.stage.access_logs.name, "API Gateway's own line per request."),
        "sweeper_log_group": (stack.sweeper.logs.name, "What the sweeper did."),
        "topic_arn": (stack.notifications.arn, "Alarms and budget events."),
        "dashboard_url": (stack.dashboard.url, "The dashboard in the console."),
        "plan_ids": ({name: plan.id for name, plan in stack.plans.plans.items()}, "Usage plans by name."),
        "key_ids": (
            key_ids,
            "API keys by consumer and name. Read a value with: "
            "aws apigateway get-api-key --include-value --query value --output text --api-key ID",
        ),
        "viewer_policy_arn": (stack.access.viewer_arn, "IAM policy of who looks: `tollgate usage`, `doctor`, `logs`."),
        "operator_policy_arn": (stack.access.operator_arn, "IAM policy of who issues keys and pauses consumers too."),
        "secrets": (stack.secrets.arns, "Secrets of the providers' keys; fill each with put-secret-value."),
    }
    scope = Construct(stack, "outputs")
    for name, (value, description) in outputs.items():
        TerraformOutput(scope, name, value=value, description=description, static_id=True)
