"""`tollgate open`: where an environment is called and looked at."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

import typer

from admin.errors import UsageError, unknown
from admin.output import shows
from admin.session import Session, session_of
from lambda_src.contract import access_log_group, gateway_log_group, prefix, sweeper_log_group


@dataclass(frozen=True, slots=True)
class Place:
    """Something to open.

    name: as the command takes it.
    url: where it is.
    what: what one finds there.
    """

    name: str
    url: str
    what: str


_API: Final = "api"
"""What a browser cannot show."""


@shows(Place, many=True)
def open_place(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="PLACE", help="api, openai, dashboard, logs, …: default all.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Open it in a browser; PLACE has to be given.")] = False,
) -> None:
    """Print where the gateway is called, and where the console shows it.

    Examples:

      tollgate --env prod open

      tollgate --env prod open dashboard --browser

      curl "$(tollgate --env prod open openai)/models" -H "x-api-key: $KEY"
    """
    session = session_of(context)
    found = {each.name: each for each in places(session)}
    if name is not None and name not in found:
        raise unknown("place", name, found, seen_with="tollgate open")
    chosen = list(found.values()) if name is None else [found[name]]
    if browser:
        _browse(chosen)
    if session.output.form == "json":
        session.output.show(chosen, lambda: "")
        return
    for each in chosen:  # lines as they are: a table would break long addresses in two
        sys.stdout.write(f"{each.url}\n" if name else f"{each.name:<13} {each.url}\n")


def places(session: Session) -> list[Place]:
    """All there is. The console's addresses are AWS's own, also for the embedded cloud, which has no console."""
    environment, url = session.environment, session.invoke_url
    console = _console(session.region)
    groups = f"{console}/cloudwatch/home?region={session.region}#logsV2:log-groups/log-group/"
    alarms = f"{console}/cloudwatch/home?region={session.region}#alarmsV2:?search={prefix(environment)}-"
    return [
        Place(_API, url, "base URL of Anthropic's SDK and of plain calls"),
        Place("openai", f"{url}/v1", "base URL of OpenAI's SDK"),
        Place(
            "dashboard",
            f"{console}/cloudwatch/home?region={session.region}#dashboards/dashboard/{prefix(environment)}",
            "health, spend, models, latency, failures",
        ),
        Place("alarms", alarms, "what rings"),
        Place("logs", groups + _twice(gateway_log_group(environment)), "one line per request: the usage record"),
        Place("access-logs", groups + _twice(access_log_group(environment)), "API Gateway's own line per request"),
        Place("sweeper-logs", groups + _twice(sweeper_log_group(environment)), "what the sweeper did"),
    ]


def _console(region: str) -> str:
    domain = "amazonaws.cn" if region.startswith("cn-") else "aws.amazon.com"
    return f"https://{region}.console.{domain}"


def _twice(group: str) -> str:
    """A log group's name as the console's address has it: encoded twice, with $ for %."""
    return quote(quote(group, safe=""), safe="").replace("%", "$")


def _browse(chosen: list[Place]) -> None:
    if len(chosen) != 1 or chosen[0].name in (_API, "openai"):
        raise UsageError("--browser opens one place of the console: `tollgate open dashboard --browser`.")
    if not sys.stdout.isatty():
        raise UsageError("--browser opens a browser only from a terminal; without it the URL is printed.")
    import webbrowser

    webbrowser.open(chosen[0].url)
