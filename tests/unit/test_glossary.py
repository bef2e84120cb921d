"""The glossary explains exactly the codes, kinds and fields that the code writes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from lambda_src.core.error_causes import CAUSES
from lambda_src.core.glossary import LINE_KINDS, USAGE_FIELDS
from lambda_src.core.metrics import METRICS
from lambda_src.core.usage_line import usage_line
from lambda_src.core.usage_record import UsageRecord
from tests.unit.test_usage_record import FULL

SOURCES = [
    path
    for path in (Path(__file__).parent.parent.parent / "lambda_src").rglob("*.py")
    if path.stem not in ("glossary", "error_causes")
]
ERRORS = ("BadRequest", "Denied", "Unavailable", "LimitReached", "UpstreamError", "NoResponse", "NotSent", "failure")


def raised_codes() -> Iterator[str]:
    """The literal codes that errors are created with."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                code = node.args[0] if node.args else None
                if isinstance(code, ast.Constant):
                    yield str(code.value)


def test_every_error_code_is_explained() -> None:
    codes = set(raised_codes())
    assert {"budget_exceeded", "key_unknown", "upstream_reset", "unbounded_cost"} <= codes, "the search works"
    assert codes - set(CAUSES) == set()


def test_every_explained_code_is_used() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    composed = {f"{unit}_per_minute_exceeded" for unit in ("tokens", "requests")}
    assert [code for code in CAUSES if f'"{code}"' not in text and code not in composed] == []


def test_exactly_the_written_line_kinds_are_explained() -> None:
    text = "".join(path.read_text() for path in SOURCES)
    written = set(re.findall(r'"kind": "(\w+)"', text)) | set(re.findall(r'_warn\("(\w+)"', text))
    assert written == set(LINE_KINDS)


def test_exactly_the_usage_fields_are_explained() -> None:
    line = json.loads(usage_line(UsageRecord(**FULL), per_consumer=True))
    assert set(line) - set(METRICS) - {"_aws"} == set(USAGE_FIELDS)
