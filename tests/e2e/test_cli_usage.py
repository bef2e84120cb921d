"""Usage reports, single requests and exports, after real requests."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lambda_src.contract import (
    PK,
    SK,
    rollup_pk,
    rollup_sk,
    usage_pk,
    usage_sk,
    usage_slot,
)
from lambda_src.edges.dynamodb_attributes import serialize_item
from tests.e2e.command import INSTALLED, Command
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

CHAT = "/v1/chat/completions"
HOSTILE = '=HYPERLINK("http://x")<script>alert(1)</script>|`#'
"""A model name that pages, spreadsheets and tables must treat as text. It contains the separator `#`."""
NOW = datetime.now(UTC)
TODAY, EARLIER = NOW.date().isoformat(), (NOW.date() - timedelta(days=2)).isoformat()


@dataclass(frozen=True)
class Called:
    """The responses that callers of `metered` got. ids: request ids by outcome."""

    cost: Decimal
    ids: dict[str, str]
    key_id: str


def put(system: System, pk: str, sk: str, **values: object) -> None:
    """Write an item of the ledger."""
    table = str(system.outputs["table"])
    key = {PK: {"S": pk}, SK: {"S": sk}}
    system.cloud.client("dynamodb").put_item(TableName=table, Item={**key, **serialize_item(values)})


def chat(system: System, model: str) -> tuple[int, Decimal, str]:
    """Status, cost and id of a chat."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 50}
    response = system.call("POST", CHAT, body, {"x-api-key": system.key("metered"), "x-tollgate-tags": "job=-1+1"})
    cost = Decimal(response.headers.get("x-tollgate-cost-usd", "0"))
    return response.status, cost, response.headers["x-tollgate-request-id"]


def await_item(system: System, key: tuple[str, str]) -> None:
    """Wait until an item exists."""
    client, table = system.cloud.client("dynamodb"), str(system.outputs["table"])
    until = time.monotonic() + 20
    while "Item" not in client.get_item(TableName=table, Key={PK: {"S": key[0]}, SK: {"S": key[1]}}):
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture(scope="module")
def called(system: System, tollgate: Command) -> Iterator[Called]:
    """Today two successes, a failure and a rejection; two days ago requests for a model with a hostile name."""
    outcomes = {
        "first": chat(system, "standin-small"),
        "second": chat(system, "standin-small"),
        "failed": chat(system, "standin-500"),
        "refused": chat(system, "no-such-model"),
    }
    assert [status for status, _, _ in outcomes.values()] == [200, 200, 500, 404]
    key_id = system.key_id("metered")
    at = int((NOW - timedelta(days=2)).timestamp() * 1000)
    row = {
        "at_ms": at,
        "consumer": "metered",
        "key_id": key_id,
        "model": HOSTILE,
        "status": 200,
        "settlement": "settled",
        "unreserved": True,
    }
    rollup_key = rollup_pk("metered"), rollup_sk(EARLIER, HOSTILE, key_id)
    row_key = usage_pk("metered", EARLIER, usage_slot("earlier-request=")), usage_sk(at, "earlier-request=")
    put(
        system,
        *row_key,
        **row,
        usage_source="estimated",
        cost_nano_usd=2_000_000_007,
        held_nano_usd=2_000_000_007,
        tokens_input=40,
    )
    await_item(system, rollup_key)  # which the aggregator books for the row
    put(
        system,
        *rollup_key,
        requests=3,
        cost_nano_usd=2_000_000_007,
        tokens_input=40,
        tokens_cache_read=20,
        tokens_output=5,
        status_200=3,
        estimated=1,
        unsettled=1,
        ms_500=3,
        latency_ms=900,
        streams=2,
        first_byte_ms=301,
    )
    cost = sum((cost for _, cost, _ in outcomes.values()), Decimal(0))
    assert cost > 0
    yield Called(cost, {name: request_id for name, (_, _, request_id) in outcomes.items()}, key_id)
    for pk, sk in (row_key, rollup_key):
        key = {PK: {"S": pk}, SK: {"S": sk}}
        system.cloud.client("dynamodb").delete_item(TableName=str(system.outputs["table"]), Key=key)
    tollgate.here("--yes", "ledger", "verify", "--since", "3d", "--consumer", "metered", "--repair")


