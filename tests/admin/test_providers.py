"""What makes a value look unlike a provider's key, and what is never a key."""

from __future__ import annotations

import io
import sys

import pytest

from admin.faults import Usage
from admin.providers import doubts
from admin.secret_input import checked, read_secret

OPENAI, ANTHROPIC, OTHER = "https://api.openai.com/v1", "https://api.anthropic.com", "https://llm.example.com/v1"


@pytest.mark.parametrize(
    ("value", "url", "said"),
    [
        ("sk-proj-0123456789abcdef", OPENAI, []),
        ("sk-ant-0123456789abcdef", ANTHROPIC, []),
        ("anything-that-is-long-enough", OTHER, []),
        ("a-token-with-padding-at-its-end==", OTHER, []),
        ("sk-short", OPENAI, ["fewer than 20"]),
        ("key-of-somebody-else-entirely", OPENAI, ["begin with sk-;"]),
        ("sk-ant-0123456789abcdef", OPENAI, ["of Anthropic's"]),
        ("sk-0123456789abcdef0123", ANTHROPIC, ["begin with sk-ant-"]),
        ('"sk-0123456789abcdef0123"', OTHER, ["quoted"]),
        ("OPENAI_API_KEY=sk-0123456789abcdef", OTHER, ["NAME=VALUE"]),
    ],
)
def test_a_value_that_looks_wrong_is_warned_of(value: str, url: str, said: list[str]) -> None:
    found = list(doubts(value, url))
    assert len(found) == len(said)
    assert all(words in doubt for words, doubt in zip(said, found, strict=True))
    assert not any(value in doubt for doubt in found)


@pytest.mark.parametrize(("piped", "read"), [("sk-1\n", "sk-1"), ("sk-1\r\n", "sk-1"), ("  sk-1  ", "sk-1")])
def test_the_end_of_a_line_is_no_part_of_a_key(monkeypatch: pytest.MonkeyPatch, piped: str, read: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
    assert read_secret("key") == read


@pytest.mark.parametrize("piped", ["", "\n", "a b", "a\nb", "a\tb", "naïve", "nul\x00"])
def test_what_no_header_can_carry_is_no_key(monkeypatch: pytest.MonkeyPatch, piped: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
    with pytest.raises(Usage) as caught:
        read_secret("key of openai")
    assert not piped.strip() or piped not in str(caught.value)


@pytest.mark.parametrize("value", ["a-key\r\nx: y", "a-key of mine", "schlüssel", "a-key\x00", " "])
def test_a_variable_is_read_as_a_pipe_is(value: str) -> None:
    with pytest.raises(Usage, match="TOLLGATE_KEY") as caught:
        checked("TOLLGATE_KEY", value)
    assert not value.strip() or value not in str(caught.value)


def test_a_pipe_of_bytes_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sk-\xff\xfe"), encoding="utf-8"))
    with pytest.raises(Usage, match="printable ASCII"):
        read_secret("key")
