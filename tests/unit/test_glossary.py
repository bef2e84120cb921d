"""The glossary says what the code writes, all of it and nothing else: pages and queries are made from it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from lambda_src.core.glossary import ERROR_CODES, LINE_KINDS, USAGE_FIELDS
from lambda_src.core.metrics import METRICS
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from tests.unit.test_usage_record import FULL

SOURCES = [
    path for path in (Path(__file__).parent.parent.parent / "lambda_src").rglob("*.py") if path.stem != "glossary"
]
ERRORS = {"BadRequest": 0, "Denied": 0, "Unavailable": 0, "LimitReached": 0, "NoAnswer": 0, "failure": 0}
ERRORS["UpstreamError"] = 1


def raised() -> Iterator[str]:
    """The codes that errors are made with, as far as they are written out where that is done."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                code = node.args[ERRORS[node.func.id]] if node.args else None
                if isinstance(code, ast.Constant):
                    yield str(code.value)


def test_every_error_code_has_its_meaning() -> None:
    found = set(raised())
    assert {"budget_exceeded", "key_unknown", "upstream_reset", "unbounded_cost"} <= found, "the search works"
    assert found - set(ERROR_CODES) == set()


def test_no_code_is_explained_that_nothing_uses() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    built = {f"{what}_per_minute_exceeded" for what in ("tokens", "requests")}
    assert [code for code in ERROR_CODES if f'"{code}"' not in text and code not in built] == []


def test_every_kind_of_line_is_explained() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    written = set(re.findall(r'"kind": "(\w+)"', text)) | set(re.findall(r'_warn\("(\w+)"', text))
    assert written == set(LINE_KINDS)


def test_every_field_of_a_usage_line_is_explained() -> None:
    line = json.loads(usage_line(UsageRecord(**FULL), per_consumer=True))
    assert set(line) - set(METRICS) - {"_aws"} == set(USAGE_FIELDS)