def report(tollgate: Command, *arguments: str) -> dict[str, Any]:
    """A report of `metered` as JSON."""
    result = tollgate.here("--output", "json", "usage", "report", "--consumer", "metered", "--since", "3d", *arguments)
    return dict(result.json)


def test_a_report_equals_the_costs_that_callers_got(tollgate: Command, called: Called) -> None:
    shown = tollgate.json("usage", "report", "--consumer", "metered", "--since", "1d", "--by", "model")
    rows = {row["model"]: row for row in shown["rows"]}
    assert Decimal(rows["standin-small"]["usd"]) == called.cost
    assert rows["standin-small"]["requests"] == 2
    assert (rows["standin-500"]["errors"], rows["-"]["refusals"], rows["-"]["model_not_found"]) == (1, 1, 1)
    assert rows["-"]["unpriced"] == 0, "a model that the consumer may not use has a price"
    assert Decimal(shown["total"]["usd"]) == called.cost
    assert shown["total"]["requests"] == 4
    assert shown["days"] == [
        {"day": TODAY, "requests": 4, "usd": shown["total"]["usd"], "nano_usd": int(called.cost * 10**9)}
    ]


def test_reports_by_day_key_and_status(tollgate: Command, called: Called) -> None:
    by_day = report(tollgate, "--by", "day,key")
    assert [(row["day"], row["key"]) for row in by_day["rows"]] == [(EARLIER, called.key_id), (TODAY, called.key_id)]
    assert [by_day["rows"][0][name] for name in ("p50_ms", "p95_ms")] == [417, 500]  # 250 and 2 or 3 thirds of 250
    assert [by_day["rows"][0][name] for name in ("streams", "first_byte_ms")] == [2, 151], "the mean, rounded"
    by_status = report(tollgate, "--by", "status")
    counts = {row["status"]: row["requests"] for row in by_status["rows"]}
    assert counts == {200: 5, 500: 1, 404: 1}
    assert report(tollgate, "--model", HOSTILE)["total"]["nano_usd"] == 2_000_000_007


def test_a_report_without_filter_has_every_consumer(tollgate: Command, called: Called) -> None:
    shown = tollgate.here("--output", "json", "usage", "report").json
    assert "metered" in {row["consumer"] for row in shown["rows"]}
    assert shown["total"]["nano_usd"] == sum(row["nano_usd"] for row in shown["rows"])


def test_a_report_compares_and_describes_consumers(tollgate: Command, called: Called) -> None:
    """`metered` spent $2.000000007 two days ago and has neither owner nor tags; two other consumers have tags."""
    words = ("--output", "json", "usage", "report", "--since", "2d", "--consumer", "metered", "--by")
    (row,) = tollgate.here(*words, "consumer").json["rows"]
    assert (row["previous_usd"], row["owner"], row["tags"]) == ("2.000000007", None, {})
    assert row["change_nano_usd"] == row["nano_usd"] - 2_000_000_007
    (row,) = tollgate.here(*words, "tag:floor").json["rows"]
    assert (row["consumer"], row["tags"], row["requests"]) == (None, {}, 4)
    refused = tollgate.run("usage", "report", "--by", "tag:flor", accepted=1)
    assert "no tag of a consumer 'flor'. Did you mean floor?" in refused.err


def test_the_table_has_totals_marks_and_a_sparkline(tollgate: Command, called: Called) -> None:
    result = tollgate.run("usage", "report", "--consumer", "metered", "--since", "3d").out
    assert "1 estimated, 1 unsettled, 1 model not found" in result
    assert "total" in result
    assert f"highest on {EARLIER}: $2.00" in result


