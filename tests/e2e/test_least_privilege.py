"""Every verb of the command, tried by users who have one of the stack's policies and nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.main import get_command

from admin import cli
from lambda_src.contract import EXCEEDED_PK
from lambda_src.resource_names import ENVIRONMENT_TAG, secret_name
from tests.e2e.command import Command
from tests.e2e.conftest import CANARY_SECRETS, System
from tests.e2e.temporary_changes import from_now, item_changed
from tests.e2e.test_operations import wait_until_booked

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

READS = {
    "audit": "audit",
    "budgets forecast": "budgets forecast",
    "budgets show": "budgets show",
    "consumers list": "consumers list",
    "consumers show": "consumers show alpha",
    "dashboard": "dashboard --to {page}",
    "doctor": "doctor --only gateway --only storage --only money --only logs --only drift --only alerts",
    "keys export": "keys export",
    "keys list": "keys list",
    "keys show": "keys show {alpha}",
    "ledger verify": "ledger verify --since 1d --wait 1",
    "logs errors": "logs errors",
    "logs queries": "logs queries",
    "logs query": "logs query slowest",
    "open": "open",
    "providers check": "providers check openai",
    "providers list": "providers list",
    "reconcile": "reconcile openai {export}",
    "usage export": "usage export --since 1d",
    "usage report": "usage report --since 1d",
    "usage show": "usage show {request}",
    "usage top": "usage top",
}
CHANGES = {
    "budgets raise": "budgets raise alpha --usd 1 --until 1d --per month",
    "consumers pause": "consumers pause limited",
    "consumers resume": "consumers resume retired",
    "keys disable": "keys disable {alpha}",
    "keys enable": "keys enable {alpha}",
    "keys import": "keys import {ids}",
    "keys issue": "keys issue issued --label privilege",
    "keys revoke": "keys revoke {issued}",
    "keys rotate": "keys rotate {issued}",
    "providers secret set": "providers secret set anthropic",
    "providers trust": "providers trust privileged",
    "smoke": "smoke --consumer limited --model standin-small",
}
FOLLOWS = {"usage tail": "usage tail --since 1h --consumer limited --model standin-small"}
"""Ends with Ctrl-C alone."""
BOOKS = {
    "logs replay": "logs replay {lines}",
    "usage correct": "usage correct {request} --cost 1 --reason privilege",
    "usage reprice": "usage reprice --since 1d --model standin-small --price input=7",
}
"""Writes money, as only whoever deploys may."""

READS_VALUES = {"keys find": "keys find"}
"""Reads values of keys, as only operators may."""
WITHOUT_AWS = {"deployer-policy", "init", "kms-policy", "plan-summary", "schema"}
"""Need no deployment."""


def verbs(command: Any, path: tuple[str, ...] = ()) -> list[str]:
    """Every verb, as it is typed."""
    below = getattr(command, "commands", None)
    if below is None:
        return [" ".join(path)]
    return [verb for name, each in below.items() for verb in verbs(each, (*path, name))]


VERBS = verbs(get_command(cli.application()))


@dataclasses.dataclass(frozen=True)
class Person:
    """A user with one policy. words: what stands for the placeholders of a line."""

    command: Command
    client: Callable[[str], Any]
    words: dict[str, str]

    def tries(self, line: str, accepted: int | tuple[int, ...] = 0) -> str:
        """Types it, with --yes; what it said."""
        said = self.command.here("--yes", *line.format(**self.words).split(), stdin=CANARY_SECRETS["anthropic"],
                                 accepted=accepted)  # fmt: skip
        return said.out + said.err


@pytest.fixture(scope="module")
def words(system: System, tollgate: Command, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A consumer that is paused, a key to import, a log line that is booked, and a model that is held in full."""
    folder = tmp_path_factory.mktemp("privilege")
    ids, lines = folder / "ids.csv", folder / "lines.json"
    stray = system.cloud.client("apigateway").create_api_key(
        name="privilege-stray", enabled=True, tags={ENVIRONMENT_TAG: "e2e"}
    )["id"]
    ids.write_text(f"consumer,key_id,label\nissued,{stray},taken-in\n")
    tollgate.here("--yes", "consumers", "pause", "retired")
    body = {"model": "standin-small", "messages": [{"role": "user", "content": "Hello"}]}
    answer = system.call("POST", "/v1/chat/completions", body, {"x-api-key": system.key("limited")})
    request = answer.headers["x-tollgate-request-id"]
    export = folder / "costs.json"
    bucket = {"object": "bucket", "start_time": 1577836800, "end_time": 1577923200, "results": []}
    export.write_text(json.dumps({"object": "page", "data": [bucket]}))
    lines.write_text("\n".join(line for line in system.log_lines("/tollgate/e2e/usage") if request in line))
    held = {"status": "held", "at": from_now(days=-1), "request_id": "r1", "output_over_maximum": 7}
    wait_until_booked(system, "limited")  # the tests compare the ledger before and after a line
    with item_changed(system, EXCEEDED_PK, "privileged", held):
        yield {"alpha": system.key_id("alpha"), "ids": str(ids), "lines": str(lines), "request": request,
               "page": str(folder / "page.html"), "export": str(export)}  # fmt: skip
    tollgate.here("--yes", "consumers", "resume", "retired")
    system.cloud.client("apigateway").delete_api_key(apiKey=stray)


