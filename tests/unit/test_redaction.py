"""The prompt log masks secrets in any notation, and no input makes it slow."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_src.core.redaction import MARGIN, Redaction
from tests.linear_time import linear_time

PLAIN = Redaction()
SAME = settings(deadline=None, derandomize=True)  # the same inputs in every run
CARDS = (
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011000990139424",
    "4222222222222",
    "36227206271667",
)
KEYS = (
    "sk-proj-abcdEFGH1234_-ijklMNOP", "sk-ant-api03-" + "x" * 90, "sk_live_" + "9" * 24, "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE", "ghp_" + "a" * 36, "xoxb-123456789012-abc", "AIza" + "S" * 35,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "github_pat_11ABCDEFG0abcdefghijkl_1234567890", "glpat-ABCdef123456_7890xyz", "xapp-1-A0123-4567-abcdef0123",
    "gsk_" + "a1B2" * 8, "xai-" + "a1B2" * 8, "hf_" + "aB" * 12, "pplx-" + "c3" * 12, "npm_" + "d4" * 18,
    "SG." + "e5" * 11 + "." + "f6" * 20, "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8i9J0",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAK+/==\n-----END RSA PRIVATE KEY-----",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", ["{}", "my key is {}.", "KEY={}\n", "({})", "clé:{};"])
def test_keys_are_masked(key: str, around: str) -> None:
    masked = PLAIN.redact(around.format(key))
    assert masked == around.format("[redacted:key]")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted:key]"),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==", "authorization: [redacted:key]"),
        ('curl -H "x-api-key: abcdef-0123456789"', 'curl -H "x-api-key: [redacted:key]"'),
        ("api_key=abcdefgh12345678&x=1", "api_key=[redacted:key]"),
        ("OPENAI_API_KEY=abcdefgh12345678", "OPENAI_API_KEY=[redacted:key]"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = [redacted:key]"),
        ("Password: hunter2hunter2", "Password: [redacted:key]"),
        ('{\\"client_secret\\": \\"abcdefgh1234\\"}', '{\\"client_secret\\": \\"[redacted:key]\\"}'),
        ("the password is forgotten", "the password is forgotten"),
        ("commit 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "commit 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"),
        ("\\u0073k-proj-abcdEFGH1234_-ijklMNOP, a\\u0040b.de \\u0022", "[redacted:key], [redacted:email] \\u0022"),
        ("a\uff20b.de, a%40b.de", "[redacted:email], [redacted:email]"),
        ("4111.1111.1111.1111 3782/822463/10005", "[redacted:card] [redacted:card]"),
        ("4111\u202f1111\u202f1111\u202f1111 4111\n1111\n1111\n1111", "[redacted:card] [redacted:card]"),
        ("4111.1111.1111.1112", "4111.1111.1111.1112"),
        ("the bearer of this letter", "the bearer of this letter"),
        ("a risk-free-and-very-long-word", "a risk-free-and-very-long-word"),
        ("mail jörg.b+x@ex-ample.co.uk now", "mail [redacted:email] now"),
        ("<a@b.de>,c@d.org;(e@f.io)", "<[redacted:email]>,[redacted:email];([redacted:email])"),
        ("user@localhost and @handle", "user@localhost and @handle"),
        ("from 2026-11-23 to 4111 1111 1111 1111, or", "from 2026-11-23 to [redacted:card], or"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("call +49 30 1234567", "call +49 30 1234567"),
    ],
)
def test_masked_and_unmasked_text(text: str, masked: str) -> None:
    assert PLAIN.redact(text) == masked


@SAME
@given(
    st.sampled_from(CARDS),
    st.lists(st.sampled_from(["", "", " ", "-", "  ", "\u00a0", " -"]), min_size=18, max_size=18),
    st.text(alphabet="abc.,:!\n", max_size=5),
    st.sampled_from(["", "12 ", "2026-11-23 ", "x", "No. 7 "]),
    st.sampled_from(["", " 09", ", 123", "y", " 12/27 123"]),
)
def test_card_numbers_are_masked(card: str, separators: list[str], text: str, before: str, after: str) -> None:
    written = "".join(digit + separator for digit, separator in zip(card, separators, strict=False)).rstrip(" -\u00a0")
    masked = PLAIN.redact(f"{text}{before}{written}{after}{text}")
    assert "[redacted:card]" in masked
    assert card not in re.sub(r"\D", "", masked)


@SAME
@given(st.integers(13, 19).flatmap(lambda size: st.text(alphabet="0123456789", min_size=size, max_size=size)))
def test_numbers_are_masked_only_if_their_check_digit_is_correct(digits: str) -> None:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    assert (PLAIN.redact(digits) == "[redacted:card]") == (total % 10 == 0)


def test_json_is_searched_at_any_depth() -> None:
    value: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "I am a@b.de"}]}],
        "number": 4111111111111111,
        "metadata": {"c@d.org": 1, "Authorization": "letmein", "password": "p", "on": True, "none": None, "half": 0.5},
        "arguments": '{"card": "5555-5555-5555-4444"}',
    }
    assert PLAIN.redact_and_truncate(value, 10_000) == (
        '{"messages":[{"role":"user","content":[{"type":"text","text":"I am [redacted:email]"}]}],'
        '"number":"[redacted:card]","metadata":{"[redacted:email]":1,"Authorization":"[redacted:secret]",'
        '"password":"[redacted:secret]","on":true,"none":null,"half":0.5},'
        '"arguments":"{\\"card\\": \\"[redacted:card]\\"}"}',
        False,
    )


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Passwd",
        "x-goog-api-key",
        "apiKey",
        "client_secret",
        "SecretAccessKey",
        "refresh_token",
        "private_key ",
    ],
)
def test_fields_with_a_secret(name: str) -> None:
    assert json.loads(PLAIN.redact_and_truncate({name: "short", "max_tokens": 9}, 999)[0]) == {
        name: "[redacted:secret]",
        "max_tokens": 9,
    }
    assert json.loads(PLAIN.redact_and_truncate({name: 12345678}, 999)[0]) == {name: "[redacted:secret]"}
    assert json.loads(PLAIN.redact_and_truncate({name: {"type": "string"}}, 999)[0]) == {name: {"type": "string"}}, (
        "a tool's schema"
    )


def test_logprobs_are_omitted() -> None:
    """No pattern matches text that is split into tokens."""
    logprobs = {"content": [{"token": "4111", "logprob": -0.1, "bytes": [52, 49]}, {"token": " 1111", "logprob": 0}]}
    kept, _ = PLAIN.redact_and_truncate({"choices": [{"logprobs": logprobs}], "logprobs": True}, 999)
    assert json.loads(kept) == {"choices": [{"logprobs": "[left out]"}], "logprobs": True}


def test_media_is_replaced_by_its_size() -> None:
    image = "iVBOR" + "A" * 3_995
    value = {"image_url": {"url": f"data:image/png;base64,{image}"}, "data": image + "==", "vector": [0.25] * 1_536}
    assert PLAIN.redact_and_truncate(value, 1_000) == (
        '{"image_url":{"url":"[media 3000 bytes]"},"data":"[media 3001 bytes]","vector":"[1536 numbers]"}',
        False,
    )
    assert PLAIN.redact("![x](data:image/png;base64,AAAA) y") == "![x]([media 3 bytes]) y"


def test_patterns_of_the_operator() -> None:
    redaction = Redaction((r"(?i)project\s+\w+", r"EMP-\d{4}"))
    assert redaction.redact("Project Zeus by EMP-1234") == "[redacted:pattern] by [redacted:pattern]"


@pytest.mark.parametrize("secret", [*KEYS, "someone.with.a.long.name@subdomain.example.com", "4111 1111 1111 1111"])
def test_no_part_of_a_secret_at_the_cut_is_kept(secret: str) -> None:
    """A secret in any position at the cut: if no pattern matches its first part, the margin drops it."""
    limit = 100
    for position in range(limit + MARGIN - len(secret) - 2, limit + MARGIN + 2):
        for filler in ("word ", "a@b.de "):  # masks are longer or shorter than the text they replace
            text = (filler * 1_000)[:position] + " " + secret + " and so on" * 200
            kept, truncated = PLAIN.redact_and_truncate(text, limit)
            assert truncated
            assert secret[:6] not in kept
            assert len(kept) <= limit


def test_text_is_truncated_to_bytes_but_not_inside_a_character() -> None:
    assert PLAIN.redact_and_truncate("é" * 30, 7) == ("ééé", True)
    assert PLAIN.redact_and_truncate("fits", 4) == ("fits", False)
    assert PLAIN.redact_and_truncate({"half": "\ud800"}, 100) == ('{"half":"\ufffd"}', False)
    kept, truncated = PLAIN.redact_and_truncate([{"a": "b" * 50} for _ in range(100)], 200)
    assert truncated
    assert len(kept) <= 200


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


MEGABYTES = 4_000_000
PATHOLOGICAL: dict[str, Any] = {
    unit: unit * (MEGABYTES // len(unit))
    for unit in (
        "a",
        "a ",
        "1 ",
        "1",
        "12-345 ",
        "a@",
        "a.",
        "sk-",
        "eyJ.",
        "bearer ",
        "data:",
        "api_key:",
        "\u00a0-",
        "-----BEGIN PRIVATE KEY-----",
        "password:",
        "a%40",
        "\\u0061",
        "aA1",
        "1234.",
        "github_pat_",
        "SG.",
    )
} | {
    "@ at the end": "x" * MEGABYTES + "@",
    "small strings": ["4111 1111 1111 111"] * 200_000,
    "numbers": [4111111111111111] * 500_000,
    "members": {f"a{n}@b": n for n in range(200_000)},
    "deep": nested(900),
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_no_input_is_slow(name: str) -> None:
    with linear_time():
        kept, _ = PLAIN.redact_and_truncate(PATHOLOGICAL[name], 20_000)
    assert len(kept.encode()) <= 20_000
