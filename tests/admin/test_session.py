"""The environment, region and endpoint of a command, and invalid ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from admin.output import Output
from admin.session import LONGEST_ENVIRONMENT, Options, Session
from constructs_lib.settings.loader import LONGEST_ENVIRONMENT_NAME
from tests.e2e.command import Command

CONFIG = "[default]\nregion = eu-south-1\n"


@pytest.fixture(autouse=True)
def environments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of environment files, without other settings in the environment."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TOLLGATE_"))]:
        monkeypatch.delenv(name)
    config = tmp_path / "config"
    config.write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("TOLLGATE_ENVIRONMENTS", str(tmp_path))
    (tmp_path / "filed.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("environment", "option", "variables", "region"),
    [
        ("filed", "eu-west-2", {"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-west-2"),
        ("filed", None, {"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-west-1"),
        ("no-file", None, {"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-west-3"),
        ("no-file", None, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-north-1"}, "eu-north-1"),
        ("no-file", None, {}, "eu-south-1"),
    ],
)
def test_the_order_of_regions(
    monkeypatch: pytest.MonkeyPatch, environment: str, option: str | None, variables: dict[str, str], region: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Session(Options(environment=environment, region=option), Output()).region == region


@pytest.mark.parametrize("name", ["", "../prod", "a/b", "PROD", "-a", "a\x00b", "prod\n", "é", "a" * 21])
def test_invalid_environment_names(name: str) -> None:
    said = Command().here("--env", name, "providers", "list", accepted=2).err
    assert "accepted: 1 to 20 lower-case letters, digits and hyphens" in said


def test_the_longest_name_is_that_of_the_loader() -> None:
    assert LONGEST_ENVIRONMENT == LONGEST_ENVIRONMENT_NAME


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "http://",
        "ftp://localhost",
        "http://[::1",
        "http://localhost:99999",
        "http://localhost:x",
        "http://a b",
    ],
)
def test_invalid_endpoint_urls(url: str) -> None:
    words = ("--env", "filed", "providers", "list")
    assert "invalid endpoint URL" in Command().here("--endpoint-url", url, *words, accepted=253).err
    assert "invalid endpoint URL" in Command({"AWS_ENDPOINT_URL": url}).here(*words, accepted=253).err
    assert "lambda: " in Command({"AWS_ENDPOINT_URL_LAMBDA": "nonsense"}).here(*words, accepted=253).err


def test_an_invalid_region() -> None:
    said = Command().here("--env", "filed", "--region", "west of here", "providers", "list", accepted=253).err
    assert "doesn't match a supported format" in said


@pytest.mark.parametrize("content", [b"\xff\xfe[aws]", b"[aws\n"])
def test_an_environment_file_that_cannot_be_read(environments: Path, content: bytes) -> None:
    (environments / "odd.toml").write_bytes(content)
    said = Command().here("--env", "odd", "providers", "list", accepted=253).err
    assert "odd.toml cannot be read" in said


def test_values_of_other_types_in_the_aws_section_are_ignored(environments: Path) -> None:
    """The deploy reports them."""
    (environments / "odd.toml").write_text("[aws]\nregion = 1\n")
    (environments / "odder.toml").write_text('aws = "eu-west-1"\n')
    assert {Session(Options(environment=name), Output()).region for name in ("odd", "odder")} == {"eu-south-1"}


@pytest.mark.parametrize(
    ("variables", "words", "error"),
    [
        ({}, [], "Unable to locate credentials"),
        ({"AWS_CONFIG_FILE": os.devnull}, [], "no AWS region"),
        ({}, ["--profile", "nobody"], "nobody"),
        ({"AWS_ACCESS_KEY_ID": "x"}, [], "credentials"),
        ({"AWS_MAX_ATTEMPTS": "none"}, [], "AWS_MAX_ATTEMPTS"),
    ],
)
def test_errors_of_an_environment_without_a_file_are_headed_by_those_that_have_one(
    environments: Path, variables: dict[str, str], words: list[str], error: str
) -> None:
    heading = f"no environment file flied in {environments}; there are filed. Did you mean filed?\n"
    said = Command(variables).here("--env", "flied", *words, "providers", "list", accepted=253).err
    assert said.startswith(heading)
    assert error in said.removeprefix(heading)
    unlike = Command(variables).here("--env", "zzz", *words, "providers", "list", accepted=253).err
    assert unlike.startswith(f"no environment file zzz in {environments}; there are filed.\n")
    assert (
        "no environment file"
        not in Command(variables).here("--env", "filed", *words, "providers", "list", accepted=(253, 254)).err
    )


def test_an_undeployed_environment_without_a_file(monkeypatch: pytest.MonkeyPatch, environments: Path) -> None:
    client: Any = boto3.client("lambda", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(Session, "functions", client)
    with Stubber(client) as stub:
        stub.add_client_error("get_function_configuration", "ResourceNotFoundException")
        said = Command({"AWS_REGION": "eu-west-1"}).here("--env", "flied", "providers", "list", accepted=253).err
    assert said.startswith(
        f"no environment file flied in {environments}; there are filed. Did you mean filed?\nflied is"
    )


def test_service_errors_of_an_environment_without_a_file_have_no_heading() -> None:
    """An environment can be deployed without a file on this machine."""
    credentials = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"}
    said = (
        Command(credentials)
        .here("--env", "flied", "--endpoint-url", "http://127.0.0.1:9", "providers", "list", accepted=254)
        .err
    )
    assert "no environment file" not in said


def test_without_any_file_there_is_no_heading(environments: Path) -> None:
    (environments / "filed.toml").unlink()
    assert "no environment file" not in Command().here("--env", "flied", "providers", "list", accepted=253).err


def test_the_option_environments_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Projects have their files anywhere; the variable may name those of another one."""
    for folder, region in (("option", "eu-north-1"), ("variable", "eu-west-3"), ("environments", "eu-central-1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(f'[aws]\nregion = "{region}"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOLLGATE_ENVIRONMENTS", raising=False)
    assert Session(Options(environment="mine"), Output()).region == "eu-central-1"
    monkeypatch.setenv("TOLLGATE_ENVIRONMENTS", "variable")
    assert Session(Options(environment="mine"), Output()).region == "eu-west-3"
    assert Session(Options(environment="mine", environments=Path("option")), Output()).region == "eu-north-1"


def test_the_option_environments_is_accepted_anywhere(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[aws]\nregion = "eu-west-1"\n')
    said = Command().here("kms-policy", "--environments", str(tmp_path), "--env", "mine", accepted=1).err
    assert f"{tmp_path}/mine.toml names no KMS key" in " ".join(said.split())


def test_a_folder_that_does_not_exist_is_refused() -> None:
    assert "does not exist" in Command().here("--environments", "no/such", "--env", "x", "open", accepted=2).err


@pytest.mark.parametrize(
    ("variables", "endpoint", "url"),
    [
        ({"stream": "true"}, None, "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/live"),
        ({"domain": "ai.example.com"}, None, "https://ai.example.com"),
        ({"domain": "ai.example.com/gateway"}, None, "https://ai.example.com/gateway"),
        (
            {"domain": "ai.example.com/gateway"},
            "http://127.0.0.1:1",
            "http://127.0.0.1:1/_aws/domains/ai.example.com/gateway",
        ),
        ({}, "http://127.0.0.1:1", "http://127.0.0.1:1/_aws/execute-api/a1b2c3/live"),
    ],
)
def test_urls_are_those_of_the_deployed_domain(variables: dict[str, str], endpoint: str | None, url: str) -> None:
    """The environment file may be missing here, or have another name than the one that is deployed."""
    session = Session(Options(environment="filed", endpoint_url=endpoint), Output())
    session.rest_api = {"id": "a1b2c3", "name": "tollgate-filed"}
    session.stage = {"stageName": "live", "variables": variables}
    assert session.invoke_url == url
