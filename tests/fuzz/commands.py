"""Fuzzes command lines of `tollgate`: an exit code that the documentation lists, no traceback, no secret, no hang.

python -m tests.fuzz commands SEED SECONDS
"""

from __future__ import annotations

import functools
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import botocore.loaders
from typer.main import get_command

from admin import cli
from lambda_src.contract import CONFIG_VARIABLE, KEY_SK, LISTED_KEY, LISTED_POLICY, key_pk
from lambda_src.edges.time_limit import time_limit
from lambda_src.resource_names import prefix
from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tests.bench import Bench, chat, create_table, request
from tests.fuzz.findings import part
from tests.fuzz.hostile import TEXTS

_EXIT_CODES = (0, 1, 2, 130, 253, 254)
_SECONDS, _TAIL_SECONDS = 20.0, 1.0
_CANARIES = (
    "sk-canary-openai-7f3a-0123456789",
    "sk-canary-anthropic-91bd-0123456789",
    "canary-stdin-c0ffee-0123456789",
)
_LOADER = functools.cache(botocore.loaders.create_loader)
_GLOBAL = (
    ("--output", "json"), ("--output", "table"), ("--output", "xml"), ("--output",), ("--yes",), ("-y",),
    ("--dry-run",), ("--env", "bench"), ("--env", "nope"), ("--env", ""), ("--env=\u202e",), ("--region", "eu-west-3"),
    ("--region", "x y"), ("--endpoint-url", "http://127.0.0.1:9"), ("--endpoint-url", "http://[::1"),
    ("--profile", "none"), ("--version",), ("--help",), ("-h",), ("--",), ("--nope",), ("--env",),
)  # fmt: skip
_VALUES = (
    "team", "other", "nobody", "key-team", "team/default", "team/*", "*", "default", "standin-small", "openai",
    "anthropic", "-", "--", "-1", "0", "1", "7", "1.5", "1e9", "1e400", "nan", "inf", "99999999999999999999", "0x10",
    "30d", "0d", "4w", "24h", "0s", "1m", "99999999999d", "-5d", "2026-11", "2026-11-26", "2026-02-30", "0001-01-01",
    "9999-12-31", "10000-01-01", "2026-12-31T18:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
    "consumer", "consumer,model", "day,,key", "status", "csv", "json", "html", "md", "parquet", "jsonl", "month",
    "day", "total", "0.000000001", "1e-10", "slowest", "a=b", "=", "keys", "drift", "keys.csv", "lines.json",
    "missing.csv", "folder", "out.html", "out.parquet", "folder/out.csv", "a\udcff", "²", "٣", "½", "1_000",
    *(text for text in TEXTS if "\x00" not in text and not text.startswith(("/", "~", ".")) and len(text) < 6_000),
)  # fmt: skip
_CSV = (
    "consumer,label,expires\nteam,a,30d\n",
    "consumer,label\nteam,\u202e\n",
    "consumer,key_id,label\nteam,abc,x\n",
    '"',
    "consumer\x00",
    "\ufeffconsumer,label\r\nother,b\r\n",
)


def commands() -> list[tuple[list[str], list[Any]]]:
    """The words of every command, and its parameters."""
    found: list[tuple[list[str], list[Any]]] = []
    pending: list[tuple[list[str], Any]] = [([], get_command(cli.application()))]
    while pending:
        words, command = pending.pop()
        found.append((words, command.params if words else []))
        pending += [([*words, name], inner) for name, inner in getattr(command, "commands", {}).items()]
    return found


def generated(known: list[tuple[list[str], list[Any]]], random_: random.Random) -> tuple[list[str], bytes]:
    """The words of a command line after `tollgate`, and its stdin."""
    words, parameters = random_.choice(known)
    groups: list[tuple[str, ...]] = []
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            if random_.random() < 0.9:
                groups.append((_value(random_),))
        elif random_.random() < 0.35:
            flag = getattr(parameter, "is_flag", False)
            groups.append((random_.choice(parameter.opts), *(() if flag else (_value(random_),))))
    groups += random_.choices(_GLOBAL, k=random_.choice((0, 0, 1, 1, 2)))
    groups += [(_value(random_),)] * (random_.random() < 0.05)
    random_.shuffle(groups)
    line = [word for group in groups for word in group]
    place = random_.randrange(len(line) + 1) if random_.random() < 0.1 else 0
    line[place:place] = words
    secret = "secret" in words or "find" in words
    stdin = (
        _CANARIES[2] + random_.choice(("", "\n", "\n\n", " x", "é"))
        if secret
        else random_.choice((*_CSV, "", "y\n", "n\n", '{"kind":"usage"}\n', "[" * 9_000))
    )
    return line, stdin.encode() + random_.choice((b"", b"", b"", b"\xff", b"\x00"))


def _value(random_: random.Random) -> str:
    value = random_.choice(_VALUES)
    return value if random_.random() < 0.9 else value + random_.choice(("\x1b[31m", "\u2028", " ", "0" * 400))


