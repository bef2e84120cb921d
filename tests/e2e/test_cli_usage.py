"""Reports, single requests and exports, as operators ask for them after real calls."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lambda_src.contract import (
    ACCOUNT_SK,
    ACCOUNTS_INDEX_KEY,
    LISTED_ACCOUNT,
    PK,
    SK,
    access_log_group,
    account_pk,
    rollup_pk,
    rollup_sk,
    usage_pk,
    usage_sk,
)
from lambda_src.core.account import Hold
from lambda_src.edges.dynamodb_attributes import item
from tests.e2e.command import INSTALLED, Command
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

CHAT = "/v1/chat/completions"
HOSTILE = '=HYPERLINK("http://x")<script>alert(1)</script>|`#'
"""A model's name that no page, sheet or table may take for more than text. It has a `#` of its own."""
NOW = datetime.now(UTC)
TODAY, EARLIER = NOW.date().isoformat(), (NOW.date() - timedelta(days=2)).isoformat()


@dataclass(frozen=True)
class Called:
    """What the callers of `metered` were told. ids: of the request by what became of it."""

    cost: Decimal
    ids: dict[str, str]
    key_id: str


def put(system: System, pk: str, sk: str, **values: object) -> None:
    """Write an item of the ledger."""
    table = str(system.outputs["table"])
    key = {PK: {"S": pk}, SK: {"S": sk}}
    system.cloud.client("dynamodb").put_item(TableName=table, Item={**key, **item(values)})