def test_pages_and_tables_show_key_labels(tollgate: Command, called: Called, tmp_path: Path) -> None:
    """A finance reader does not know key ids. JSON and CSV have ids only, because labels can change."""
    named = f"{called.key_id} (default)"
    by_key = ("--since", "1d", "--consumer", "metered", "--by", "consumer,key")
    assert named in tollgate.here("usage", "report", *by_key).out
    assert f"metered/{named}" in tollgate.here("usage", "top", *by_key).out
    (first, *_) = tollgate.here("--output", "json", "usage", "top", "--consumer", "metered", "--by", "key").json
    assert first["name"] == called.key_id
    file = tmp_path / "usage.html"
    tollgate.here("usage", "report", "--since", "1d", "--consumer", "metered", "--to", str(file))
    assert f"metered / {named}" in file.read_text()


def test_an_empty_report_says_so(tollgate: Command) -> None:
    result = tollgate.here("usage", "report", "--since", "2020-01", "--until", "2020-01", "--consumer", "metered").out
    assert "no requests in this period" in result


def test_csv_contains_no_formula(tollgate: Command, called: Called, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    tollgate.here("usage", "report", "--consumer", "metered", "--since", "3d", "--by", "model", "--to", str(file))
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(file.read_text()))}
    assert rows[f"'{HOSTILE}"]["usd"] == "2.000000007"
    assert all(name == "-" or not name.startswith(("=", "+", "-", "@")) for name in rows)


def test_markdown_escapes_markup_in_names(tollgate: Command, called: Called) -> None:
    result = tollgate.here(
        "usage", "report", "--consumer", "metered", "--since", "3d", "--by", "model", "--format", "md"
    )
    line = next(line for line in result.out.splitlines() if "HYPERLINK" in line)
    assert "\\<script\\>" in line
    assert "\\|\\`\\#" in line


def test_the_html_page(tollgate: Command, called: Called, tmp_path: Path) -> None:
    file = tmp_path / "usage.html"
    result = tollgate.run("usage", "report", "--since", "3d", "--to", str(file))
    assert str(file) in result.err
    page = file.read_text()
    assert "<script" not in page
    assert "metered" in page
    assert "&lt;script&gt;" in page
    assert list(tmp_path.iterdir()) == [file]


def test_top_ranks_by_spend(tollgate: Command, called: Called) -> None:
    first, *_ = tollgate.json("usage", "top", "--consumer", "metered", "--by", "model", "--since", "3d")
    assert (first["place"], first["name"], first["usage"]["usd"]) == (1, HOSTILE, "2.000000007")
    assert "█" in tollgate.here("usage", "top", "--since", "3d").out


def test_one_request_in_full(tollgate: Command, called: Called) -> None:
    shown = tollgate.json("usage", "show", called.ids["first"])
    assert shown["booked"] is True
    assert shown["request"]["model"] == "standin-small"
    assert shown["request"]["tags"] == {"job": "-1+1"}
    assert shown["access"]["request_id"] == called.ids["first"]
    assert shown["access"]["key_id"] == called.key_id
    table = tollgate.here("usage", "show", called.ids["first"]).out
    assert called.ids["first"] in table
    assert f"access time {TODAY}T" in " ".join(table.split())
    refused = tollgate.here("--output", "json", "usage", "show", called.ids["refused"]).json["request"]
    assert (refused["error_code"], refused["nano_usd"]) == ("model_not_found", 0)


def test_a_narrow_terminal_gets_shorter_lines(tollgate: Command, called: Called) -> None:
    """A terminal breaks longer lines anywhere, also within a number."""
    ours, theirs = pty.openpty()
    words = ("usage", "tail", "--consumer", "metered", "--since", "1h")
    wide = {**os.environ, **tollgate.variables, "TERM": "xterm", "COLUMNS": "110"}
    process = subprocess.Popen([str(INSTALLED), *words], stdout=theirs, stderr=subprocess.DEVNULL, env=wide)
    try:
        with os.fdopen(ours, encoding="utf-8") as terminal:
            line = terminal.readline().rstrip()
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
    assert " metered " in line
    assert len(line) <= 110


