"""Hostile values for environment files, and TOML text with them."""

from __future__ import annotations

import json
import random
from datetime import date, time
from decimal import Decimal
from typing import Any


class Token(str):
    """TOML that is written as it is."""

    __slots__ = ()


_NUMBERS = (
    "0",
    "-1",
    "1",
    "7",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "1" + "0" * 40,
    "9" * 5000,
    "0x" + "f" * 5000,
    "1e400",
    "1e-400",
    "1e999999999",
    "1e-999999999",
    "1e99999999999999999999",
    "nan",
    "-nan",
    "inf",
    "-inf",
    "-0.0",
    "0.1234567891",
    "0." + "1" * 3000,
    "1.5",
    "1_000_000",
)
_TIMES = (
    "07:32:00",
    "2027-12-31",
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "2027-12-31T18:00:00Z",
    "2027-02-30",
    "2027-12-31 18:00:00.123456789",
    "1979-05-27T00:32:00",
)
_STRUCTURES = ("[]", "{}", "[[]]", "[1, 'a']", "{ a = 1 }", "true", "false", "[" * 60 + "]" * 60, "[" * 3000)
TEXTS = (
    "",
    " ",
    "a",
    "A",
    "0",
    "1a",
    "-",
    "_",
    "a.b",
    "a/b",
    "a--b",
    "//",
    "\x00",
    "a\x00b",
    "a\nb",
    "a\r\nb",
    "\t",
    "\x1b[31m",
    "\x9b31m",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\U0001f600",
    "é",
    "e\u0301",
    "漢字",
    "\uffff",
    "${TfToken[TOKEN.0]}",
    "#{TfToken[TOKEN.1]}",
    "&{TfToken[TOKEN.2]}",
    "${path.root}",
    "%{ if true }",
    "$${a}",
    "$",
    "%",
    "'",
    '"',
    "\\",
    "`",
    "`touch x`",
    "http://[::1",
    "http://[::1]",
    "http://[::1]:8080/v1",
    "http://[v1.a]",
    "http://a:99999",
    "http://a:0",
    "https://a..b",
    "https://-",
    "http://%00",
    "https://x/%zz",
    "https://x'y",
    "https://" + "a" * 64,
    "http://127.0.0.1:1",
    "arn:aws:kms:eu-west-1:111122223333:key/a",
    "arn:aws-xyz:kms:eu-west-1:111122223333:key/a",
    "arn:",
    "arn:aws",
    "arn:aws:s3:::bucket",
    "arn:aws:kms:xx:1:key/a",
    "arn:aws:bedrock:eu-west-1::foundation-model/a",
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a",
    "cn-north-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "eu-west-3",
    "(a+)+$",
    "(a|a)*b",
    "(?:a{0,9}){0,9}x",
    "a{99999999999}",
    "a{1000,}",
    "\\d+@",
    "(" * 120 + ")" * 120,
    "[[a]",
    "(?i)x+",
    "[\\x00-\\U0010ffff]",
    "(?P<a>x)(?P=a)",
    "(?<!a+)b",
    "x*",
    "../../..",
    "/",
    "/etc/passwd",
    "~",
    "/{a}/{a}",
    "/{proxy+}",
    "/each-a",
    "/{a}",
    "/1",
    "/-",
    "/v1",
    "*",
    "a@b.c",
    "1@b.c",
    '"a"@b.c',
    "a b@c.d",
    "7bit@example.com",
    "eyJ" * 3000,
    "://:" * 3000,
    "sk-" * 5000,
    "aA" * 20_000,
    "a" * 257,
    "a" * 300,
    "é" * 256,
    "a" * 5000,
    "a." * 200,
    "0" * 500,
    " " * 300,
    "a/" * 120 + "a",
    "a@" * 200,
    "[" * 250,
    "(" * 250,
    "a?" * 100,
    "a+" * 100,
    "https://a/" + "b" * 600,
)
_CHARACTERS = "aZ09-_./:+{}[]()'\"\\ %$#@,;=?*&!~^|<>\n\t\x00é漢"


def toml(document: dict[str, Any]) -> str:
    """A document as TOML, with each section as an inline table."""
    return "".join(f"{_key(name)} = {_value(section)}\n" for name, section in document.items())


def mutated(document: dict[str, Any], random_: random.Random) -> str:
    """TOML of a document after one to four hostile changes to values, keys or characters."""
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        _change(document, random_)
    text = toml(document)
    if random_.random() < 0.15:
        text = _change_text(text, random_)
    return text


def _change(document: dict[str, Any], random_: random.Random) -> None:
    table, key = random_.choice(places(document))
    choice = random_.random()
    if choice < 0.15 and isinstance(table, dict):
        table[_text(str(key), random_)] = table.pop(key)
    elif choice < 0.25 and isinstance(table, dict):
        table.pop(key)
    elif choice < 0.7 and isinstance(table[key], str):
        table[key] = _text(table[key], random_)
    else:
        table[key] = Token(random_.choice((*_NUMBERS, *_TIMES, *_STRUCTURES, *map(json.dumps, TEXTS[:60]))))


def _text(value: str, random_: random.Random) -> str:
    kind = random_.randrange(6)
    if kind == 0:
        return random_.choice(TEXTS)
    place = random_.randrange(len(value) + 1)
    if kind == 1:
        return value[:place] + random_.choice(TEXTS) + value[place:]
    if kind == 2:
        return value[:place] + random_.choice(_CHARACTERS) + value[place:]
    characters = _CHARACTERS if kind == 3 else "az09AZ-_./:"
    return value[:place] + random_.choice(characters) + value[place + 1 :]


def _change_text(text: str, random_: random.Random) -> str:
    place = random_.randrange(len(text))
    insertion = random_.choice(
        ("\ufeff", "\r\n", "[[", "a" + ".a" * 5000 + " = 1\n", "'''", '"""', "#", "\x00", "\n[aws]\n")
    )
    return text.replace("\n", "\r\n") if random_.random() < 0.2 else text[:place] + insertion + text[place:]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container in a document with each of its keys or indexes."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *places(value[key])]]


def _key(key: str) -> str:
    return json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, Token):
        return value
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool | str):
        return json.dumps(value)
    return (
        value.isoformat()
        if isinstance(value, date | time)
        else str(Decimal(value) if isinstance(value, int) else value)
    )
