"""The command among a shell's other things: completion, pipes, colours, Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.command import INSTALLED, Command


def completed(words: str, position: int) -> list[str]:
    """What bash would offer, asked as its completion script asks."""
    variables = {"_TOLLGATE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
    return Command(variables).run().out.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    """As `_TOLLGATE_COMPLETE=source_bash tollgate` prints it; --show-completion asks which shell called it."""
    assert "_TOLLGATE_COMPLETE" in Command({"_TOLLGATE_COMPLETE": f"source_{shell}"}).run().out


def test_verbs_and_options_are_completed() -> None:
    assert completed("tollgate prov", 1) == ["providers"]
    assert completed("tollgate --env prod logs q", 4) == ["queries", "query"]
    assert completed("tollgate logs query x --si", 4) == ["--since"]


@pytest.mark.parametrize("words", ["--help", "keys issue --help"])
def test_a_reader_who_has_enough_ends_it_quietly(words: str) -> None:
    """`… | head -1`: the reader is gone before anything is written."""
    reader = subprocess.run(
        ["sh", "-c", f"sleep 0.05; {INSTALLED} {words} | true"], capture_output=True, text=True, check=False
    )
    assert reader.stderr == ""


def told(variables: dict[str, str]) -> bytes:
    """What a refusal looks like on a terminal."""
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
    assert b"which environment?" in plain
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
def test_what_keeps_it_from_aws_is_said(
    variables: dict[str, str], words: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "TOLLGATE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    err = Command(variables).here("--env", "nowhere", *words, "doctor", accepted=code).err
    assert any(each in err for each in said.split("|"))
