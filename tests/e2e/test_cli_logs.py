"""The logs as an operator asks them, after real requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constructs_lib.query_catalogue import QUERIES
from lambda_src.contract import gateway_log_group
from tests.e2e.command import Command
from tests.e2e.conftest import System

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def refused(system: System) -> str:
    """A request that the gateway refused, by its id; and one that API Gateway refused before it."""
    assert system.call("GET", "/v1/models", headers={"x-api-key": "no-key-of-anybody-at-all"}).status == 401
    body = {"model": "no-such-model", "messages": [{"role": "user", "content": "hello"}]}
    answer = system.call("POST", CHAT, body, {"x-api-key": system.key("limited")})
    assert answer.status == 404
    return answer.headers["x-tollgate-request-id"]


def test_saved_queries_are_listed_with_their_purpose(tollgate: Command) -> None:
    found = {each["name"]: each for each in tollgate.json("logs", "queries")}
    assert found.keys() == {each.name for each in QUERIES}
    assert all(each["purpose"] for each in found.values())
    (parameter,) = found["one-request"]["parameters"]
    assert parameter == {"name": "request_id", "meaning": "the answer's header x-tollgate-request-id"}
    assert "/tollgate/e2e/access" in found["one-request"]["log_groups"]


def test_a_query_with_a_parameter(system: System, tollgate: Command, refused: str) -> None:
    said = tollgate.json("logs", "query", "one-request", "--param", f"request_id={refused}", "--since", "1h")
    assert (said["query"], said["cut"]) == ("one-request", False)
    logs = {row["@log"].partition(":")[2] for row in said["rows"]}
    assert logs == {"/tollgate/e2e/usage", "/tollgate/e2e/access"}
    assert all(refused in row["@message"] for row in said["rows"])


@pytest.mark.parametrize("name", [each.name for each in QUERIES if not each.parameters])
def test_every_query_without_parameters_runs(tollgate: Command, refused: str, name: str) -> None:
    assert isinstance(tollgate.here("--output", "json", "logs", "query", name).json["rows"], list)


def test_a_table_of_rows(tollgate: Command, refused: str) -> None:
    said = tollgate.run("logs", "query", "errors", "--limit", "1")
    assert "error_code" in said.out.splitlines()[0]
    assert "only the first 1 rows" in said.err


def test_errors_by_reason(tollgate: Command, refused: str) -> None:
    found = tollgate.json("logs", "errors")
    ours = next(each for each in found if each["code"] == "model_not_found")
    assert (ours["by"], ours["status"]) == ("gateway", 404)
    assert ours["requests"] >= ours["consumers"] >= 1
    assert refused in ours["request_ids"] or ours["requests"] > 2
    api = next(each for each in found if each["code"] == "INVALID_API_KEY")
    assert (api["by"], api["status"], api["consumers"]) == ("api", 401, None)
    assert found == sorted(found, key=lambda each: -each["requests"])
    assert "model_not_found" in tollgate.here("logs", "errors", "--since", "1d").out
    # Nothing has happened yet in a day that is long over.
    assert tollgate.here("--output", "json", "logs", "errors", "--since", "9d", "--until", "8d").json == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["query", "slowes"], 1, "Did you mean slowest?"),
        (["query", "one-request"], 2, "takes --param request_id=VALUE; given: none"),
        (["query", "errors", "--param", "colour=red"], 2, "takes no --param; given: colour"),
        (["query", "one-request", "--param", "request_id"], 2, "accepted is NAME=VALUE"),
        (["query", "one-request", "--param", 'request_id=" or 1 = "1'], 2, "without quotes"),
        (["query", "errors", "--since", "yesterday"], 2, "--since 'yesterday': accepted is"),
        (["errors", "--since", "1h", "--until", "2h"], 2, "which is not before --until"),
        (["query", "errors", "--limit", "0"], 2, "--limit"),
        (["replay", "no-such-file"], 2, "no-such-file"),
    ],
)
def test_what_cannot_be_asked_is_said(tollgate: Command, words: list[str], code: int, said: str) -> None:
    assert said in tollgate.here("logs", *words, accepted=code).err


def test_a_query_that_fails_is_a_fault_of_the_service(system: System, tollgate: Command) -> None:
    with system.cloud.fault("logs", "LimitExceededException", operations=["StartQuery"]):
        assert (
            "LimitExceededException" in tollgate.here("logs", "query", "errors", accepted=254, AWS_MAX_ATTEMPTS="1").err
        )


def test_replaying_the_whole_log_changes_nothing(
    system: System, tollgate: Command, refused: str, tmp_path: Path
) -> None:
    """Every line of the log is booked already, but where the tests of the alarms took the ledger away."""
    lines = tmp_path / "lines.json"
    kept = [line for line in system.log_lines(gateway_log_group("e2e")) if '"consumer":"alarming"' not in line]
    lines.write_text(json.dumps(kept))
    said = tollgate.json("--yes", "logs", "replay", str(lines))
    assert said["lines"] == said["there_already"] > 0
