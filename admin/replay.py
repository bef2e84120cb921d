r"""Books usage log lines that the ledger could not take in: `python -m admin.replay --env NAME FILE`.

FILE (`-`: standard input) holds lines of the usage log as the gateway printed them, or a JSON list of them, as from

    aws logs filter-log-events --log-group-name /tollgate/NAME/usage --filter-pattern '{ $.ledger_failed IS TRUE }' \
        --start-time … --query 'events[].message' --output json > lines.json

A line that is booked already changes nothing, so the same file can be replayed as often as you like, and a whole day's
log does no harm. Credentials are those of the AWS CLI (AWS_PROFILE); they need to read the function's configuration and
to write to the ledger table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError

from lambda_src.aws import Aws, AwsError
from lambda_src.configuration import config
from lambda_src.contract import prefix
from lambda_src.ledger import Ledger
from lambda_src.record import record_of_line

SECONDS_PER_LINE: Final = 20.0
NOBODY: Final = "-"
"""Consumer of a line that no key of the ledger stands behind: such a request costs nothing and has no row."""


class ReplayError(Exception):
    """The file or the environment is not what was expected. The message says what to do."""


def usage_lines(text: str, environment: str) -> Iterator[dict[str, Any]]:
    """The usage lines in a file; other kinds of lines are passed over. ReplayError: not a log, or another's."""
    try:
        listed = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
        parsed = [json.loads(each) if isinstance(each, str) else each for each in listed if each]
    except ValueError as error:
        raise ReplayError(f"not a usage log: {error}; accepted: one JSON object per line, or a JSON list") from None
    for number, line in enumerate(parsed, start=1):
        if not isinstance(line, dict) or line.get("kind") != "usage" or line.get("consumer") == NOBODY:
            continue
        if line.get("environment") != environment:
            raise ReplayError(
                f"line {number} is of environment {line.get('environment')!r}, not {environment!r}; "
                "nothing was booked. Name the environment that the log is from."
            )
        yield line


def replay(ledger: Ledger, lines: list[dict[str, Any]]) -> Counter[str]:
    """How many lines were `settled` (were missing), `corrected` (were assumed) and `replayed` (were there already).

    AwsError: those before are booked; replay the same file again.
    """
    return Counter(ledger.replay(record_of_line(line), time.monotonic() + SECONDS_PER_LINE) for line in lines)


def ledger_of(environment: str) -> Ledger:
    """The ledger of a deployed environment, as its own gateway is configured. ReplayError: it cannot be found."""
    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None or session.region_name is None:
        raise ReplayError("no AWS credentials or region; set AWS_PROFILE, or AWS_REGION and the keys")
    frozen = credentials.get_frozen_credentials()
    name = f"{prefix(environment)}-gateway"
    try:
        function = session.client("lambda").get_function_configuration(FunctionName=name)
    except ClientError as error:
        raise ReplayError(f"{name} in {session.region_name}: {error}; is --env right, and the region?") from None
    settings = config(function["Environment"]["Variables"])
    environ = {
        "AWS_REGION": session.region_name,
        "AWS_ACCESS_KEY_ID": frozen.access_key or "",
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key or "",
        **({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {}),
        **({"AWS_ENDPOINT_URL": endpoint} if (endpoint := _endpoint(session)) else {}),
    }
    return Ledger(Aws(environ), settings.table, settings.environment, settings.retention_days)


def _endpoint(session: boto3.Session) -> str | None:
    """Where the embedded cloud, or whatever else stands in for AWS, listens."""
    url = session.client("dynamodb").meta.endpoint_url
    return None if url.endswith((".amazonaws.com", ".amazonaws.com.cn")) else url


def main(arguments: list[str]) -> int:
    """0: all lines are booked now. 1: not all; the message says why."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", required=True, metavar="NAME", help="environment that the log is from")
    parser.add_argument("file", type=argparse.FileType(encoding="utf-8"), metavar="FILE", help="log lines; - for stdin")
    options = parser.parse_args(arguments)
    try:
        lines = list(usage_lines(options.file.read(), options.env))
        outcomes = replay(ledger_of(options.env), lines)
    except (ReplayError, AwsError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{len(lines)} usage lines: {outcomes['settled']} booked, {outcomes['corrected']} corrected, "
        f"{outcomes['replayed']} there already"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
