"""`make plan` and `make deploy` mask API keys, because reviewers and CI logs see their output, and reject unknown
environments."""

from __future__ import annotations

import sys

import pytest

from tools import cdktf, plan
from tools.cdktf import masked, run_masked

# Terraform 1.11's lines as the CDKTF CLI prints them. The second key keeps working on another usage plan.
LINES = (
    '      \x1b[31m-\x1b[0m\x1b[0m value         = "REMOVED0EXAMPLE0REMOVED0EXAMPLE0" \x1b[90m-> null\x1b[0m\n',
    '      \x1b[33m~\x1b[0m\x1b[0m value         = "MOVED0EXAMPLE0MOVED0EXAMPLE0" \x1b[33m->\x1b[0m (known)\n',
)


def test_key_values_are_masked(capfd: pytest.CaptureFixture[str]) -> None:
    program = f"print({''.join(LINES)!r}); raise SystemExit(3)"
    assert run_masked([sys.executable, "-c", program]) == 3
    shown = capfd.readouterr().out
    assert shown.count("(masked API key)") == 2
    assert "REMOVED0" not in shown
    assert "MOVED0" not in shown


@pytest.mark.parametrize(
    "line", ["      ~ value = 28900.0 -> 28900\n", '      + name = "tollgate-dev-search-default"\n']
)
def test_other_lines_are_unchanged(line: str) -> None:
    assert masked(line) == line


@pytest.mark.parametrize("name", ["locla", "local.toml"])
def test_an_unknown_environment_gets_a_suggestion(capsys: pytest.CaptureFixture[str], name: str) -> None:
    for arguments, main in (([name], plan.main), (["deploy", name], cdktf.main)):
        assert main(arguments) == 2
        assert 'did you mean "local"?' in capsys.readouterr().err