def person(system: System, tollgate: Command, words: dict[str, str], policy: str) -> Iterator[Person]:
    """Attaches the policy that the stack made, by the output that names it."""
    iam, name, arn = system.cloud.client("iam"), f"least-{policy}", str(system.outputs[f"{policy}_policy_arn"])
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    signed = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    variables = {**tollgate.variables, **signed, "TOLLGATE_KEY": system.key("limited")}

    def client(service: str) -> Any:
        return system.cloud.client(service, **{name.lower(): value for name, value in signed.items()})

    yield Person(Command(variables), client, dict(words))
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    iam.delete_user(UserName=name)


@pytest.fixture(scope="module")
def viewer(system: System, tollgate: Command, words: dict[str, str]) -> Iterator[Person]:
    yield from person(system, tollgate, words, "viewer")


@pytest.fixture(scope="module")
def operator(system: System, tollgate: Command, words: dict[str, str]) -> Iterator[Person]:
    for made in person(system, tollgate, words, "operator"):
        document = made.command.here("--output", "json", "keys", "issue", "issued", "--label", "rights").json
        made.words["issued"] = document["key_id"]
        yield made
    gateway = system.cloud.client("apigateway")
    for key in gateway.get_api_keys(nameQuery="tollgate-e2e-issued-")["items"]:
        gateway.delete_api_key(apiKey=key["id"])


def denied(client: Any, operation: str, arguments: dict[str, Any]) -> None:
    """Assert that IAM denies the call."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**arguments)
    assert "AccessDenied" in caught.value.response["Error"]["Code"], operation


def everything(system: System) -> list[Any]:
    """All that the ledger holds, in an order that does not change."""
    pages = system.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=system.outputs["table"])
    return sorted(
        (item for page in pages for item in page["Items"]), key=lambda item: (item["pk"]["S"], item["sk"]["S"])
    )


def test_of_every_verb_it_is_known_who_may_use_it() -> None:
    assert set(VERBS) <= {*READS, *FOLLOWS, *CHANGES, *BOOKS, *READS_VALUES, *WITHOUT_AWS}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb in READS])
def test_a_viewer_reads_all_there_is(viewer: Person, verb: str) -> None:
    # Doctor ends with 1 where other tests have made an outage ring, as verify does where they have changed the ledger.
    said = viewer.tries(READS[verb], accepted=(0, 1) if verb in ("doctor", "ledger verify") else 0)
    assert "not checked" not in said
    assert "there is no alarm" not in said


@pytest.mark.parametrize("verb", [*CHANGES, *BOOKS, *READS_VALUES])
def test_a_viewer_changes_nothing(system: System, viewer: Person, verb: str) -> None:
    before, secret = everything(system), secret_of(system)
    line = {**CHANGES, **BOOKS, **READS_VALUES}[verb].replace("{issued}", "{alpha}")
    said = viewer.tries(line, accepted=254)
    assert "not authorized" in said or "AccessDenied" in said
    assert (everything(system), secret_of(system)) == (before, secret)


def secret_of(system: System) -> str:
    """The version of a provider's key."""
    found = system.cloud.client("secretsmanager").describe_secret(SecretId=secret_name("e2e", "anthropic"))
    return str(found["VersionIdsToStages"])


