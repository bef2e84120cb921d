"""`tollgate`: what a platform team lives in. Keys, consumers, usage, budgets, providers, logs, doctor.

A command line loads the module of the command that it names, and of the others only says what they are for. boto3 and
tables come with the first command that needs them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Final

import typer

from admin import streams
from admin.errors import CliError, RefusedError, of_client, of_service
from admin.output import Format, Output
from admin.session import ENVIRONMENT_VARIABLE, Options, Session


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


COMMANDS: Final = {
    "keys": ("keys.commands", "app", "Issue, rotate, revoke the keys of consumers."),
    "consumers": ("consumers.commands", "app", "Who calls: their budgets and keys, and a switch for each."),
    "usage": ("usage.commands", "app", "Who used what, what it cost, and every single request."),
    "budgets": ("budgets.commands", "app", "Where budgets stand, and raising one for a while."),
    "providers": ("providers.commands", "app", "AI APIs the gateway forwards to: their keys, and whether they answer."),
    "logs": ("logs.commands", "app", "Ask the usage and access logs; book lines that the ledger lacks."),
    "doctor": ("doctor.commands", "doctor", "Is everything deployed and healthy? Each finding comes with its fix."),
    "open": ("open", "open_place", "Print where the gateway is called, and where the console shows it."),
    "dashboard": (
        "dashboard.commands",
        "dashboard",
        "Write the deployed CloudWatch dashboard as one HTML page that opens without a network.",
    ),
    "audit": ("audit", "audit", "Changes that operators made, newest first."),
}
"""Where each is, and what its own help begins with; in the order of the help."""


def application(only: str | None = None) -> typer.Typer:
    """The command with all that it can do, or with what is below `only` alone."""
    app = typer.Typer(
        name="tollgate",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 ok, 1 a finding or refused, 2 usage, 253 credentials or configuration, 254 an AWS "
        "service, 130 Ctrl-C. The options above may stand anywhere in the command line.",
    )
    app.callback()(root)
    for name, (module, member, words) in COMMANDS.items():
        found = getattr(import_module(f"admin.{module}"), member) if only in (None, name) else None
        if found is None:
            app.command(name, help=words)(_not_loaded)
        elif isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _not_loaded() -> None:
    """Stands for a command in the help of all of them."""


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


def _named(arguments: Sequence[str]) -> str | None:
    """The command that a command line names; "" where it names none, None where a shell asks for completions."""
    if "_TOLLGATE_COMPLETE" in os.environ:
        return None
    words = iter(arguments)
    for word in words:
        if word in _TAKE_A_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command line."""
    try:
        application(_named(arguments))(first_things_first(arguments), prog_name="tollgate")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except CliError as fault:
        return _tell(fault)
    except _boto_errors() as error:
        return _tell(of_service(error) if hasattr(error, "operation_name") else of_client(error))
    except OSError as error:
        return _tell(_unwritten(error))
    return 0


def _unwritten(error: OSError) -> CliError:
    """Of a full disk, say; the files that options name have words of their own."""
    return RefusedError(
        f"{error.filename or 'what it prints'} could not be read or written: {error.strerror}. What it changed before "
        "is in `tollgate audit`; the value of a key that was made is shown by `tollgate keys show KEY --reveal`."
    )


def _tell(fault: CliError) -> int:
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
    streams.prepare()
    code = run(sys.argv[1:])
    error = streams.empty()
    sys.exit(code if error is None else _tell(_unwritten(error)))
