"""Doctor's checks of what an account and region share: the role of API Gateway's logs, concurrency, tags of keys."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from admin.doctor.account import account_role, concurrency, quotas
from admin.doctor.check import Finding
from admin.doctor.keys import tags
from admin.keys.api_gateway import GatewayKey
from constructs_lib.settings import load

ROLE = "arn:aws:iam::111122223333:role/"


class NoSuchEntityException(ClientError):
    """IAM's error for a role that does not exist."""


def deployed(
    folder: Path,
    gateway: str,
    *,
    role: str = "",
    roles: Any = (),
    limits: tuple[int, int, int | None] = (1_000, 1_000, None),
) -> Any:
    """A deployment. roles: names of the IAM roles, or the code of IAM's error. limits: of the account, its unreserved
    part, and what the gateway has reserved."""
    (folder / "prod.toml").write_text(f'[aws]\nregion = "eu-west-1"\n[gateway]\n{gateway}\n')
    account, unreserved, reserved = limits

    def get_role(RoleName: str) -> None:  # noqa: N803 - boto3's name
        if isinstance(roles, str):
            raise ClientError({"Error": {"Code": roles}}, "GetRole")
        if RoleName not in roles:
            raise NoSuchEntityException({"Error": {"Code": "NoSuchEntity"}}, "GetRole")

    functions = SimpleNamespace(
        get_account_settings=lambda: {
            "AccountLimit": {"ConcurrentExecutions": account, "UnreservedConcurrentExecutions": unreserved}
        },
        get_function_concurrency=lambda **_: {} if reserved is None else {"ReservedConcurrentExecutions": reserved},
    )
    session = SimpleNamespace(
        environment="prod",
        region="eu-west-1",
        apigateway=SimpleNamespace(get_account=lambda: {"cloudwatchRoleArn": role} if role else {}),
        iam=SimpleNamespace(
            get_role=get_role,
            exceptions=SimpleNamespace(NoSuchEntityException=NoSuchEntityException, ClientError=ClientError),
        ),
        functions=functions,
    )
    return SimpleNamespace(session=session, file=load(folder / "prod.toml"), deploy="`make deploy ENV=prod`")


def only(findings: Any) -> Finding:
    (finding,) = findings
    return finding


OURS, OTHERS = "tollgate-prod-api-gateway-logs", "other-team-logs"


def test_role_of_this_or_another_environment(tmp_path: Path) -> None:
    managed = "manage_account_role = true"
    assert list(account_role(deployed(tmp_path, managed, role=ROLE + OURS, roles=[OURS]))) == []
    assert list(account_role(deployed(tmp_path, "", role=f"{ROLE}service-role/{OTHERS}", roles=[OTHERS]))) == []


def test_role_that_another_stack_has_replaced(tmp_path: Path) -> None:
    finding = only(account_role(deployed(tmp_path, "manage_account_role = true", role=ROLE + OTHERS, roles=[OTHERS])))
    assert finding.severity == "warning"
    assert "another stack has replaced" in finding.found
    assert OTHERS in finding.found


def test_role_that_was_deleted(tmp_path: Path) -> None:
    """After the environment that managed it was destroyed, API Gateway still has its ARN, and writes no logs."""
    finding = only(account_role(deployed(tmp_path, "", role=f"{ROLE}tollgate-gone-api-gateway-logs")))
    assert finding.severity == "error"
    assert "does not exist, so no REST API in eu-west-1 writes logs" in finding.found
    assert "gateway.manage_account_role = true" in finding.fix


def test_role_that_the_caller_may_not_read(tmp_path: Path) -> None:
    finding = only(account_role(deployed(tmp_path, "", role=ROLE + OTHERS, roles="AccessDenied")))
    assert (finding.severity, finding.fix) == ("note", f"`aws iam get-role --role-name {OTHERS}`")
    with pytest.raises(ClientError):
        list(account_role(deployed(tmp_path, "", role=ROLE + OTHERS, roles="ServiceFailure")))


def test_no_role(tmp_path: Path) -> None:
    assert "there is no access log" in only(account_role(deployed(tmp_path, ""))).found


