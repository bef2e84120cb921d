"""`tollgate`: what a platform team lives in. Keys, consumers, usage, budgets, providers, logs, doctor.

Modules of commands are imported here, so they import nothing slow at their top: boto3 and tables come with the first
command that needs them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from admin import audit, budgets, consumers, dashboard, doctor, keys, logs, providers, usage
from admin import open as open_module
from admin.faults import Fault, of_client, of_service
from admin.output import Format, Output
from admin.session import ENVIRONMENT_VARIABLE, Options, Session

app = typer.Typer(
    name="tollgate",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 a finding or refused, 2 usage, 253 credentials or configuration, 254 an AWS service, "
    "130 Ctrl-C. The options above may stand anywhere in the command line.",
)


@app.callback()
def root(
    context: typer.Context,
    env: Annotated[
        str | None, typer.Option(envvar=ENVIRONMENT_VARIABLE, metavar="NAME", help="Environment to work on.")
    ] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="Profile of the AWS configuration.")] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="REGION",
            help="AWS region. Default: the environment file's, else AWS_REGION, AWS_DEFAULT_REGION, the profile's.",
        ),
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Stands in for every AWS service: the embedded cloud.")
    ] = None,
    output: Annotated[
        Format, typer.Option(help="Tables for people, or JSON whose fields docs/cli.md lists.")
    ] = "table",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing something.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be changed, and change nothing.")] = False,
) -> None:
    """Issue, meter, limit, watch and revoke the keys of an AI gateway.

    Works on what is deployed, found by its names; Terraform's state is never read. Data goes to stdout, talk to stderr.

    Examples:

      tollgate --env prod keys issue search --label ci --expires 90d

      tollgate --env prod usage report --by consumer,model --since 30d

      tollgate --env prod doctor
    """
    options = Options(environment=env, profile=profile, region=region, endpoint_url=endpoint_url)
    context.obj = Session(options, Output(form=output, yes=yes, dry_run=dry_run))


# Groups, in the order of the help.
app.add_typer(keys.app, name="keys")
app.add_typer(consumers.app, name="consumers")
app.add_typer(usage.app, name="usage")
app.add_typer(budgets.app, name="budgets")
app.add_typer(providers.app, name="providers")
app.add_typer(logs.app, name="logs")
app.command("doctor")(doctor.doctor)
app.command("open")(open_module.open_place)
app.command("dashboard")(dashboard.dashboard)
app.command("audit")(audit.audit)

_TAKE_A_VALUE: Final = ("--env", "--profile", "--region", "--endpoint-url", "--output")
_FLAGS: Final = ("--yes", "-y", "--dry-run")


def first_things_first(arguments: Sequence[str]) -> list[str]:
    """The same words with the options of `root` before the rest, wherever they stood (up to `--`)."""
    ahead: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, has_value, _ = word.partition("=")
        if word == "--":
            rest.append(word)
            break
        if word in _FLAGS or (has_value and name in _TAKE_A_VALUE):
            ahead.append(word)
        elif word in _TAKE_A_VALUE:
            ahead += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return [*ahead, *rest, *words]


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command line."""
    try:
        app(first_things_first(arguments), prog_name="tollgate")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except Fault as fault:
        return _tell(fault)
    except _boto_errors() as error:
        return _tell(of_service(error) if hasattr(error, "operation_name") else of_client(error))
    return 0


def _tell(fault: Fault) -> int:
    Output().say(str(fault), style="red")
    return fault.exit_code


def _boto_errors() -> tuple[type[Any], ...]:
    """Asked for only when something was raised: importing botocore costs more than `--help` may take."""
    if "botocore" not in sys.modules:
        return ()
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def main() -> None:
    """Entry of the installed command."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # whoever read it has enough; Python would complain once more at its end
    sys.exit(code)
