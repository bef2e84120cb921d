"""The command in a shell: completion, pipes, colours, Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.command import INSTALLED, Command


def completed(words: str, position: int, **variables: str) -> list[str]:
    """The completions that bash offers, requested as its completion script does."""
    request = {"_TOLLGATE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    result = Command(request | variables).run()
    assert result.err == ""
    return result.out.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    """As `_TOLLGATE_COMPLETE=source_bash tollgate` prints it; --show-completion asks which shell called it."""
    assert "_TOLLGATE_COMPLETE" in Command({"_TOLLGATE_COMPLETE": f"source_{shell}"}).run().out


def test_verbs_and_options_are_completed() -> None:
    assert completed("tollgate prov", 1) == ["providers"]
    assert completed("tollgate --env prod logs q", 4) == ["queries", "query"]
    assert completed("tollgate logs query x --si", 4) == ["--since"]


FILE = """
[providers.openai]
[models."gpt-5.1"]
[models.nova]
[consumers.search]
key_names = ["ci", "laptop"]
[consumers.desk]
"""


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("tollgate --env ", ["odd", "prod"]),
        ("tollgate --env prod keys issue ", ["desk", "search"]),
        ("tollgate --env prod consumers pause s", ["search"]),
        ("tollgate --env prod keys revoke ", ["desk/", "search/", "search/ci", "search/laptop"]),
        ("tollgate --env prod keys revoke search/c", ["search/ci"]),
        ("tollgate --env prod usage report --model ", ["gpt-5.1", "nova"]),
        ("tollgate --env prod usage report --consumer d", ["desk"]),
        ("tollgate --env prod providers check ", ["openai"]),
        ("tollgate --env odd keys issue ", []),
        ("tollgate --env ../prod keys issue ", []),
        ("tollgate --env none keys issue ", []),
        ("tollgate keys issue ", []),
    ],
)
def test_names_of_the_environment_file_are_completed(tmp_path: Path, words: str, names: list[str]) -> None:
    (tmp_path / "prod.toml").write_text(FILE)
    (tmp_path / "odd.toml").write_text("[consumers\n")
    folder = str(tmp_path)
    given = len(words.split()) - (not words.endswith(" "))
    assert sorted(completed(words, given, TOLLGATE_ENVIRONMENTS=folder, TOLLGATE_ENV="")) == names


def test_names_in_another_folder_are_completed(tmp_path: Path) -> None:
    (tmp_path / "prod.toml").write_text(FILE)
    assert completed(f"tollgate --environments {tmp_path} --env pr", 4, TOLLGATE_ENV="") == ["prod"]
    assert completed(f"tollgate --environments {tmp_path} --env prod usage report --consumer d", 8) == ["desk"]


def test_sections_of_other_types_complete_nothing(tmp_path: Path) -> None:
    (tmp_path / "prod.toml").write_text('consumers = "none"\nmodels = 1\n')
    variables = {"TOLLGATE_ENVIRONMENTS": str(tmp_path), "TOLLGATE_ENV": "prod"}
    assert completed("tollgate keys revoke ", 3, **variables) == []
    assert completed("tollgate usage report --model ", 4, **variables) == []


@pytest.mark.parametrize("words", ["--help", "keys issue --help"])
def test_a_closed_pipe_ends_it_quietly(words: str) -> None:
    """`… | head -1`: the reader is gone before anything is written."""
    reader = subprocess.run(
        ["sh", "-c", f"sleep 0.05; {INSTALLED} {words} | true"], capture_output=True, text=True, check=False
    )
    assert reader.stderr == ""


def told(variables: dict[str, str]) -> bytes:
    """An error on a terminal."""
    ours, theirs = pty.openpty()
    kept = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TOLLGATE_ENV")
    }
    subprocess.run(
        [INSTALLED, "keys", "list"], stderr=theirs, stdin=theirs, stdout=subprocess.DEVNULL,
        env={**kept, "TERM": "xterm", **variables}, check=False,
    )  # fmt: skip
    said = os.read(ours, 10_000)
    os.close(ours)
    os.close(theirs)
    return said


def test_no_color_is_respected() -> None:
    plain = told({"NO_COLOR": "1"})
    assert b"no environment given" in plain
    assert b"\x1b[" not in plain
    assert b"\x1b[31m" in told({})


@contextmanager
def silence() -> Iterator[tuple[str, socket.socket]]:
    """A service that takes requests and never answers; its URL, and where its connections come in."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield f"http://127.0.0.1:{server.getsockname()[1]}", server


def test_ctrl_c_ends_with_130() -> None:
    with silence() as (url, server):
        process = subprocess.Popen(
            [INSTALLED, "--env", "local", "--region", "eu-west-1", "--endpoint-url", url, "providers", "list"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.accept()  # so it waits for the answer now
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("variables", "words", "code", "said"),
    [
        ({"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}, ["--region", "eu-west-1"], 253,
         "NoCredentials|Unable to locate credentials"),
        ({"AWS_CONFIG_FILE": os.devnull}, ["--profile", "nobody"], 253, "nobody"),
        ({"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"},
         ["--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:9"], 254, "Could not connect"),
    ],
)  # fmt: skip
def test_connection_errors(
    variables: dict[str, str], words: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "TOLLGATE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    err = Command(variables).here("--env", "nowhere", *words, "doctor", accepted=code).err
    assert any(text in err for text in said.split("|"))


NOWHERE = "keys issue nobody --label x --env local --region eu-west-1 --endpoint-url http://127.0.0.1:9"
OFFLINE = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_cause_no_traceback(closed: str) -> None:
    """Cron jobs and daemons start commands with closed streams."""
    for words, code in ((NOWHERE, 254), ("--help", 0), ("keys list", 2)):
        done = subprocess.run(
            ["sh", "-c", f"{INSTALLED} {words} {closed}"],
            capture_output=True, text=True, check=False, env=without_tollgate() | OFFLINE,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert done.returncode == code, done.stderr


def without_tollgate() -> dict[str, str]:
    """This process's environment variables, without those that select an environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TOLLGATE_", "AWS_"))}


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk's: not all of the help fits."""
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 1; {INSTALLED} usage report --help > help.txt"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot read or write the output: File too large" in done.stderr
    assert "Traceback" not in done.stderr


def test_any_locale_works(tmp_path: Path) -> None:
    """JSON is UTF-8 in any locale, and nothing ends in an error over a bar or an arrow."""
    said = Command({"PYTHONIOENCODING": "ascii"}).run("usage", "show", "--help").out
    assert "Usage: tollgate usage show" in said
    page = tmp_path / "help.txt"
    with page.open("wb") as file:
        subprocess.run(
            [INSTALLED, "keys", "--help"], stdout=file, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
        )
    assert "╭" in page.read_text(encoding="utf-8")


def test_slow_calls_print_a_notice() -> None:
    """Eight attempts at a service that refuses connections take half a minute."""
    process = subprocess.Popen(
        [INSTALLED, "--env", "local", "--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:9", "keys", "list"],
        stderr=subprocess.PIPE, text=True, env=without_tollgate() | {**OFFLINE, "AWS_MAX_ATTEMPTS": "4"},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert process.stderr.readline().strip() == (
            "GetFunctionConfiguration: no response from http://127.0.0.1:9; retrying, press Ctrl-C to stop"
        )
    finally:
        process.kill()
        process.communicate()
