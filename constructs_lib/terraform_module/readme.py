"""The README of a module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from constructs_lib.settings import Environment

_PAGE: Final = """\
# Terraform module tollgate-{name}

Written by `{command}`. Do not edit: change the environment file and render it again.

```hcl
module "{call}" {{
  source = "./{call}"
}}
```

It needs Terraform {terraform} and the AWS provider {provider}, which the root module configures for {region}.
A provider with an alias: `providers = {{ aws = aws.ALIAS }}`. In one account and region, each instance needs its own
`name`.{account}

## Inputs

| name | type | default | |
| --- | --- | --- | --- |
{inputs}

## Outputs

| name | |
| --- | --- |
{outputs}

## From `cdktf deploy` to the module

1. Copy `migration/moved.tf` into the root module, which uses the state of the stack: the same backend and key.
2. `terraform plan` shows moves, and in-place updates of the functions' `filename`, whose code stays the same.
3. After the apply, delete `moved.tf`.
"""
TITLE: Final = _PAGE.partition("{")[0]
"""Beginning of the page, by which a module is recognized."""
_ACCOUNT: Final = " Only one may manage the account's logging role, and each does (`gateway.manage_account_role`)."


def readme(
    environment: Environment,
    *,
    variables: Mapping[str, Any],
    outputs: Mapping[str, Any],
    versions: Mapping[str, Any],
    call: str,
) -> str:
    """The page in Markdown."""
    return _PAGE.format(
        name=environment.name,
        command=f"tollgate-module {environment.name}",
        call=call.partition("[")[0],
        terraform=versions["required_version"],
        provider=versions["required_providers"]["aws"]["version"],
        region=environment.aws.region,
        account=_ACCOUNT if environment.gateway.manage_account_role else "",
        inputs="\n".join(
            f"| `{name}` | `{variable['type']}` | `{json.dumps(variable['default'])}` | {variable['description']} |"
            for name, variable in sorted(variables.items())
        ),
        outputs="\n".join(f"| `{name}` | {output['description']} |" for name, output in sorted(outputs.items())),
    )
