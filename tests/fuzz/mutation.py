"""Random changes to JSON documents and to bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from tests.fuzz.hostile import Token, places

_TOKENS = (
    "null", "true", "false", "0", "1", "-1", "-0.0", "1.5", "7.0", "1e400", "-1e400", "1e-400", "1E2", "NaN",
    "Infinity", "-Infinity", "9007199254740993", "99999999999999999999", "9" * 400, "9" * 5_000, "1" + "0" * 40,
    "0.1" + "1" * 300, '""', '" "', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u2028"',
    '"\\u001b[31m"', '"é"', '"漢字"', '"7"', '"NaN"', '"[DONE]"', '"data: {}\\n\\n"', '"a\\r\\nx: y"',
    '"sk-live-0123456789abcdef"', "[]", "{}", "[[]]", "[null]", '{"":""}', '{"type":"text"}', '{"type":"web_search"}',
    "[" * 50 + "]" * 50, "[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "[" * 30_000 + "]" * 30_000,
    "[" * 2_000, '"' + "a" * 70_000 + '"', "[1" + ",1" * 9_000 + "]",
)  # fmt: skip
_BYTES = (
    b"\xff", b"\xef\xbb\xbf", b"\x00", b"\xed\xa0\x80", b"\xc3", b"\n", b"\r\n\r\n", b"\n\n", b"data: ",
    b"data: [DONE]\n\n", b'data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}\n\n',
    b"event: error\n", b'"', b"{", b"}", b",", b"\\", b"\\ud800", b" " * 9_000,
)  # fmt: skip
_NAMES = ("\ud800", "", "a" * 300, "__proto__", "usage", "type", "content", "model", "error", "extra", "a\nb")


def json_bytes(value: Any) -> bytes:
    """JSON in which each Token stands as it is."""
    return _json(value).encode("utf-8", "surrogatepass")


def _json(value: Any) -> str:
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_json(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return json.dumps(value)


def mutated_document(document: Any, names: Sequence[str], random_: random.Random) -> Any:
    """A copy of a JSON document after none to four changes. names: of members to add and to change to."""
    document = deepcopy(document)
    for _ in range(random_.choice((0, 1, 1, 1, 2, 4))):
        found = places(document)
        if found:
            table, key = random_.choice(found)
            random_.choice(_CHANGES)(table, key, names, random_)
    return document


def mutated_bytes(data: bytes, random_: random.Random) -> bytes:
    """`data` after one or two changes to its bytes."""
    for _ in range(random_.choice((1, 1, 2))):
        start, end = sorted(random_.randrange(len(data) + 1) for _ in range(2))
        kind = random_.randrange(7)
        if kind == 0:
            data = data[:end]
        elif kind == 1:
            data = data[:start] + random_.choice(_BYTES) + data[start:]
        elif kind == 2:
            data = data[:start] + bytes([random_.randrange(256)]) + data[start + 1 :]
        elif kind == 3:
            data = data[:start] + data[end:]
        elif kind == 4:
            data = data[:end] + data[start:]
        elif kind == 5:
            data = data.replace(b"\n", b"\r\n")
        else:
            data = data.decode(errors="replace").encode(random_.choice(("utf-16", "utf-8-sig", "utf-32-le")))
    return data


def _replace(table: Any, key: Any, names: Sequence[str], random_: random.Random) -> None:
    table[key] = Token(random_.choice(_TOKENS))


def _remove(table: Any, key: Any, names: Sequence[str], random_: random.Random) -> None:
    del table[key]


def _rename(table: Any, key: Any, names: Sequence[str], random_: random.Random) -> None:
    if isinstance(table, dict):
        name = str(key)
        table[random_.choice((name.upper(), name.title(), name + " ", *_NAMES, *names))] = table.pop(key)


def _add(table: Any, key: Any, names: Sequence[str], random_: random.Random) -> None:
    value = random_.choice((Token(random_.choice(_TOKENS)), deepcopy(table[key])))
    if isinstance(table, dict):
        table[random_.choice((*_NAMES, *names))] = value
    else:
        table[key:key] = [value] * random_.choice((1, 2, 300))


def _duplicate(table: Any, key: Any, names: Sequence[str], random_: random.Random) -> None:
    if isinstance(table, dict):
        table[key] = Token(f"{_json(table[key])},{json.dumps(str(key))}:{random_.choice(_TOKENS)}")


def _deepen(table: Any, key: Any, names: Sequence[str], random_: random.Random) -> None:
    depth = random_.choice((1, 2, 40, 400, 5_000))
    table[key] = Token("[" * depth + _json(table[key]) + "]" * depth)


_CHANGES: tuple[Callable[[Any, Any, Sequence[str], random.Random], None], ...] = (
    _replace, _replace, _replace, _remove, _rename, _add, _add, _duplicate, _deepen,
)  # fmt: skip