@pytest.mark.parametrize(
    ("gateway", "limits"),
    [
        ("", (1_000, 1_000, None)),
        ("", (1_000, 800, None)),  # the threshold itself is reachable
        ("reserved_concurrency = 400", (1_000, 1_000, None)),
        ("reserved_concurrency = 400", (1_000, 600, 400)),
        ("reserved_concurrency = 900", (1_000, 1_000, None)),
        ("reserved_concurrency = 0", (10, 10, 0)),
        ("account_concurrency = 10", (10, 10, None)),
    ],
)
def test_concurrency_within_the_limits(tmp_path: Path, gateway: str, limits: tuple[int, int, int | None]) -> None:
    assert list(concurrency(deployed(tmp_path, gateway, limits=limits))) == []


@pytest.mark.parametrize(
    ("reserved", "limits", "most", "desired"),
    [
        (901, (1_000, 1_000, None), 900, 1_001),
        (1, (10, 10, None), 0, 11),
        (500, (1_000, 500, 300), 700, None),
        (800, (1_000, 500, 300), 700, 1_100),
    ],
)
def test_reservation_that_the_account_does_not_allow(
    tmp_path: Path, reserved: int, limits: tuple[int, int, int | None], most: int, desired: int | None
) -> None:
    """Lambda keeps 100 unreserved, so a new account, with a limit of 10, can reserve nothing."""
    findings = [
        finding
        for finding in concurrency(deployed(tmp_path, f"reserved_concurrency = {reserved}", limits=limits))
        if finding.severity == "error"
    ]
    if desired is None:
        assert findings == []
        return
    assert f"at most {most} of the account's {limits[0]}" in only(findings).found
    assert f"--desired-value {desired}`" in only(findings).fix


def test_alarm_above_the_limit(tmp_path: Path) -> None:
    """800, the default threshold, is never reached in an account whose limit is 10."""
    finding = only(concurrency(deployed(tmp_path, "", limits=(10, 10, None))))
    assert (finding.severity, "starts at 800" in finding.found) == ("warning", True)
    assert finding.fix.startswith("gateway.account_concurrency = 10, then")
    text = "[alerts]\nconcurrency = 50"
    assert only(concurrency(deployed(tmp_path, text, limits=(10, 10, None)))).fix.startswith("alerts.concurrency = 10")


def test_keys_without_the_environments_tag() -> None:
    """They were issued before the command tagged keys; the operator policy does not allow to change them."""
    tagged = {"a1": "prod", "b2": None, "c3": "dev"}
    session = SimpleNamespace(
        environment="prod",
        region="eu-west-1",
        boto=SimpleNamespace(get_partition_for_region=lambda _: "aws"),
    )
    deployment: Any = SimpleNamespace(
        session=session,
        keys={key_id: SimpleNamespace(consumer="search") for key_id in (*tagged, "gone")},
        gateway_keys={key_id: GatewayKey(key_id, "name", "", True, tag) for key_id, tag in tagged.items()},
    )
    first, second = tags(deployment)
    assert "key b2 of search" in first.found
    assert "key c3 of search" in second.found
    arn = "arn:aws:apigateway:eu-west-1::/apikeys/b2"
    assert f"`aws apigateway tag-resource --resource-arn {arn} --tags tollgate:environment=prod`" in first.fix


@pytest.mark.parametrize(
    ("plans", "keys", "warned"),
    [(269, 8_999, []), (270, 0, ["270 usage plans"]), (1, 9_000, ["9,000 API keys"]), (300, 10_000, ["300", "10,000"])],
)
def test_quotas_of_api_gateway_are_warned_of_in_time(plans: int, keys: int, warned: list[str]) -> None:
    """At the quota, neither a deploy nor an operator can add a key."""
    half = plans // 2
    pages = [{"items": [{}] * half}, {"items": [{}] * (plans - half)}]
    apigateway = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda: pages))
    session = SimpleNamespace(region="eu-west-1", apigateway=apigateway)
    deployment: Any = SimpleNamespace(session=session, gateway_keys=dict.fromkeys(range(keys)))
    found = list(quotas(deployment))
    assert len(found) == len(warned)
    assert all(words in finding.found for words, finding in zip(warned, found, strict=True))
    assert all("eu-west-1" in finding.found and finding.fix for finding in found)