def test_a_request_whose_logs_expired_is_found_by_consumer_and_day(tollgate: Command, called: Called) -> None:
    shown = tollgate.here(
        "--output", "json", "usage", "show", "earlier-request=", "--consumer", "metered", "--day", EARLIER
    ).json
    assert shown["request"]["usd"] == "2.000000007"
    assert shown["access"] is None


def test_tail_ends_with_ctrl_c(system: System, tollgate: Command, called: Called) -> None:
    follow = ("--output", "json", "usage", "tail", "--consumer", "metered", "--since", "1h", "--errors")
    with tollgate.running(*follow) as process:
        assert process.stdout is not None
        ids = {json.loads(process.stdout.readline())["request_id"] for _ in range(2)}
        assert ids == {called.ids["failed"], called.ids["refused"]}
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_tail_prints_one_line_per_request(tollgate: Command, called: Called) -> None:
    with tollgate.running(
        "usage", "tail", "--consumer", "metered", "--model", "standin-500", "--since", "1h"
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
    assert line.rstrip("\n").endswith(called.ids["failed"])
    assert " 500 metered " in line


@pytest.fixture(scope="module")
def exported(tollgate: Command, called: Called, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same requests exported in every format."""
    folder = tmp_path_factory.mktemp("export")
    files = {kind: folder / f"usage.{kind}" for kind in ("csv", "jsonl", "parquet")}
    for file in files.values():
        result = tollgate.here(
            "--output", "json", "usage", "export", "--since", "3d", "--consumer", "metered", "--to", str(file)
        )
        assert result.json["requests"] == 5
    return files


def test_exports_agree_to_the_nano_dollar(called: Called, exported: dict[str, Path]) -> None:
    lines = [json.loads(line) for line in exported["jsonl"].read_text().splitlines()]
    assert sum(Decimal(line["usd"]) for line in lines) == called.cost + Decimal("2.000000007")
    assert {line["request_id"] for line in lines} == {*called.ids.values(), "earlier-request="}
    table = duckdb.read_parquet(str(exported["parquet"]))
    (total,) = table.aggregate("sum(usd) AS usd, sum(nano_usd) AS nano").fetchall()
    assert total == (called.cost + Decimal("2.000000007"), sum(line["nano_usd"] for line in lines))
    assert dict(zip(table.columns, map(str, table.types), strict=True))["usd"] == "DECIMAL(28,9)"
    newest, *_ = table.order("time DESC").project("tags, epoch_ms(time)").fetchall()
    assert newest[0] == {"job": "-1+1"}
    assert newest[1] == int(datetime.fromisoformat(lines[-1]["time"]).timestamp() * 1000)
    with exported["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["usd"] for row in rows] == [line["usd"] for line in lines]
    assert rows[0]["model"] == f"'{HOSTILE}"


def test_an_export_of_one_kind(tollgate: Command, called: Called) -> None:
    result = tollgate.run(
        "usage", "export", "--since", "3d", "--consumer", "metered", "--only", "estimated", "--format", "jsonl"
    )
    (line,) = map(json.loads, result.out.splitlines())
    assert line["request_id"] == "earlier-request="


def test_json_output_is_json_lines(tollgate: Command, called: Called) -> None:
    words = ("--output", "json", "usage", "export", "--since", "3d", "--consumer", "metered")
    lines = [json.loads(line) for line in tollgate.here(*words).out.splitlines()]
    assert {line["request_id"] for line in lines} >= {*called.ids.values(), "earlier-request="}
    assert tollgate.here(*words, "--format", "csv").out.startswith("request_id,time,")


def test_a_json_report_goes_to_a_file_with_any_name(tollgate: Command, called: Called, tmp_path: Path) -> None:
    file = tmp_path / "usage"
    words = ("--output", "json", "usage", "report", "--since", "3d", "--consumer", "metered")
    assert tollgate.here(*words, "--to", str(file)).out == ""
    assert json.loads(file.read_text())["total"] == tollgate.here(*words).json["total"]