def chat(system: System, model: str) -> tuple[int, Decimal, str]:
    """Status, cost and id of a chat."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 50}
    answer = system.call("POST", CHAT, body, {"x-api-key": system.key("metered"), "x-tollgate-tags": "job=-1+1"})
    cost = Decimal(answer.headers.get("x-tollgate-cost-usd", "0"))
    return answer.status, cost, answer.headers["x-tollgate-request-id"]


@pytest.fixture(scope="module")
def called(system: System) -> Called:
    """Two answers, a failure and a refusal today; two days ago a request of a model with a hostile name."""
    outcomes = {
        "first": chat(system, "standin-small"),
        "second": chat(system, "standin-small"),
        "failed": chat(system, "standin-500"),
        "refused": chat(system, "no-such-model"),
    }
    assert [status for status, _, _ in outcomes.values()] == [200, 200, 500, 404]
    key_id = system.key_id("metered")
    put(
        system,
        rollup_pk("metered"),
        rollup_sk(EARLIER, HOSTILE, key_id),
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
    )
    at = int((NOW - timedelta(days=2)).timestamp() * 1000)
    row = {
        "at_ms": at,
        "consumer": "metered",
        "key_id": key_id,
        "model": HOSTILE,
        "status": 200,
        "settlement": "settled",
    }
    put(
        system,
        usage_pk("metered", EARLIER),
        usage_sk(at, "earlier-request="),
        **row,
        usage_source="estimated",
        cost_nano_usd=2_000_000_007,
        held_nano_usd=2_000_000_007,
        tokens_input=40,
    )
    cost = sum((cost for _, cost, _ in outcomes.values()), Decimal(0))
    assert cost > 0
    return Called(cost, {name: request_id for name, (_, _, request_id) in outcomes.items()}, key_id)


def report(tollgate: Command, *arguments: str) -> dict[str, Any]:
    """A report of `metered` as JSON."""
    said = tollgate.here("--output", "json", "usage", "report", "--consumer", "metered", "--since", "3d", *arguments)
    return dict(said.json)


def test_a_report_says_what_callers_were_told(tollgate: Command, called: Called) -> None:
    found = tollgate.json("usage", "report", "--consumer", "metered", "--since", "1d", "--by", "model")
    rows = {row["model"]: row for row in found["rows"]}
    assert Decimal(rows["standin-small"]["usd"]) == called.cost
    assert rows["standin-small"]["requests"] == 2
    assert (rows["standin-500"]["errors"], rows["-"]["refusals"], rows["-"]["unpriced"]) == (1, 1, 1)
    assert Decimal(found["total"]["usd"]) == called.cost
    assert found["total"]["requests"] == 4
    assert found["days"] == [
        {"day": TODAY, "requests": 4, "usd": found["total"]["usd"], "nano_usd": int(called.cost * 10**9)}
    ]


def test_days_keys_and_statuses_are_told_apart(tollgate: Command, called: Called) -> None:
    by_day = report(tollgate, "--by", "day,key")
    assert [(row["day"], row["key"]) for row in by_day["rows"]] == [(EARLIER, called.key_id), (TODAY, called.key_id)]
    assert [by_day["rows"][0][name] for name in ("p50_ms", "p95_ms")] == [417, 500]  # 250 and 2 or 3 thirds of 250
    by_status = report(tollgate, "--by", "status")
    counts = {row["status"]: row["requests"] for row in by_status["rows"]}
    assert counts == {200: 5, 500: 1, 404: 1}
    assert report(tollgate, "--model", HOSTILE)["total"]["nano_usd"] == 2_000_000_007


def test_everybody_is_in_a_report_of_everybody(tollgate: Command, called: Called) -> None:
    found = tollgate.here("--output", "json", "usage", "report").json
    assert "metered" in {row["consumer"] for row in found["rows"]}
    assert found["total"]["nano_usd"] == sum(row["nano_usd"] for row in found["rows"])


def test_the_table_has_totals_marks_and_a_sparkline(tollgate: Command, called: Called) -> None:
    said = tollgate.run("usage", "report", "--consumer", "metered", "--since", "3d").out
    assert "1 estimated, 1 unsettled, 1 unpriced" in said
    assert "total" in said
    assert f"most on {EARLIER}: $2.00" in said


def test_keys_are_called_by_their_labels_too(tollgate: Command, called: Called, tmp_path: Path) -> None:
    """An id says nothing to who has to pay for it; JSON and CSV keep to ids, which never change."""
    named = f"{called.key_id} (default)"
    assert named in tollgate.here("usage", "report", "--since", "1d", "--by", "consumer,key").out
    assert f"metered/{named}" in tollgate.here("usage", "top", "--since", "1d", "--by", "consumer,key").out
    (first, *_) = tollgate.here("--output", "json", "usage", "top", "--consumer", "metered", "--by", "key").json
    assert first["name"] == called.key_id
    file = tmp_path / "usage.html"
    tollgate.here("usage", "report", "--since", "1d", "--consumer", "metered", "--to", str(file))
    assert f"metered / {named}" in file.read_text()


def test_nothing_asked_is_said_so(tollgate: Command) -> None:
    said = tollgate.here("usage", "report", "--since", "2020-01", "--until", "2020-01", "--consumer", "metered").out
    assert "no requests in this period" in said


def test_csv_runs_no_formula(tollgate: Command, called: Called, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    tollgate.here("usage", "report", "--consumer", "metered", "--since", "3d", "--by", "model", "--to", str(file))
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(file.read_text()))}
    assert rows[f"'{HOSTILE}"]["usd"] == "2.000000007"
    assert all(name == "-" or not name.startswith(("=", "+", "-", "@")) for name in rows)


def test_markdown_has_no_markup_of_others(tollgate: Command, called: Called) -> None:
    said = tollgate.here("usage", "report", "--consumer", "metered", "--since", "3d", "--by", "model", "--format", "md")
    line = next(line for line in said.out.splitlines() if "HYPERLINK" in line)
    assert "\\<script\\>" in line
    assert "\\|\\`\\#" in line


def test_the_page_is_written_whole(tollgate: Command, called: Called, tmp_path: Path) -> None:
    file = tmp_path / "usage.html"
    said = tollgate.run("usage", "report", "--since", "3d", "--to", str(file))
    assert str(file) in said.err
    page = file.read_text()
    assert "<script" not in page
    assert "metered" in page
    assert "&lt;script&gt;" in page
    assert list(tmp_path.iterdir()) == [file]


def test_top_ranks_who_spends(tollgate: Command, called: Called) -> None:
    first, *_ = tollgate.json("usage", "top", "--consumer", "metered", "--by", "model", "--since", "3d")
    assert (first["place"], first["name"], first["usage"]["usd"]) == (1, HOSTILE, "2.000000007")
    assert "█" in tollgate.here("usage", "top", "--since", "3d").out


def test_one_request_in_full(tollgate: Command, called: Called) -> None:
    found = tollgate.json("usage", "show", called.ids["first"])
    assert found["booked"] is True
    assert found["request"]["model"] == "standin-small"
    assert found["request"]["tags"] == {"job": "-1+1"}
    assert found["access"]["request_id"] == called.ids["first"]
    assert found["access"]["key_id"] == called.key_id
    told = tollgate.here("usage", "show", called.ids["first"]).out
    assert called.ids["first"] in told
    assert f"access time {TODAY}T" in " ".join(told.split())
    refused = tollgate.here("--output", "json", "usage", "show", called.ids["refused"]).json["request"]
    assert (refused["error_code"], refused["nano_usd"]) == ("model_not_found", 0)


@pytest.fixture(scope="module")
def swept(system: System) -> str:
    """A request whose end nobody saw: it reserved money, and the sweeper booked it."""
    late = int(NOW.timestamp()) - 60
    hold = Hold(
        request_id="sweptRequestOfTests=", amount=2_500, deadline=late, at_ms=late * 1000, tokens=7,
        key_id=system.key_id("limited"), route="chat", provider="openai", model="standin-small", price_version="p",
    )  # fmt: skip
    system.cloud.client("dynamodb").update_item(
        TableName=str(system.outputs["table"]),
        Key={PK: {"S": account_pk("limited")}, SK: {"S": ACCOUNT_SK}},
        UpdateExpression="SET #h = :h, #a = :a",
        ExpressionAttributeNames={"#h": f"h|{hold.request_id}", "#a": ACCOUNTS_INDEX_KEY},
        ExpressionAttributeValues={":h": {"S": hold.text}, ":a": {"S": LISTED_ACCOUNT}},
    )
    system.cloud.client("lambda").invoke(FunctionName="tollgate-e2e-sweeper", Payload=b"{}")
    return hold.request_id


def test_a_request_that_the_sweeper_booked(tollgate: Command, swept: str) -> None:
    found = tollgate.here("--output", "json", "usage", "show", swept).json
    assert (found["booked"], found["request"]["settlement"], found["request"]["nano_usd"]) == (True, "unsettled", 2_500)
    (reason,) = (
        each for each in tollgate.here("--output", "json", "logs", "errors").json if each["code"] == "unsettled"
    )
    assert (reason["by"], reason["status"]) == ("gateway", 504)
    assert swept in reason["request_ids"]
    with tollgate.running("usage", "tail", "--consumer", "limited", "--errors", "--since", "1h") as process:
        assert process.stdout is not None
        assert any(line.rstrip("\n").endswith(swept) for line in process.stdout)


def test_a_narrow_terminal_has_no_number_in_two_lines(tollgate: Command, called: Called) -> None:
    """Lines of 140 columns would be broken wherever the terminal ends."""
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


@pytest.mark.parametrize(
    ("error_type", "path", "said"),
    [
        ("THROTTLED", "/v1/messages", "answered 429 (THROTTLED) before any function saw it"),
        ("INTEGRATION_TIMEOUT", "/v1/messages", "the sweeper books that within 8 minutes"),
        ("-", "/v1/messages", "from the gateway, whose own line takes a few seconds"),
        ("-", "/tools/echo", "from a route of your own function"),
    ],
)
def test_a_request_that_has_no_usage_line(
    system: System, tollgate: Command, error_type: str, path: str, said: str
) -> None:
    """API Gateway's lines, as it writes them."""
    request_id = f"lineless{error_type.strip('-')}{path.replace('/', '')}="
    at_ms = int(NOW.timestamp() * 1000)
    line = {"request_id": request_id, "time": at_ms, "key_id": "k", "method": "POST", "path": path, "status": "429"}
    logs, group = system.cloud.client("logs"), access_log_group("e2e")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName="tests")
    event: Any = {"timestamp": at_ms, "message": json.dumps({**line, "error_type": error_type})}
    logs.put_log_events(logGroupName=group, logStreamName="tests", logEvents=[event])
    assert said in tollgate.here("usage", "show", request_id, accepted=1).err.replace("\n", " ")


