"""What `make plan` shows. It goes to reviewers and into CI's logs; keys that it removes or moves must not go along."""

from __future__ import annotations

import sys

import pytest

from tools.cdktf import main, masked, run_masked

# As Terraform 1.11 prints them through the CDKTF CLI; the second is of a key that goes on working on another plan.
LINES = (
    '      \x1b[31m-\x1b[0m\x1b[0m value         = "REMOVED0EXAMPLE0REMOVED0EXAMPLE0" \x1b[90m-> null\x1b[0m\n',
    '      \x1b[33m~\x1b[0m\x1b[0m value         = "MOVED0EXAMPLE0MOVED0EXAMPLE0" \x1b[33m->\x1b[0m (known)\n',
)


def test_values_of_keys_are_masked(capfd: pytest.CaptureFixture[str]) -> None:
    program = f"print({''.join(LINES)!r}); raise SystemExit(3)"
    assert run_masked([sys.executable, "-c", program]) == 3
    shown = capfd.readouterr().out
    assert shown.count("(a key's value, masked)") == 2
    assert "REMOVED0" not in shown
    assert "MOVED0" not in shown


@pytest.mark.parametrize(
    "line", ["      ~ value = 28900.0 -> 28900\n", '      + name = "tollgate-dev-search-default"\n']
)
def test_the_rest_of_a_plan_is_shown(line: str) -> None:
    assert masked(line) == line


@pytest.mark.parametrize("name", ["locla", "local.toml"])
def test_a_mistyped_environment_is_told_at_once(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["diff", name]) == 2
    assert 'Did you mean "local"?' in capsys.readouterr().err
