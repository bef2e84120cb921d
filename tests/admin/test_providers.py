"""What makes a value look unlike a provider's key, and what is never a key."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

from admin.errors import ServiceError, UsageError
from admin.output import Output
from admin.providers.check import _asked, _usable
from admin.providers.commands import _put, key_warnings
from admin.providers.secret_input import checked, read_secret
from admin.session import Options, Session

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
    found = list(key_warnings(value, url))
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
    with pytest.raises(UsageError) as caught:
        read_secret("key of openai")
    assert not piped.strip() or piped not in str(caught.value)


@pytest.mark.parametrize("value", ["a-key\r\nx: y", "a-key of mine", "schlüssel", "a-key\x00", " "])
def test_a_variable_is_read_as_a_pipe_is(value: str) -> None:
    with pytest.raises(UsageError, match="TOLLGATE_KEY") as caught:
        checked("TOLLGATE_KEY", value)
    assert not value.strip() or value not in str(caught.value)


def test_a_pipe_of_bytes_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sk-\xff\xfe"), encoding="utf-8"))
    with pytest.raises(UsageError, match="printable ASCII"):
        read_secret("key")


@contextmanager
def answering(body: bytes | None) -> Iterator[str]:
    """URL of a server that answers everything with 200 and `body`; None: it hangs up before it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            if body is not None:
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


MODEL = {"sk": "small", "prices": {"standard": [{"input": 1, "output": 2}]}}


@pytest.mark.parametrize(
    ("body", "said"), [(b"<h1>Sign in", "<h1>Sign in"), (b"", "an empty answer"), (b"[1]", "[1]"), (None, "no answer")]
)
def test_an_answer_that_is_none_is_a_failed_check(body: bytes | None, said: str) -> None:
    """A captive portal or a proxy answers 200 as well."""
    with answering(body) as url:
        found = _asked(urllib3.PoolManager(retries=False), url, "key", "openai", "openai", MODEL)
    assert found.ok is False
    assert found.error is not None
    assert found.error.startswith(said)


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"<h1>Sign in", "is no gateway"), (b"{}", "is no gateway"), (None, "did not answer: ProtocolError")],
)
def test_what_is_no_gateway_is_said(body: bytes | None, said: str) -> None:
    with answering(body) as url, pytest.raises(ServiceError, match=said):
        _usable(urllib3.PoolManager(retries=False), url, "key")


def test_a_gateway_that_is_not_there_is_said() -> None:
    with pytest.raises(ServiceError, match="did not answer: NewConnectionError"):
        _usable(urllib3.PoolManager(retries=False), "http://127.0.0.1:9", "key")


def test_a_key_that_may_have_been_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with answering(None) as url:
        session = Session(Options(environment="none", region="eu-west-1", endpoint_url=url), Output())
        with pytest.raises(ServiceError, match="It may have been") as caught:
            _put(session, "openai", "a-secret", "sk-not-to-be-told")
    assert "tollgate providers list" in str(caught.value)
    assert "sk-not-to-be-told" not in str(caught.value)