def test_a_request_that_the_logs_forgot_is_found_by_consumer_and_day(tollgate: Command, called: Called) -> None:
    found = tollgate.here(
        "--output", "json", "usage", "show", "earlier-request=", "--consumer", "metered", "--day", EARLIER
    ).json
    assert found["request"]["usd"] == "2.000000007"
    assert found["access"] is None


def test_requests_are_followed_until_ctrl_c(system: System, tollgate: Command, called: Called) -> None:
    follow = ("--output", "json", "usage", "tail", "--consumer", "metered", "--since", "1h", "--errors")
    with tollgate.running(*follow) as process:
        assert process.stdout is not None
        ids = {json.loads(process.stdout.readline())["request_id"] for _ in range(2)}
        assert ids == {called.ids["failed"], called.ids["refused"]}
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_followed_request_is_a_line(tollgate: Command, called: Called) -> None:
    with tollgate.running(
        "usage", "tail", "--consumer", "metered", "--model", "standin-500", "--since", "1h"
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
    assert line.rstrip("\n").endswith(called.ids["failed"])
    assert " 500 metered " in line


@pytest.fixture(scope="module")
def exported(tollgate: Command, called: Called, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same requests in every format."""
    folder = tmp_path_factory.mktemp("export")
    files = {kind: folder / f"usage.{kind}" for kind in ("csv", "jsonl", "parquet")}
    for file in files.values():
        said = tollgate.here(
            "--output", "json", "usage", "export", "--since", "3d", "--consumer", "metered", "--to", str(file)
        )
        assert said.json["requests"] == 5
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
    said = tollgate.run(
        "usage", "export", "--since", "3d", "--consumer", "metered", "--only", "estimated", "--format", "jsonl"
    )
    (line,) = map(json.loads, said.out.splitlines())
    assert line["request_id"] == "earlier-request="


def test_json_is_lines_on_stdout(tollgate: Command, called: Called) -> None:
    words = ("--output", "json", "usage", "export", "--since", "3d", "--consumer", "metered")
    lines = [json.loads(line) for line in tollgate.here(*words).out.splitlines()]
    assert {line["request_id"] for line in lines} >= {*called.ids.values(), "earlier-request="}
    assert tollgate.here(*words, "--format", "csv").out.startswith("request_id,time,")


def test_json_is_written_to_a_file_of_any_name(tollgate: Command, called: Called, tmp_path: Path) -> None:
    file = tmp_path / "usage"
    words = ("--output", "json", "usage", "report", "--since", "3d", "--consumer", "metered")
    assert tollgate.here(*words, "--to", str(file)).out == ""
    assert json.loads(file.read_text())["total"] == tollgate.here(*words).json["total"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("report", "--by", "team"), 2, "accepted: any of consumer, model, day, key, status"),
        (("report", "--since", "30"), 2, "--since is '30'"),
        (("report", "--since", "2026-02-30"), 2, "2026-02-30"),
        (("report", "--since", "2026-05", "--until", "2026-04"), 2, "ends before it begins"),
        (("report", "--since", "0d"), 2, "accepted: 1d, the last day alone, to 3650d"),
        (("report", "--until", "9999-12"), 2, "--until is '9999-12'"),
        (("report", "--to", "usage.txt"), 2, "a table is for terminals"),
        (("report", "--consumer", "meterd"), 1, "Did you mean metered"),
        (("report", "--model", "standin-smal"), 1, "no model 'standin-smal'. Did you mean standin-small"),
        (("report", "--model", "standin-smal", "--format", "html"), 1, "Did you mean standin-small"),
        (("top", "--model", "standin-smal"), 1, "Did you mean standin-small"),
        (("top", "--consumer", "meterd"), 1, "Did you mean metered"),
        (("tail", "--model", "standin-smal"), 1, "Did you mean standin-small"),
        (("tail", "--consumer", "meterd"), 1, "Did you mean metered"),
        (("export", "--since", "1d", "--consumer", "meterd"), 1, "Did you mean metered"),
        (("report", "--to", "/nowhere/at/all.csv"), 2, "cannot be written"),
        (("top", "--by", "day"), 2, "consumer, model, key"),
        (("show", '" or 1'), 2, "is no request id"),
        (("show", "AAAAAAAAAAAAAAA="), 1, "no request AAAAAAAAAAAAAAA= in the logs"),
        (("show", "AAAAAAAA=", "--day", "2026-01-01"), 2, "go together"),
        (("show", "AAAAAAAA=", "--day", "2026-01-01", "--consumer", "metered"), 1, "Is it another day"),
        (("show", "AAAAAAAA=", "--day", "2026-02-30", "--consumer", "metered"), 2, "accepted is a UTC day"),
        (("show", "AAAAAAAA=", "--day", "20260201", "--consumer", "metered"), 2, "accepted is a UTC day"),
        (("export", "--since", "1d", "--format", "parquet"), 2, "give --to FILE"),
        (("export", "--since", "1d", "--to", "/nowhere/at/all.parquet"), 2, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(tollgate: Command, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in tollgate.here("usage", *words, accepted=code).err.replace("\n", " ")
