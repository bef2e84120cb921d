"""`make up ENV=NAME`: which environments it deploys, and the requests that it prints."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from constructs_lib.settings import Environment, load
from local.demo import up
from local.demo.snippets import snippets
from tools.paths import ROOT

OUTPUTS = {
    "invoke_url": "http://127.0.0.1:4566/api",
    "key_ids": {"search": {"default": "id-search"}, "support": {"default": "id-support"}},
}
LOCAL = load(ROOT / "environments" / "local.toml")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of environment files of its own."""
    monkeypatch.setenv("TOLLGATE_ENVIRONMENTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no aws.endpoint, so it is meant for AWS"),
        ('endpoint = "http://localhost:4566"\nbackend = { bucket = "state" }', "keeps its state in S3"),
        ("endpoint = 1", "aws.endpoint"),
    ],
)
def test_environment_for_aws_is_an_error(
    folder: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before, `make up ENV=dev` deployed `local`."""
    (folder / "mine.toml").write_text(f'[aws]\nregion = "eu-west-1"\n{text}\n')
    assert up.main(["up", "mine"]) == 1
    assert words in " ".join(capsys.readouterr().err.split())


def test_unknown_environment_gets_a_suggestion(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.toml").write_text("")
    assert up.main(["up", "mien"]) == 1
    assert 'did you mean "mine"?' in capsys.readouterr().err


def test_embedded_environment_is_loaded(folder: Path) -> None:
    (folder / "mine.toml").write_text('[aws]\nregion = "eu-west-1"\nendpoint = "http://localhost:4566"\n')
    assert up.embedded_environment("mine").name == "mine"


def test_makefile_passes_the_environment() -> None:
    assert "-m local.demo.up up $(ENV)\n" in (ROOT / "Makefile").read_text()


def test_only_the_stand_in_gets_its_key() -> None:
    """The stand-in's key is no key of another server, on this machine or elsewhere."""
    secrets = up.standin_secrets(LOCAL)
    assert set(secrets) == {"tollgate/local/providers/openai", "tollgate/local/providers/anthropic"}
    for url in (None, "http://localhost:11434/v1"):
        other = LOCAL.providers["openai"].model_copy(update={"base_url": url})
        assert up.standin_secrets(LOCAL.model_copy(update={"providers": {"openai": other}})) == {}


def test_requests_have_a_working_key() -> None:
    """A consumer may use the model of its request."""
    curl, openai, anthropic = snippets(LOCAL, OUTPUTS, lambda key_id: f"value-of-{key_id}")
    command = shlex.split(curl, comments=True)
    assert command[1] == "http://127.0.0.1:4566/api/v1/chat/completions"
    assert "Authorization: Bearer value-of-id-search" in command
    assert '"model": "standin-small"' in command[-1]
    for text, url, model in ((openai, "api/v1", "standin-small"), (anthropic, "api", "claude-standin")):
        compile(text, "snippet", "exec")
        assert f'base_url="http://127.0.0.1:4566/{url}"' in text
        assert f'model="{model}"' in text
        assert 'api_key="value-of-id-search"' in text


def test_requests_use_the_header_without_bearer_tokens() -> None:
    gateway = LOCAL.gateway.model_copy(update={"bearer": False})
    texts = snippets(LOCAL.model_copy(update={"gateway": gateway}), OUTPUTS, str)
    assert "x-api-key: id-search" in shlex.split(texts[0], comments=True)
    for text in texts[1:]:
        compile(text, "snippet", "exec")
        assert 'default_headers={"x-api-key": "id-search"}' in text


def test_no_request_without_a_key_or_a_model() -> None:
    def without(**changes: object) -> Environment:
        return LOCAL.model_copy(update=changes)

    operators = {name: consumer.model_copy(update={"keys": "operator"}) for name, consumer in LOCAL.consumers.items()}
    assert snippets(without(consumers=operators), OUTPUTS, str) == []
    assert snippets(without(models={"embed": LOCAL.models["embed-standin"]}), OUTPUTS, str) == []
