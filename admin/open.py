"""`tollgate open`: URLs of an environment's API and of its pages in the AWS console."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

import typer

from admin.errors import UsageError, unknown
from admin.output import json_output
from admin.session import Session, session_of
from lambda_src.resource_names import log_group, prefix


@dataclass(frozen=True, slots=True)
class Place:
    """A URL of the environment.

    name: name for the command.
    url: the URL.
    description: what it shows.
    """

    name: str
    url: str
    description: str


_API: Final = "api"
"""The API itself, which is no page for a browser."""


@json_output(Place, many=True)
def open_place(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="PLACE", help="api, openai, dashboard, logs, … Default: all.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser", help="Open it in a browser; requires PLACE.")] = False,
) -> None:
    """Print the URLs of the API and of its pages in the AWS console.

    Examples:
      tollgate --env prod open
      tollgate --env prod open dashboard --browser
      curl "$(tollgate --env prod open openai)/models" -H "Authorization: Bearer $KEY"
    """
    session = session_of(context)
    known = {place.name: place for place in places(session)}
    if name is not None and name not in known:
        raise unknown("place", name, known, list_command="tollgate open")
    selected = list(known.values()) if name is None else [known[name]]
    if browser:
        _browse(selected)
    if session.output.form == "json":
        session.output.show(selected, lambda: "")
        return
    for place in selected:  # plain lines: a table would wrap long URLs
        sys.stdout.write(f"{place.url}\n" if name else f"{place.name:<13} {place.url}\n")


def places(session: Session) -> list[Place]:
    """All URLs. Console URLs are those of AWS; the embedded cloud has no console."""
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
            "health, spend, models, latency, errors",
        ),
        Place("alarms", alarms, "alarms and their state"),
        Place("logs", groups + _twice(log_group(environment, "usage")), "usage log: one line per request"),
        Place(
            "access-logs",
            groups + _twice(log_group(environment, "access")),
            "access log: API Gateway's line per request",
        ),
        Place("aggregator-logs", groups + _twice(log_group(environment, "aggregator")), "log of the aggregator"),
        Place("sweeper-logs", groups + _twice(log_group(environment, "sweeper")), "log of the sweeper"),
    ]


def _console(region: str) -> str:
    domain = "amazonaws.cn" if region.startswith("cn-") else "aws.amazon.com"
    return f"https://{region}.console.{domain}"


def _twice(group: str) -> str:
    """A log group's name in console URLs: encoded twice, with $ for %."""
    return quote(quote(group, safe=""), safe="").replace("%", "$")


def _browse(places: list[Place]) -> None:
    if len(places) != 1 or places[0].name in (_API, "openai"):
        raise UsageError("--browser opens one page of the console; pass its name: `tollgate open dashboard --browser`.")
    if not sys.stdout.isatty():
        raise UsageError("--browser works only in a terminal; omit it to print the URL.")
    import webbrowser

    webbrowser.open(places[0].url)
