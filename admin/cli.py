"""`tollgate`, the command of operators: keys, consumers, usage, budgets, the ledger, providers, logs, doctor.

A command line imports only the module of the command it names. boto3 and rich are imported by the first command that
needs them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from admin import completion, streams
from admin.environment_file import missing_file
from admin.errors import CliError, ConfigurationError, RefusedError, from_botocore_error, from_client_error
from admin.output import Format, Output
from admin.session import ENVIRONMENT_VARIABLE, Options, Session


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"tollgate {version('tollgate')}")
        raise typer.Exit


def root(
    context: typer.Context,
    env: Annotated[
        str | None,
        typer.Option(
            envvar=ENVIRONMENT_VARIABLE,
            metavar="NAME",
            help="Name of the environment.",
            autocompletion=completion.environments,
        ),
    ] = None,
    environments: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Folder of the environment files. Default: the environment variable TOLLGATE_ENVIRONMENTS, else "
            "environments/ in the current folder.",
        ),
    ] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="AWS profile.")] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="REGION",
            help="AWS region. Default: from the environment file, else AWS_REGION, AWS_DEFAULT_REGION, the profile.",
        ),
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Endpoint for every AWS service, such as the embedded cloud.")
    ] = None,
    output: Annotated[Format, typer.Option(help="Output format: table or json (fields: docs/cli.md).")] = "table",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Confirm changes without a prompt.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change, without changing anything.")
    ] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Issue, meter, limit, watch and revoke the keys of an AI gateway.

    Finds the deployed resources by their names and never reads Terraform state. Data goes to stdout, messages go to
    stderr.

    Examples:
      tollgate --env prod keys issue search --label ci --expires 90d
      tollgate --env prod usage report --by consumer,model --since 30d
      tollgate --env prod doctor
    """
    options = Options(
        environment=env, environments=environments, profile=profile, region=region, endpoint_url=endpoint_url
    )
    context.obj = Session(options, Output(form=output, yes=yes, dry_run=dry_run))


COMMANDS: Final = {
    "keys": ("keys.commands", "app", "Issue, rotate and revoke keys of consumers."),
    "consumers": ("consumers.commands", "app", "Show consumers with their budgets and keys; pause and resume them."),
    "usage": ("usage.commands", "app", "Report usage and cost, look at single requests, and correct them."),
    "budgets": ("budgets.commands", "app", "Show and forecast budgets, or raise one temporarily."),
    "ledger": ("ledger.commands", "app", "Verify rollups and accounts against the usage rows; repair them."),
    "reconcile": (
        "reconcile.commands",
        "reconcile",
        "Compare the ledger with a provider's own export, per day and model, and name likely reasons of differences.",
    ),
    "providers": ("providers.commands", "app", "Manage providers' secrets and check that providers respond."),
    "logs": ("logs.commands", "app", "Query the usage and access logs; replay usage lines that the ledger misses."),
    "doctor": ("doctor.commands", "doctor", "Check the deployment. Each finding comes with a fix."),
    "smoke": (
        "smoke.commands",
        "smoke",
        "Call the deployed API with a temporary key, and print a checklist: streaming, refusals, usage, cost, cleanup.",
    ),
    "open": ("open", "open_place", "Print the URLs of the API and of its pages in the AWS console."),
    "dashboard": (
        "dashboard.commands",
        "dashboard",
        "Write the deployed CloudWatch dashboard as one HTML page that opens without a network.",
    ),
    "audit": ("audit", "audit", "List the changes that operators made, newest first."),
    "plan-summary": (
        "plan_summary.commands",
        "plan_summary",
        "Summarize a Terraform plan in Markdown, for a pull request.",
    ),
    "init": ("init.commands", "init", "Write a small CDKTF project that deploys Tollgate beside your own resources."),
    "schema": (
        "init.commands",
        "schema",
        "Print the JSON Schema of environment files, with which editors complete and check them.",
    ),
    "deployer-policy": (
        "deployer_policy",
        "deployer_policy",
        "Write the IAM policies that deploying the environment needs.",
    ),
    "kms-policy": ("kms_policy", "kms_policy", "Print the key policy that gateway.kms_key_arn needs."),
}
"""Module, member and help of each command, in the order of the help."""


