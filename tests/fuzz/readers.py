"""Fuzzes the time of readers: random fragments repeated N and 4 N times take at most 6 times as long.

python -m tests.fuzz readers SEED SECONDS
"""

from __future__ import annotations

import gc
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from admin.csv_lines import parsed, read
from admin.errors import UsageError
from benchmarks.readers import (
    ELEMENTS,
    EVENTS,
    GROWTH,
    LISTS,
    MAX_RATIO,
    START,
    UNITS,
    Builder,
    Reader,
    frame,
    growth,
    read_headers,
    read_prompt,
    read_request,
    read_response,
)
from constructs_lib.settings import EnvironmentErrors, load
from lambda_src.contract import ROUTES
from local.cloud.client import Cloud
from tests.fuzz.answers import fixtures
from tests.fuzz.findings import part
from tests.fuzz.hostile import TEXTS
from tests.fuzz.loading import SOURCES
from tests.fuzz.requests import SEEDS

_SIZE, _FILE_SIZE = 50_000, 12_000
"""Bytes of the smaller body, and of the smaller file, whose readers take longer for each byte."""
_LONGEST_FRAGMENT = 200


def _sources() -> list[str]:
    """Texts whose parts are repeated."""
    bodies = [json.dumps(body) for group in SEEDS.values() for body in group]
    recorded = [body.decode(errors="replace") for _, body, _ in fixtures()]
    hostile = [text for text in TEXTS if 0 < len(text) < _LONGEST_FRAGMENT]
    files = [path.read_text() for path in SOURCES]
    return list(
        filter(None, (*bodies, *recorded, *hostile, *UNITS.values(), *ELEMENTS.values(), *EVENTS.values(), *files))
    )


def _fragment(sources: list[str], random_: random.Random) -> str:
    text = random_.choice(sources)
    start = random_.randrange(len(text))
    piece = text[start : start + random_.choice((1, 2, 5, 20, _LONGEST_FRAGMENT))]
    return piece + (random_.choice(sources)[:5] if random_.random() < 0.3 else "")


