"""Provider keys: warnings, invalid values, and responses that are not from a gateway or a provider."""

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
from admin.providers.check import _called, _usable
from admin.providers.commands import _put, key_warnings
from admin.providers.secret_input import checked, read_secret
from admin.session import Options, Session
from lambda_src.contract import Provider

OPENAI, ANTHROPIC, OTHER = "https://api.openai.com/v1", "https://api.anthropic.com", "https://llm.example.com/v1"


@pytest.mark.parametrize(
    ("value", "url", "messages"),
    [
        ("sk-proj-0123456789abcdef", OPENAI, []),
        ("sk-ant-0123456789abcdef", ANTHROPIC, []),
        ("anything-that-is-long-enough", OTHER, []),
        ("a-token-with-padding-at-its-end==", OTHER, []),
        ("sk-short", OPENAI, ["fewer than 20"]),
        ("key-of-somebody-else-entirely", OPENAI, ["start with sk-;"]),
        ("sk-ant-0123456789abcdef", OPENAI, ["an Anthropic key"]),
        ("sk-0123456789abcdef0123", ANTHROPIC, ["start with sk-ant-"]),
        ('"sk-0123456789abcdef0123"', OTHER, ["quoted"]),
        ("OPENAI_API_KEY=sk-0123456789abcdef", OTHER, ["NAME=VALUE"]),
    ],
)
def test_warnings_about_suspicious_values(value: str, url: str, messages: list[str]) -> None:
    warnings = list(key_warnings(value, url))
    assert len(warnings) == len(messages)
    assert all(message in warning for message, warning in zip(messages, warnings, strict=True))
    assert not any(value in warning for warning in warnings)


@pytest.mark.parametrize(("piped", "read"), [("sk-1\n", "sk-1"), ("sk-1\r\n", "sk-1"), ("  sk-1  ", "sk-1")])
def test_surrounding_whitespace_is_removed(monkeypatch: pytest.MonkeyPatch, piped: str, read: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
    assert read_secret("key") == read


@pytest.mark.parametrize("piped", ["", "\n", "a b", "a\nb", "a\tb", "naïve", "nul\x00"])
def test_a_value_that_is_invalid_in_a_header_is_rejected(monkeypatch: pytest.MonkeyPatch, piped: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
    with pytest.raises(UsageError) as caught:
        read_secret("key of openai")
    assert not piped.strip() or piped not in str(caught.value)


@pytest.mark.parametrize("value", ["a-key\r\nx: y", "a-key of mine", "schlüssel", "a-key\x00", " "])
def test_an_invalid_value_of_a_variable_is_rejected(value: str) -> None:
    with pytest.raises(UsageError, match="TOLLGATE_KEY") as caught:
        checked("TOLLGATE_KEY", value)
    assert not value.strip() or value not in str(caught.value)


def test_undecodable_stdin_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sk-\xff\xfe"), encoding="utf-8"))
    with pytest.raises(UsageError, match="printable ASCII"):
        read_secret("key")


@contextmanager
def server(body: bytes | None) -> Iterator[str]:
    """URL of a server that responds to everything with 200 and `body`; None: it closes the connection instead."""

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

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


MODEL = {"sk": "small", "prices": {"standard": [{"input": 1, "output": 2}]}}


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"<h1>Sign in", "<h1>Sign in"), (b"", "empty response"), (b"[1]", "[1]"), (None, "no response")],
)
def test_a_response_without_a_json_object_fails_the_check(body: bytes | None, message: str) -> None:
    """A captive portal or a proxy responds with 200, too."""
    with server(body) as url:
        settings = Provider(kind="openai", base_url=OPENAI)
        checked_provider = _called(urllib3.PoolManager(retries=False), url, "key", "openai", settings, MODEL)
    assert checked_provider.ok is False
    assert checked_provider.error is not None
    assert checked_provider.error.startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"<h1>Sign in", "is not a gateway"), (b"{}", "is not a gateway"), (None, "did not respond: ProtocolError")],
)
def test_a_server_that_is_not_a_gateway(body: bytes | None, message: str) -> None:
    with server(body) as url, pytest.raises(ServiceError, match=message):
        _usable(urllib3.PoolManager(retries=False), url, "key")


def test_an_unreachable_gateway() -> None:
    with pytest.raises(ServiceError, match="did not respond: NewConnectionError"):
        _usable(urllib3.PoolManager(retries=False), "http://127.0.0.1:9", "key")


def test_no_response_from_secrets_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with server(None) as url:
        session = Session(Options(environment="none", region="eu-west-1", endpoint_url=url), Output())
        with pytest.raises(ServiceError, match="may or may not be set") as caught:
            _put(session, "openai", "a-secret", "sk-not-to-be-told")
    assert "tollgate providers list" in str(caught.value)
    assert "sk-not-to-be-told" not in str(caught.value)