class RootGroup(TyperGroup):
    """The root command. It turns boto3's errors into those of the command, and says if --env names no file."""

    def invoke(self, context: Any) -> Any:
        """Run the command line. Raises CliError."""
        try:
            return super().invoke(context)
        except ConfigurationError as error:
            raise _without_file(context, error) from None
        except _boto_errors() as error:
            known = from_client_error(error) if hasattr(error, "operation_name") else from_botocore_error(error)
            raise (_without_file(context, known) if isinstance(known, ConfigurationError) else known) from None


def _without_file(context: Any, error: ConfigurationError) -> ConfigurationError:
    """`error`, headed by the environments that have a file if this one has none: its name is likely wrong."""
    session = context.obj
    named = isinstance(session, Session) and session.options.environment
    missing = missing_file(session.files, session.environment) if named else ""
    return ConfigurationError(f"{missing}\n{error}") if missing else error


def application(only: str | None = None) -> typer.Typer:
    """The command with all subcommands loaded, or only the one named `only`."""
    app = typer.Typer(
        name="tollgate",
        cls=RootGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": _HELP_OPTIONS},
        epilog="Exit codes: 0 success, 1 finding or rejection, 2 usage error, 253 credentials or configuration, "
        "254 AWS service, 130 Ctrl-C. The options above are accepted anywhere in the command line.",
    )
    app.callback()(root)
    for name, (module, member, summary) in COMMANDS.items():
        loaded = getattr(import_module(f"admin.{module}"), member) if only in (None, name) else None
        if loaded is None:
            app.command(name, help=summary)(_placeholder)
        elif isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=name)
        else:
            app.command(name, cls=getattr(loaded, "command_class", None))(loaded)
    return app


_HELP_OPTIONS: Final = ["-h", "--help"]


def _format_help(command: Any) -> None:
    """Let the terminal wrap the paragraphs of help texts, and keep the indentation of examples, which Typer removes
    from text that follows the first paragraph. Flags, which take no value, have no `<bool>` after their names."""
    help_option = command.get_help_option(typer.Context(command, help_option_names=_HELP_OPTIONS))
    for option in (*command.params, help_option):
        if getattr(option, "is_flag", False):
            option.metavar = ""
    text = re.sub(r"(?<=\S)\n(?=\S)", " ", command.help)
    command.help = re.sub(r"\A(.+\n)\n(?=Examples:)", r"\1\n\n", text)
    for subcommand in getattr(command, "commands", {}).values():
        _format_help(subcommand)


def _placeholder() -> None:
    """Stands for a command that is not loaded, in the help."""


_TAKE_A_VALUE: Final = ("--env", "--environments", "--profile", "--region", "--endpoint-url", "--output")
_FLAGS: Final = ("--yes", "-y", "--dry-run", "--version")


def global_options_first(arguments: Sequence[str]) -> list[str]:
    """`arguments` with the options of `root` moved to the front, from anywhere before `--`."""
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


def _command_name(arguments: Sequence[str]) -> str | None:
    """Name of the command in a command line; "" if there is none, None if a shell requests completions."""
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
        command = get_command(application(_command_name(arguments)))
        _format_help(command)
        command(global_options_first(arguments), prog_name="tollgate")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except CliError as error:
        return _report(error)
    except OSError as error:
        return _report(_io_error(error))
    return 0


def _io_error(error: OSError) -> CliError:
    """The error for a failed read or write, such as a full disk. Files named by options have errors of their own."""
    return RefusedError(
        f"cannot read or write {error.filename or 'the output'}: {error.strerror}. `tollgate audit` lists changes made "
        "before the error; `tollgate keys show KEY --reveal` shows the value of an issued key."
    )


def _report(error: CliError) -> int:
    Output().say(str(error), style="red")
    return error.exit_code


def _boto_errors() -> tuple[type[Any], ...]:
    """boto3's errors, if botocore was imported: importing it takes longer than `--help` may."""
    if "botocore" not in sys.modules:
        return ()
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def main() -> None:
    """Entry of the installed command."""
    streams.prepare()
    code = run(sys.argv[1:])
    error = streams.flush()
    sys.exit(code if error is None else _report(_io_error(error)))