def test_doctor_reports_what_a_viewer_cannot_check(viewer: Person) -> None:
    """Keys are listed with their values where the caller asks for them: no policy allows one without the other."""
    checks = viewer.command.here("--output", "json", "doctor", "--only", "keys").json["checks"]
    unseen = {check["name"]: check["findings"] for check in checks if "not checked" in str(check["findings"])}
    assert set(unseen) == {"keys", "dead-keys", "quotas", "tags"}
    assert all("tollgate-e2e-operator" in finding["fix"] for findings in unseen.values() for finding in findings)


def test_a_viewer_is_not_told_that_a_key_is_gone(viewer: Person, operator: Person) -> None:
    """What nobody asked nobody knows: "not there" would send somebody off to issue a new one."""
    words = ("keys", "show", viewer.words["alpha"])
    assert "in API Gateway" not in viewer.command.here(*words).out
    seen = viewer.command.here("--output", "json", *words).json
    assert (seen["gateway_readable"], seen["enabled"], seen["plan"]) == (False, None, None)
    assert "in API Gateway   enabled" in operator.command.here(*words).out


@pytest.mark.parametrize("line", ["doctor --only keys", "keys show {alpha}", "usage report", "logs errors", "audit"])
def test_an_operator_needs_no_second_policy_to_look(operator: Person, line: str) -> None:
    assert "not checked" not in operator.tries(line)


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_both_follow_what_comes(request: pytest.FixtureRequest, who: str) -> None:
    someone: Person = request.getfixturevalue(who)
    with someone.command.running(*FOLLOWS["usage tail"].split()) as process:
        assert process.stdout is not None
        assert "standin-small" in process.stdout.readline()


def test_an_operator_changes_what_operators_change(operator: Person) -> None:
    """In an order that leaves the deployment as it was."""
    for verb in (
        "smoke", "keys issue", "keys import", "keys rotate", "keys disable", "keys enable", "keys revoke",
        "consumers pause", "consumers resume", "budgets raise", "providers secret set", "providers trust",
    ):  # fmt: skip
        operator.tries(CHANGES[verb])
    operator.tries("consumers resume limited")
    operator.tries("budgets raise alpha --clear")
    assert {row.split()[0] for row in CHANGES.values()} == {"budgets", "consumers", "keys", "providers", "smoke"}
    rows = operator.command.here("--output", "json", "audit", "--by", "least-operator").json
    assert {row["by"] for row in rows} == {"arn:aws:iam::000000000000:user/least-operator"}
    assert {row["action"].partition(".")[0] for row in rows} == {"budgets", "consumers", "keys", "providers"}


def test_an_operator_finds_the_key_of_a_value(system: System, operator: Person) -> None:
    found = operator.command.here("keys", "find", stdin=system.key("alpha"))
    assert system.key_id("alpha") in found.out


@pytest.mark.parametrize("verb", BOOKS)
def test_an_operator_books_no_money(system: System, operator: Person, verb: str) -> None:
    before = everything(system)
    said = operator.tries(BOOKS[verb], accepted=254)
    assert "AccessDenied" in said
    assert everything(system) == before


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_only_who_deploys_repairs_the_ledger(system: System, request: pytest.FixtureRequest, who: str) -> None:
    someone: Person = request.getfixturevalue(who)
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    with item_changed(system, "ROLLUP#retired", f"{day}#standin-small#k", {"requests": 1, "cost_nano_usd": 5}):
        before = everything(system)
        said = someone.tries("ledger verify --since 1d --consumer retired --wait 0 --repair", accepted=254)
        assert "AccessDenied" in said
        assert everything(system) == before


@pytest.mark.parametrize("verb", ["usage correct", "usage reprice"])
def test_a_viewer_sees_what_a_correction_would_change(system: System, viewer: Person, verb: str) -> None:
    before = everything(system)
    assert "dry run, nothing done: Correct" in viewer.tries(f"--dry-run {BOOKS[verb]}")
    assert everything(system) == before


