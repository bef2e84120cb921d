"""An environment's stack with inputs, and without backend, provider block or anything that is fixed per root module."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from constructs_lib.aws import App, AwsProvider, TerraformVariable, resources_of
from constructs_lib.settings import Environment
from constructs_lib.stack import TollgateStack
from constructs_lib.terraform_module.network_inputs import add_inputs, endpoints_input, with_inputs

STACK: Final = "module"
NAME: Final = "${var.name}"
TAGS: Final = "${merge(local.tags, var.tags)}"
GATEWAY_INPUTS: Final = {
    "kms_key_arn": "KMS key that encrypts data at rest. `tollgate kms-policy` prints the key policy that it needs.",
    "waf_acl_arn": "WAF web ACL in front of the API.",
}
"""Settings of [gateway] that name a resource of the root, and become inputs if the environment file sets them."""
DOMAIN_INPUTS: Final = {
    "name": ("domain_name", "Host name of the API. A new name replaces the old one at once."),
    "certificate_arn": ("certificate_arn", "ACM certificate for domain_name, in the API's region."),
    "hosted_zone_id": ("hosted_zone_id", "Public Route 53 zone in which the alias records of domain_name are created."),
}
"""Inputs in place of settings of [domain]: name of the input, and its description."""


class ModuleStack(TollgateStack):
    """All resources of one environment, whose name and tags are inputs of the module.

    environment: as in the file; its values are the inputs' defaults. digest: hash of the API that a stack of this
    environment deploys.
    """

    def __init__(self, scope: App, *, environment: Environment, project: Path, build: Path, digest: str) -> None:
        self._defaults = environment
        inputs = {name: f"${{var.{name}}}" for name in GATEWAY_INPUTS if getattr(environment.gateway, name) is not None}
        domain = environment.domain
        if domain is not None:
            names = {
                setting: name for setting, (name, _) in DOMAIN_INPUTS.items() if getattr(domain, setting) is not None
            }
            domain = domain.model_copy(update={setting: f"${{var.{name}}}" for setting, name in names.items()})
        # All names, ARNs and dashboards are made from this name, so that Terraform inserts the input everywhere.
        gateway = environment.gateway.model_copy(update=inputs)
        network = with_inputs(environment.network)
        named = environment.model_copy(update={"name": NAME, "gateway": gateway, "domain": domain, "network": network})
        super().__init__(scope, environment=named, project=project, build=build)
        for resource in resources_of(self).values():
            if hasattr(type(resource), "tags_input"):  # there are no default_tags without a provider block
                resource.add_override("tags", TAGS)
        # The functions' ARNs contain the name, so an API of another name needs another deployment. So does another
        # resource policy.
        captured = [("var.name", environment.name), *endpoints_input(environment.network)]
        same = " && ".join(f'{expression} == "{default}"' for expression, default in captured)
        other = "-".join([digest, *(f"${{{expression}}}" for expression, _ in captured)])
        trigger = f'${{{same} ? "{digest}" : "{other}"}}'
        self.stage.deployment.add_override("triggers.redeployment", trigger)

    def _stack_name(self, environment: Environment) -> str:
        del environment
        return STACK

    def _configure(self, environment: Environment) -> None:
        del environment
        AwsProvider(self, "aws")  # CDKTF requires one; it is not rendered
        TerraformVariable(
            self,
            "name",
            type="string",
            default=self._defaults.name,
            nullable=False,
            description="Name of the environment: part of all AWS names, so two instances of the module in one account "
            "and region need two names. A new name replaces resources.",
            validation=[
                {
                    "condition": '${can(regex("^[a-z0-9][a-z0-9-]{0,19}$", var.name))}',
                    "errorMessage": "name: 1 to 20 lower-case letters, digits and hyphens, not starting with a hyphen.",
                }
            ],
        )
        TerraformVariable(
            self,
            "tags",
            type="map(string)",
            default={},
            nullable=False,
            description="Tags of every resource, in addition to those of the environment file and of the provider's "
            "default_tags.",
        )
        add_inputs(self, self._defaults.network)
        for name, description in GATEWAY_INPUTS.items():
            self._text_input(name, getattr(self._defaults.gateway, name), description)
        for setting, (name, description) in DOMAIN_INPUTS.items():
            self._text_input(name, getattr(self._defaults.domain, setting, None), description)

    def _text_input(self, name: str, default: str | None, description: str) -> None:
        if default is not None:
            TerraformVariable(self, name, type="string", default=default, nullable=False, description=description)
