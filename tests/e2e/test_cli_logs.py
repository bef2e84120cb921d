"""`tollgate logs`, after real requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constructs_lib.query_catalogue import QUERIES
from lambda_src.resource_names import log_group
from tests.e2e.command import Command
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def refused(system: System) -> str:
    """The id of a request that the gateway rejected. API Gateway itself has rejected another one."""
    assert system.call("GET", "/v1/models", headers={"x-api-key": "no-key-of-anybody-at-all"}).status == 401
    body = {"model": "no-such-model", "messages": [{"role": "user", "content": "hello"}]}
    response = system.call("POST", CHAT, body, {"x-api-key": system.key("limited")})
    assert response.status == 404
    return response.headers["x-tollgate-request-id"]


def test_saved_queries_are_listed_with_their_purpose(tollgate: Command) -> None:
    listed = {query["name"]: query for query in tollgate.json("logs", "queries")}
    assert listed.keys() == {query.name for query in QUERIES}
    assert all(query["purpose"] for query in listed.values())
    (parameter,) = listed["one-request"]["parameters"]
    assert parameter == {"name": "request_id", "meaning": "the response header x-tollgate-request-id"}
    assert "/tollgate/e2e/access" in listed["one-request"]["log_groups"]


def test_a_query_with_a_parameter(system: System, tollgate: Command, refused: str) -> None:
    result = tollgate.json("logs", "query", "one-request", "--param", f"request_id={refused}", "--since", "1h")
    assert (result["query"], result["cut"]) == ("one-request", False)
    logs = {row["@log"].partition(":")[2] for row in result["rows"]}
    assert logs == {"/tollgate/e2e/usage", "/tollgate/e2e/access"}
    assert all(refused in row["@message"] for row in result["rows"])


@pytest.mark.parametrize("name", [query.name for query in QUERIES if not query.parameters])
def test_every_query_without_parameters_runs(tollgate: Command, refused: str, name: str) -> None:
    assert isinstance(tollgate.here("--output", "json", "logs", "query", name).json["rows"], list)


def test_a_table_of_rows(tollgate: Command, refused: str) -> None:
    result = tollgate.run("logs", "query", "errors", "--limit", "1")
    assert "error_code" in result.out.splitlines()[0]
    assert "only the first 1 rows" in result.err


def test_errors_by_reason(tollgate: Command, refused: str) -> None:
    listed = tollgate.json("logs", "errors")
    ours = next(group for group in listed if group["code"] == "model_not_found")
    assert (ours["by"], ours["status"]) == ("gateway", 404)
    assert ours["requests"] >= ours["consumers"] >= 1
    assert refused in ours["request_ids"] or ours["requests"] > 2
    api = next(group for group in listed if group["code"] == "INVALID_API_KEY")
    assert (api["by"], api["status"], api["consumers"]) == ("api", 401, None)
    assert listed == sorted(listed, key=lambda group: -group["requests"])
    assert "model_not_found" in tollgate.here("logs", "errors", "--since", "1d").out
    # No requests were made that long ago.
    assert tollgate.here("--output", "json", "logs", "errors", "--since", "9d", "--until", "8d").json == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["query", "slowes"], 1, "Did you mean slowest or slowest-first-byte?"),
        (["query", "one-request"], 2, "none; accepted: --param request_id=VALUE"),
        (["query", "errors", "--param", "colour=red"], 2, "colour; accepted: none"),
        (["query", "one-request", "--param", "request_id"], 2, "accepted: NAME=VALUE"),
        (["query", "one-request", "--param", 'request_id=" or 1 = "1'], 2, "without quotes"),
        (["query", "errors", "--since", "yesterday"], 2, "invalid --since 'yesterday'; accepted:"),
        (["errors", "--since", "1h", "--until", "2h"], 2, "is not before --until"),
        (["query", "errors", "--limit", "0"], 2, "--limit"),
        (["replay", "no-such-file"], 2, "no-such-file"),
    ],
)
def test_errors(tollgate: Command, words: list[str], code: int, message: str) -> None:
    assert message in tollgate.here("logs", *words, accepted=code).err


def test_a_failed_query_is_a_service_error(system: System, tollgate: Command) -> None:
    with system.cloud.fault("logs", "LimitExceededException", operations=["StartQuery"]):
        assert (
            "LimitExceededException" in tollgate.here("logs", "query", "errors", accepted=254, AWS_MAX_ATTEMPTS="1").err
        )


def test_replaying_the_whole_log_changes_nothing(
    system: System, tollgate: Command, refused: str, tmp_path: Path
) -> None:
    """Every line is booked already, except those of alarm tests that make the ledger unavailable."""
    lines = tmp_path / "lines.json"
    kept = [line for line in system.log_lines(log_group("e2e", "usage")) if '"consumer":"alarming"' not in line]
    lines.write_text(json.dumps(kept))
    result = tollgate.json("--yes", "logs", "replay", str(lines))
    assert result["lines"] == result["there_already"] > 0