def _body(sources: list[str], random_: random.Random) -> Builder:
    """Builds bodies of a random fragment repeated between random beginnings and ends."""
    unit = _fragment(sources, random_)
    name = random_.choice(LISTS)
    before, after = random_.choice((
        ("", ""), (f'{START}"{name}":[', "1]}"), (f'{START}"{name}":"', '"}'),
        (f'{START}"{name}":[{{"content":"', '"}]}'), ("data: ", "\n\n"), ("data: {}\n\n", ""), ('{"', '":1}'),
        (_fragment(sources, random_), _fragment(sources, random_)),
    ))  # fmt: skip
    quoted = json.dumps(unit)[1:-1] if before.endswith('"') else unit
    separator = random_.choice(("", "", ",", "\n", "\n\n", "\r\n\r\n", "\ndata: "))
    repeated = quoted + separator
    return lambda size: (
        before + repeated * max(1, size // len(repeated.encode("utf-8", "surrogatepass"))) + after
    ).encode("utf-8", "surrogatepass")


def _frames(sources: list[str], random_: random.Random) -> Builder:
    """Builds binary event streams of a repeated message, or of one message with repeated headers or payload."""
    body = _body(sources, random_)
    header = bytes(random_.randrange(256) for _ in range(random_.randrange(1, 12)))
    small = frame(random_.choice((b"", b"\x0b:event-type\x07\x00\x08metadata", header)), body(1))
    return random_.choice((
        lambda size: small * max(1, size // len(small)),
        lambda size: frame(b"\x0b:event-type\x07\x00\x08metadata", body(size)),
        lambda size: frame(header * (size // len(header)), b"{}"),
    ))  # fmt: skip


def _file_reader(path: Path, read_file: Callable[[Path], object], error: type[Exception]) -> Reader:
    def reader(body: bytes) -> None:
        path.write_bytes(body)
        with suppress(error):
            read_file(path)

    return reader


def _environment(sources: list[str], random_: random.Random) -> Builder:
    """Builds environment files with a repeated fragment in a value, in a list, as a key or between lines."""
    text = random_.choice(SOURCES).read_text()
    unit = _fragment(sources, random_)
    lines = text.split("\n")
    place = random_.randrange(len(lines))
    name, _, value = lines[place].partition(" = ")
    quoted = json.dumps(unit)[1:-1]
    form = random_.choice(("line", "value", "list", "tables"))

    def build(size: int) -> bytes:
        count = max(1, size // len(unit.encode("utf-8", "surrogatepass")))
        changed = {
            "line": unit * count,
            "value": f'{name} = "{quoted * count}"' if value else unit * count,
            "list": f"{name or 'a'} = [" + f'"{quoted}",' * count + "]",
            "tables": "\n".join(
                f'[models."{quoted[:20]}{number}"]\nprovider = "openai"' for number in range(count // 9 + 1)
            ),
        }[form]
        return "\n".join([*lines[:place], changed, *lines[place + 1 :]]).encode("utf-8", "surrogatepass")

    return build


def _csv(sources: list[str], random_: random.Random) -> Builder:
    """Builds CSV files with a repeated line, or a repeated fragment in a line."""
    unit = _fragment(sources, random_)
    repeated = random_.choice((unit, f"team,{unit}\n", f'"{unit}', f'a,"{unit}"\r\n', '"\n'))
    return lambda size: ("consumer,label,expires\n" + repeated * max(1, size // len(repeated))).encode(
        "utf-8", "surrogatepass"
    )


def cases(random_: random.Random, folder: Path) -> Iterator[tuple[str, Reader, Builder, int]]:
    """Random readers with random bodies, without end: name, reader, builder and size."""
    sources = _sources()
    posts = [route for route in ROUTES if route.method == "POST"]
    read_environment = _file_reader(folder / "a.toml", load, EnvironmentErrors)
    read_csv = _file_reader(
        folder / "a.csv",
        lambda path: parsed(path, read(path, ["consumer", "label"], ["expires"]), lambda line: line["label"]),
        UsageError,
    )
    while True:
        route, body = random_.choice(posts), _body(sources, random_)
        kind = random_.choice(("request", "response", "stream", "prompt", "headers", "environment", "csv"))
        stream = _frames(sources, random_) if route.dialect == "bedrock" else body
        yield {
            "request": (f"{route.name} request", read_request(route), body, _SIZE),
            "response": (f"{route.name} response", read_response(route, stream=False), body, _SIZE),
            "stream": (f"{route.name} stream", read_response(route, stream=True), stream, _SIZE),
            "prompt": ("prompt log", read_prompt, body, _SIZE),
            "headers": ("headers", read_headers, body, _SIZE),
            "environment": ("environment file", read_environment, _environment(sources, random_), _FILE_SIZE),
            "csv": ("CSV file", read_csv, _csv(sources, random_), _SIZE),
        }[kind]


@contextmanager
def _without_gc() -> Iterator[None]:
    """Keep the garbage collector, which runs at random times, out of a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run(seed: int, seconds: float, cloud: Cloud | None = None) -> int:
    """Fuzz for `seconds`. Returns the number of failures. cloud: not used."""
    del cloud
    random_ = random.Random(seed)  # noqa: S311 - reproducible on purpose
    with part("readers", seed, seconds) as found, tempfile.TemporaryDirectory() as folder:
        for name, reader, build, size in cases(random_, Path(folder)):
            if not found.running:
                break
            with found.case(lambda name=name, build=build: (name, build(600))):
                with _without_gc():
                    took, ratio = growth(reader, build, size)
                    if ratio > MAX_RATIO:  # beyond a limit, such as that of a CSV field, a reader may do other work
                        took, ratio = growth(reader, build, GROWTH * size)
                assert ratio <= MAX_RATIO, f"{took:.2f} s, {ratio:.1f} times as long for 4 times the bytes"
    return found.failures
