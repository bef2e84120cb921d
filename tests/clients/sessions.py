"""Runs the clients: a process that carries out many actions for each library, a process per action for each command."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Protocol

from tests.clients.catalogue import Client, Runtime
from tests.clients.programs.actions import Action
from tests.clients.sandbox import INSTALLED, PROGRAMS, Sandbox
from tools.paths import ROOT

TIMEOUT_SECONDS: Final = 90.0
HANGS: Final = "hangs"
"""The error of an action that took longer than the timeout."""


Show = Callable[[str], None]
"""Called with the text that the user sees so far, whenever there is more."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the user sees. text: the response, or the error's message. error: its class or the exit code, or None."""

    text: str
    error: str | None = None


class Session(Protocol):
    """A client that carries out actions."""

    def run(self, action: Action, show: Show) -> Outcome:
        """What the user sees."""

    def __enter__(self) -> Session:
        """Start the client."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the client."""


def session(client: Client, sandbox: Sandbox) -> Session:
    """A session of `client` in `sandbox`."""
    if client.runtime in _COMMANDS:
        return CommandSession(sandbox, _COMMANDS[client.runtime])
    return ProgramSession(sandbox, _program(client))


def _program(client: Client) -> list[str]:
    program, *arguments = client.program
    if client.runtime == "python":
        python = sys.executable if client.light else str(INSTALLED / "python" / "bin" / "python")
        return [python, "-m", f"tests.clients.programs.{program}", *arguments]
    # Node.js looks for packages from the program's folder upwards.
    folder = INSTALLED / ("sdks" if client.light else "node") / "programs"
    shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return ["node", str(folder / program), *arguments]


class ProgramSession:
    """A program of tests/clients/programs, started again after a timeout."""

    def __init__(self, sandbox: Sandbox, command: list[str]) -> None:
        self._sandbox = sandbox
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> ProgramSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def run(self, action: Action, show: Show) -> Outcome:
        """What the program prints for an action."""
        process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(action)) + "\n")
        process.stdin.flush()
        text = ""
        while True:
            try:
                line = self._lines.get(timeout=TIMEOUT_SECONDS)
            except queue.Empty:
                self._stop()
                return Outcome(f"no result after {TIMEOUT_SECONDS:g} seconds", HANGS)
            if not line:
                self._stop()
                return Outcome(self._log.read_text()[-2_000:], "crashes")
            printed = json.loads(line)
            if "part" not in printed:
                return Outcome(**printed)
            text += printed["part"]
            show(text)

    @property
    def _log(self) -> Path:
        return self._sandbox.home / "program.log"

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("w") as log:
            process = subprocess.Popen(
                self._command,
                cwd=self._sandbox.work,
                env=self._sandbox.variables(PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._process, self._lines = process, queue.Queue()
        assert process.stdout is not None
        threading.Thread(target=_read, args=(process.stdout, self._lines), daemon=True).start()
        return process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line and variables of its own.

    error_text: the text that its user reads as the error. shown: the text that its stdout so far shows.
    """

    arguments: list[str]
    variables: Mapping[str, str]
    error_text: Callable[[str, str], str]
    shown: Callable[[str], str] = str


class CommandSession:
    """A command that is started for each action. Each action has the same home."""

    def __init__(self, sandbox: Sandbox, command: Callable[[Sandbox, Action], Command]) -> None:
        self._sandbox = sandbox
        self._command = command

    def __enter__(self) -> CommandSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: no process outlives its action."""

    def run(self, action: Action, show: Show) -> Outcome:
        """What the command prints."""
        command = self._command(self._sandbox, action)
        code, out, err = finished(
            command.arguments, self._sandbox, command.variables, lambda printed: show(command.shown(printed))
        )
        if code == 0:
            return Outcome(out)
        return Outcome(command.error_text(out, err), HANGS if code is None else f"exit {code}")


def finished(
    arguments: list[str], sandbox: Sandbox, variables: Mapping[str, str], show: Show = str
) -> tuple[int | None, str, str]:
    """Exit code (None after the timeout), stdout and stderr of a command in the sandbox. show: gets its stdout."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            arguments,
            cwd=sandbox.work,
            env=sandbox.variables(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert process.stdout is not None
        printed = bytearray()

        def read(stream: IO[bytes]) -> None:
            while part := os.read(stream.fileno(), 65_536):
                printed.extend(part)
                show(printed.decode(errors="ignore"))

        reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            code: int | None = process.wait(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait() and None
        reader.join()
        process.stdout.close()
        log.seek(0)
        return code, printed.decode(), log.read()


def _codex(sandbox: Sandbox, action: Action) -> Command:
    folder = sandbox.home / ".codex"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(
        f'model = "{action.model}"\nmodel_provider = "tollgate"\ncheck_for_update_on_startup = false\n'
        "[analytics]\nenabled = false\n[features]\nplugins = false\n"
        f'[model_providers.tollgate]\nname = "Tollgate"\nbase_url = "{action.url}/v1"\nenv_key = "TOLLGATE_KEY"\n'
    )
    options = ["--json"] if action.kind == "streamed" else []
    return Command(["codex", "exec", *options, action.prompt], {"TOLLGATE_KEY": action.key}, _codex_error)


def _codex_error(out: str, err: str) -> str:
    lines = [line for line in (out + "\n" + err).splitlines() if "Reconnecting" not in line]
    errors = [line for line in lines if line.startswith(("ERROR", '{"type":"turn.failed"', "Error"))]
    return errors[-1] if errors else err[-500:]


def _claude(sandbox: Sandbox, action: Action) -> Command:
    options = {
        "plain": [],
        "streamed": ["--output-format", "stream-json", "--verbose", "--include-partial-messages"],
        "tool": ["--allowedTools", "Bash"],
    }[action.kind]
    variables = {
        "ANTHROPIC_BASE_URL": action.url,
        "ANTHROPIC_AUTH_TOKEN": action.key,
        "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",  # it would repeat a truncated stream, which is billed
    }
    arguments = ["claude", "-p", action.prompt, "--model", action.model, *options]
    return Command(arguments, variables, _claude_error, lambda out: "".join(_CLAUDE_TEXT.findall(out)))


_CLAUDE_TEXT: Final = re.compile(r'"type":"text_delta","text":"([^"]*)"')


def _claude_error(out: str, err: str) -> str:
    lines = [line for line in out.splitlines() if line.strip()]
    return lines[-1] if lines else err.strip()


def _llm(sandbox: Sandbox, action: Action) -> Command:
    folder = sandbox.home / "llm"
    folder.mkdir(exist_ok=True)
    (folder / "extra-openai-models.yaml").write_text(
        f'- model_id: tollgate\n  model_name: {action.model}\n  api_base: "{action.url}/v1"\n'
        "  api_key_name: tollgate\n  supports_tools: true\n"
    )
    (folder / "keys.json").write_text(json.dumps({"tollgate": action.key}))
    function = 'def weather(city: str) -> str:\n    return f"3 degrees in {city}"'
    options = {"plain": ["--no-stream"], "streamed": [], "tool": ["--functions", function]}[action.kind]
    variables = {"LLM_USER_PATH": str(folder)}
    return Command(["llm", "-m", "tollgate", *options, action.prompt], variables, lambda _, err: err.strip())


_COMMANDS: Final[Mapping[Runtime, Callable[[Sandbox, Action], Command]]] = {
    "codex": _codex,
    "claude": _claude,
    "llm": _llm,
}
