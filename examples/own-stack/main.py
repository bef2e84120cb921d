"""A CDKTF program with Tollgate and other resources: in its stack, around its stack, and changed in its stack.

python main.py [--environments DIR] [NAME ...]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tollgate import App, Environment, TollgateStack, read_environments, resources_of

# isort: split
# After tollgate, which keeps the provider package from importing all of its 2,140 modules.
import jsii
from cdktf import Aspects, IAspect, TerraformStack
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.provider import AwsProvider
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.sqs_queue_policy import SqsQueuePolicy
from cdktf_cdktf_provider_aws.ssm_parameter import SsmParameter
from constructs import Construct, IConstruct

PROJECT = Path(__file__).resolve().parent
BOUNDARY = "arn:aws:iam::111122223333:policy/workload-boundary"


@jsii.implements(IAspect)
class PermissionsBoundary:
    """Gives every role of a stack the permissions boundary that the company requires."""

    def visit(self, node: IConstruct) -> None:
        """Called by CDKTF for each construct at synth."""
        if isinstance(node, IamRole):
            node.permissions_boundary = BOUNDARY


class GatewayStack(TollgateStack):
    """Tollgate, with alarms and budget events also in a queue for the company's own tools."""

    def __init__(self, scope: Construct, *, environment: Environment) -> None:
        super().__init__(scope, environment=environment, project=PROJECT)
        queue = SqsQueue(self, "events", name=f"{environment.prefix}-events", sqs_managed_sse_enabled=True)
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.notifications.arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        SqsQueuePolicy(self, "events-policy", queue_url=queue.url, policy=policy)
        SnsTopicSubscription(
            self, "events-subscription", topic_arn=self.notifications.arn, protocol="sqs", endpoint=queue.arn
        )
        # An override changes any argument of any resource, also those that Tollgate has no setting for.
        self.ledger.table.add_override("lifecycle.prevent_destroy", True)
        resources_of(self)["aws_cloudwatch_metric_alarm.sweeper-errors"].add_override("treat_missing_data", "breaching")
        Aspects.of(self).add(PermissionsBoundary())


class ClientStack(TerraformStack):
    """A stack of an application, which reads the gateway's URL from Tollgate's stack."""

    def __init__(self, scope: Construct, *, gateway: GatewayStack) -> None:
        environment = gateway.environment
        super().__init__(scope, f"client-{environment.name}")
        AwsProvider(self, "aws", region=environment.aws.region)
        SsmParameter(self, "url", name=f"/client/{environment.name}/url", type="String", value=gateway.invoke_url)


def main(arguments: list[str]) -> None:
    """Write cdktf.out."""
    app = App()
    for environment in read_environments(PROJECT, arguments):
        ClientStack(app, gateway=GatewayStack(app, environment=environment))
    app.synth()


if __name__ == "__main__":
    main(sys.argv[1:])