@pytest.mark.parametrize("tags", [{ENVIRONMENT_TAG: "other"}, {}], ids=["of another environment", "untagged"])
def test_operators_cannot_use_keys_of_another_environment(
    system: System, operator: Person, tmp_path: Path, tags: dict[str, str]
) -> None:
    gateway, root = operator.client("apigateway"), system.cloud.client("apigateway")
    key = root.create_api_key(name="privilege-other", tags=tags)["id"]
    change = [{"op": "replace", "path": "/enabled", "value": "false"}]
    arn = f"arn:aws:apigateway:{system.cloud.region}::/apikeys/{key}"
    for operation, arguments in (
        ("get_api_key", {"apiKey": key, "includeValue": True}),
        ("update_api_key", {"apiKey": key, "patchOperations": change}),
        ("delete_api_key", {"apiKey": key}),
        ("tag_resource", {"resourceArn": arn, "tags": {ENVIRONMENT_TAG: "e2e"}}),
        ("create_api_key", {"name": "privilege-new", "tags": tags}),
    ):
        denied(gateway, operation, arguments)
    keys = tmp_path / "keys.csv"
    keys.write_text(f"consumer,key_id,label\nissued,{key},other\n")
    said = operator.tries(f"keys import {keys}", accepted=254)
    assert f"its tag {ENVIRONMENT_TAG} is {tags.get(ENVIRONMENT_TAG, 'missing')}" in said
    assert f"`aws apigateway tag-resource --resource-arn {arn} --tags {ENVIRONMENT_TAG}=e2e`" in said
    assert root.get_api_key(apiKey=key)["enabled"]
    root.delete_api_key(apiKey=key)


def test_the_command_tags_the_keys_it_issues_and_imports(system: System, operator: Person, tollgate: Command) -> None:
    gateway = system.cloud.client("apigateway")
    issued = operator.command.here("--output", "json", "keys", "issue", "issued", "--label", "tagged").json["key_id"]
    assert gateway.get_api_key(apiKey=issued)["tags"] == {ENVIRONMENT_TAG: "e2e"}
    untagged = gateway.create_api_key(name="privilege-untagged")["id"]
    keys = Path(operator.words["ids"]).with_name("untagged.csv")
    keys.write_text(f"consumer,key_id,label\nissued,{untagged},untagged\n")
    tollgate.here("--yes", "keys", "import", str(keys))
    assert gateway.get_api_key(apiKey=untagged)["tags"] == {ENVIRONMENT_TAG: "e2e"}
    operator.tries(f"keys revoke {untagged}")


def test_a_key_that_is_gone_is_not_an_access_error(system: System, operator: Person) -> None:
    """IAM denies operators a key that does not exist, since it has no tag."""
    issued = operator.command.here("--output", "json", "keys", "issue", "issued", "--label", "gone").json["key_id"]
    system.cloud.client("apigateway").delete_api_key(apiKey=issued)
    operator.tries(f"keys revoke {issued}")


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_nobody_reads_a_secret_or_the_table_as_a_whole_or_rewrites_history(
    system: System, request: pytest.FixtureRequest, who: str
) -> None:
    someone: Person = request.getfixturevalue(who)
    table, alpha = system.outputs["table"], system.key_id("alpha")
    row = {"TableName": table, "Key": {"pk": {"S": "AUDIT#2026-11"}, "sk": {"S": "x"}}}
    book = {"TableName": table, "Item": {"pk": {"S": "ACCOUNT#alpha"}, "sk": {"S": "ACCOUNT"}}}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("secretsmanager", "get_secret_value", {"SecretId": secret_name("e2e", "anthropic")}),
        ("dynamodb", "scan", {"TableName": table}),
        ("dynamodb", "delete_item", row),
        ("dynamodb", "put_item", book),
        ("dynamodb", "put_item", {"TableName": table, "Item": {"pk": {"S": "MODELS"}, "sk": {"S": "free"}}}),
        ("dynamodb", "delete_table", {"TableName": table}),
        ("apigateway", "update_usage_plan", {"usagePlanId": next(iter(system.outputs["plan_ids"].values()))}),
        ("lambda", "invoke", {"FunctionName": "tollgate-e2e-gateway"}),
        ("lambda", "update_function_configuration", {"FunctionName": "tollgate-e2e-gateway", "Timeout": 3}),
        ("apigateway", "delete_rest_api", {"restApiId": system.outputs["api_id"]}),
        ("logs", "delete_log_group", {"logGroupName": "/tollgate/e2e/usage"}),
        ("iam", "attach_user_policy", {"UserName": f"least-{who}", "PolicyArn": system.outputs["operator_policy_arn"]}),
    ]
    if who == "viewer":
        calls.append(("apigateway", "get_api_key", {"apiKey": alpha, "includeValue": True}))
    for service, operation, arguments in calls:
        denied(someone.client(service), operation, arguments)
