"""The schedule of the sweeper."""

from __future__ import annotations

from constructs_lib.aws import (
    CloudwatchEventRule,
    CloudwatchEventTarget,
    Construct,
    LambdaFunctionEventInvokeConfig,
    LambdaPermission,
    addressed,
)
from constructs_lib.function import Function
from constructs_lib.settings import Environment
from lambda_src.contract import SWEEP_MINUTES


class Schedule(Construct):
    """An EventBridge rule that invokes the sweeper every SWEEP_MINUTES.

    EventBridge invokes asynchronously: by default Lambda repeats a failed run twice, and the alarm counts all three
    (docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html). Here the next run is the retry.
    """

    def __init__(self, scope: Construct, *, environment: Environment, sweeper: Function) -> None:
        super().__init__(scope, "schedule")
        rule = CloudwatchEventRule(
            self,
            "rule",
            name=f"{environment.prefix}-sweep",
            description="Run the sweeper, which ends lapsed requests.",
            schedule_expression=f"rate({SWEEP_MINUTES} minutes)",
        )
        addressed("sweeper", rule)
        target = CloudwatchEventTarget(self, "target", rule=rule.name, arn=sweeper.arn, target_id="sweeper")
        addressed("sweeper", target)
        invocation = LambdaFunctionEventInvokeConfig(
            self,
            "invocation",
            function_name=sweeper.function.function_name,
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=SWEEP_MINUTES * 60,
        )
        addressed("sweeper", invocation)
        permission = LambdaPermission(
            self,
            "permission",
            statement_id="schedule",
            action="lambda:InvokeFunction",
            function_name=sweeper.function.function_name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
        )
        addressed("sweeper", permission)
