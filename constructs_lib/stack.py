"""One environment as one Terraform stack: parts in the order of data flow, then grants, then outputs."""

from __future__ import annotations

from pathlib import Path

from constructs_lib.access import Access
from constructs_lib.aggregation import Aggregation
from constructs_lib.alarms import Alarms
from constructs_lib.aws import Construct, TerraformStack, resources_of
from constructs_lib.chat import ChatChannels
from constructs_lib.dashboard import Dashboard
from constructs_lib.domain import Domain
from constructs_lib.functions import (
    aggregator_function,
    authorizer_function,
    bedrock_access,
    configuration,
    custom_functions,
    gateway_function,
    sweeper_function,
    tollgate_package,
)
from constructs_lib.ledger import LedgerTable
from constructs_lib.ledger_items import key_item, model_item, names_item, policy_item
from constructs_lib.moves import moves
from constructs_lib.notifications import Notifications
from constructs_lib.outputs import write_outputs
from constructs_lib.plans import Plans
from constructs_lib.platform import configure
from constructs_lib.prompt_log import PromptLog
from constructs_lib.queries import SavedQueries
from constructs_lib.rejections import ApiGatewayRejections
from constructs_lib.rest_api import RestApi
from constructs_lib.routes import endpoints
from constructs_lib.schedule import Schedule
from constructs_lib.secrets import ProviderSecrets
from constructs_lib.settings import Environment
from constructs_lib.settings.environment import RENAMABLE_SECTIONS
from constructs_lib.settings.model_prices import model_prices
from constructs_lib.settings.terraform_names import slug
from constructs_lib.stage import Stage


class TollgateStack(TerraformStack):
    """All resources of one environment.

    project: folder that the sources of custom functions are relative to. build: folder for the Lambda packages; None:
    `build/packages` in the project. Each part is an attribute, and each part has its resources as attributes.
    """

    def __init__(self, scope: Construct, *, environment: Environment, project: Path, build: Path | None = None) -> None:
        super().__init__(scope, self._stack_name(environment))
        self.environment = environment
        build = project / "build" / "packages" if build is None else build
        self._configure(environment)

        self.ledger = LedgerTable(self, environment=environment)
        self.secrets = ProviderSecrets(self, environment=environment)
        self.notifications = Notifications(self, environment=environment, account_of=self.ledger.table.arn)
        self.prompts = PromptLog(self, environment=environment, account_of=self.ledger.table.arn)
        package = tollgate_package(build)
        variables = configuration(environment, self.ledger, self.notifications)
        self.gateway = gateway_function(self, environment, package, variables)
        self.aggregator = aggregator_function(self, environment, package, variables)
        self.sweeper = sweeper_function(self, environment, package, variables)
        self.authorizer = authorizer_function(self, environment, package) if environment.gateway.bearer else None
        self.custom_functions = custom_functions(self, environment, project, build)
        self.schedule = Schedule(self, environment=environment, sweeper=self.sweeper)

        routes = list(endpoints(environment, self.gateway, self.custom_functions))
        self.api = RestApi(self, environment=environment, endpoints=routes, authorizer=self.authorizer)
        self.stage = Stage(self, environment=environment, api=self.api)
        self.domain = (
            None
            if environment.domain is None
            else Domain(self, environment=environment, domain=environment.domain, api=self.api, stage=self.stage)
        )
        self.invoke_url = self.stage.invoke_url(environment, self.api) if self.domain is None else self.domain.url
        self.plans = Plans(self, environment=environment, api=self.api, stage=self.stage)
        self._write_items(environment)

        self.rejections = ApiGatewayRejections(self, environment=environment, stage=self.stage)
        self.alarms = Alarms(self, environment=environment, notifications=self.notifications)
        self.chat = ChatChannels(self, environment=environment, notifications=self.notifications)
        self.dashboard = Dashboard(self, environment=environment, alarms=self.alarms)
        self.queries = SavedQueries(
            self,
            environment=environment,
            logs={
                "usage": self.gateway.logs,
                "access": self.stage.access_logs,
                "aggregator": self.aggregator.logs,
                "sweeper": self.sweeper.logs,
            },
        )

        self.gateway.grant(
            [
                *self.ledger.meter(),
                *self.secrets.read(),
                *self.prompts.write(),
                *bedrock_access(environment, self.ledger.table.arn),
            ]
        )
        self.aggregator.grant([*self.ledger.aggregate(), *self.notifications.publish()])
        self.aggregation = Aggregation(self, ledger=self.ledger, aggregator=self.aggregator)
        self.sweeper.grant([*self.ledger.sweep(), *self.notifications.publish()])
        own_functions = [self.gateway, self.aggregator, self.sweeper]
        if self.authorizer is not None:
            self.authorizer.grant(kms_key=False)
            own_functions.append(self.authorizer)
        for function in self.custom_functions.values():
            function.grant()
        self.access = Access(
            self,
            environment=environment,
            ledger=self.ledger,
            secrets=self.secrets,
            notifications=self.notifications,
            functions=own_functions,
            api=self.api,
            stage=self.stage,
            plans=self.plans,
        )

        write_outputs(
            self,
            environment=environment,
            api=self.api,
            stage=self.stage,
            domain=self.domain,
            invoke_url=self.invoke_url,
            plans=self.plans,
            ledger=self.ledger,
            secrets=self.secrets,
            gateway=self.gateway,
            aggregator=self.aggregator,
            sweeper=self.sweeper,
            notifications=self.notifications,
            dashboard=self.dashboard,
            access=self.access,
        )
        if any(environment.earlier_names(section) for section in RENAMABLE_SECTIONS):
            self.add_override("moved", moves(environment, resources_of(self)))

    def _stack_name(self, environment: Environment) -> str:
        return environment.prefix

    def _configure(self, environment: Environment) -> None:
        configure(self, environment)

    def _write_items(self, environment: Environment) -> None:
        for name in environment.models:
            self.ledger.put(f"model_{slug(name)}", model_item(environment, name, model_prices(environment, name)))
        for name in environment.consumers:
            self.ledger.put(f"policy_{name}", policy_item(environment, name))
        for key in self.plans.keys:
            consumer = environment.consumers[key.consumer]
            first_name = environment.first_name("consumers", key.consumer)
            self.ledger.put(f"key_{key.terraform_name}", key_item(first_name, consumer, key.name, key.id))
        if names := names_item(environment):
            self.ledger.put("names", names)