class Result:
    """Exit code and output of a command that ran in this process."""

    def __init__(self, arguments: list[str], stdin: bytes, variables: Mapping[str, str]) -> None:
        out, err = (
            io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True) for _ in range(2)
        )
        self.limit = _TAIL_SECONDS if "tail" in arguments else _SECONDS
        started = time.monotonic()
        with (
            mock.patch("botocore.loaders.create_loader", _LOADER),
            mock.patch.dict(os.environ, variables),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")),
            redirect_stdout(out),
            redirect_stderr(err),
            time_limit(self.limit),
        ):
            self.code = cli.run(arguments)
        self.seconds = time.monotonic() - started
        self.text = "".join(stream.buffer.getvalue().decode() for stream in (out, err))


def check(result: Result, arguments: list[str], key_value: str) -> None:
    """Check an exit code, and that the output has no secret and no terminal escapes."""
    assert result.code in _EXIT_CODES, result.text[-2_000:]
    assert result.seconds < result.limit or "tail" in arguments, f"took {result.seconds:.0f} s"
    for secret in (*_CANARIES, *([] if "--reveal" in arguments else [key_value])):
        assert secret not in result.text
    # A usage error may repeat the operator's own argument; Typer escapes control characters only.
    assert not {"\x1b", "\x9b", *("\u202e" if result.code != 2 else "")} & set(result.text), result.text[-2_000:]
    assert "Traceback" not in result.text


@contextmanager
def deployed(running: Cloud | None) -> Iterator[tuple[dict[str, str], str]]:
    """An embedded cloud with what the command needs: the variables for it, and the value of an API key."""
    with (
        nullcontext(running) if running else Cloud.start() as cloud,
        StandInProvider.start() as provider,
        tempfile.TemporaryDirectory() as name,
    ):
        bench = Bench(cloud, provider.url, create_table(cloud))
        for kind, value in zip(("openai", "anthropic"), _CANARIES, strict=False):
            bench.put_secret(f"bench/{kind}", value)
        bench.add_model("standin-small")
        gateway = cloud.client("apigateway")
        api = gateway.create_rest_api(name=prefix("bench"))["id"]
        gateway.create_deployment(restApiId=api, stageName="v1")
        plan = gateway.create_usage_plan(name=f"{prefix('bench')}-bench", apiStages=[{"apiId": api, "stage": "v1"}])[
            "id"
        ]
        key = gateway.create_api_key(name=f"{prefix('bench')}-team-default", enabled=True)
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        budgets = [{"per": "day", "usd_nano": 10**9}, {"per": "month", "usd_nano": 10**10}]
        for consumer in ("team", "other"):
            key_id = bench.add_consumer(consumer, account=LISTED_POLICY, budgets=budgets)
            key_id = key["id"] if consumer == "team" else key_id
            bench.put(
                key_pk(key_id),
                KEY_SK,
                {"consumer": consumer, "name": "default", "created_by": "terraform", "account": LISTED_KEY},
            )
            with redirect_stdout(io.StringIO()):
                bench.gateway().handle(request(key_id, chat()), 29.0)
        variables = {CONFIG_VARIABLE: json.dumps(asdict(bench.config()))}
        cloud.client("lambda").create_function(
            FunctionName=f"{prefix('bench')}-gateway", Runtime="python3.13", Role="arn:aws:iam::000000000000:role/a",
            Handler="a.b", Code={"ZipFile": b"PK\x05\x06" + bytes(18)}, Environment={"Variables": variables},
        )  # fmt: skip
        folder = Path(name)
        (folder / "environments").mkdir()
        (folder / "environments" / "bench.toml").write_text('[aws]\nregion = "eu-west-1"\n')
        (folder / "folder").mkdir()
        (folder / "keys.csv").write_text(_CSV[0])
        (folder / "lines.json").write_text('{"kind":"usage","request_id":"a","at_ms":1}\nnonsense\n')
        with chdir(folder):
            yield (
                {
                    **cloud.environment(),
                    "TOLLGATE_ENV": "bench",
                    "NO_COLOR": "1",
                    "COLUMNS": "100",
                    "HOME": name,
                    "AWS_MAX_ATTEMPTS": "1",
                },
                key["value"],
            )


def run(seed: int, seconds: float, cloud: Cloud | None = None) -> int:
    """Fuzz for `seconds`. Returns the number of failures. cloud: a running one; None: a new one."""
    random_ = random.Random(seed)  # noqa: S311 - reproducible on purpose
    known = commands()
    with part("commands", seed, seconds) as found, deployed(cloud) as (variables, key_value):
        nowhere = variables | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        while found.running:
            line, stdin = generated(known, random_)
            chosen = variables if random_.random() < 0.9 else nowhere
            with found.case(lambda line=line, stdin=stdin: (line, stdin)):
                check(Result(line, stdin, chosen), line, key_value)
    return found.failures
