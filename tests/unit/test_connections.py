"""Connections that are kept by origin."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from threading import Thread

import pytest

from lambda_src.edges.aws import AwsClient, AwsError
from lambda_src.edges.connections import ConnectionPool, new_connection, origin_of
from tests.gateway.test_provider_connection import request_body

ENVIRONMENT = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://bedrock-runtime.eu-west-1.amazonaws.com/model", "bedrock-runtime.eu-west-1.amazonaws.com"),
        ("http://ollama.internal/v1", "ollama.internal"),
        ("https://vllm.internal:8443/v1", "vllm.internal:8443"),
        ("http://127.0.0.1:443/", "127.0.0.1:443"),
        ("https://[::1]:80/", "[::1]:80"),
    ],
)
def test_host_is_the_one_that_is_signed(url: str, host: str) -> None:
    """AWS rejects the signature of a request whose `Host` has a port that the signature lacks."""
    ours, theirs = socket.socketpair()
    connection = new_connection(origin_of(url))
    connection.sock = ours
    connection.request("POST", "/", body=b"{}")
    assert f"\r\nHost: {host}\r\n".encode() in theirs.recv(65_536)
    connection.close()
    theirs.close()


@pytest.fixture
def server() -> Iterator[tuple[str, list[socket.socket], list[bytes]]]:
    """A server: its URL, the connections it accepted, and the responses it sends next, one to each request."""
    accepted: list[socket.socket] = []
    responses: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        try:
            while request_body(connection) is not None and responses:
                connection.sendall(responses.pop(0))
        except OSError:
            pass
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append(connection)
            Thread(target=handle, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", accepted, responses
    for connection in accepted:
        connection.close()


def ok(body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (more, len(body), body)


def call(url: str, client: AwsClient, seconds: float = 5.0) -> dict[str, object]:
    return client.call("dynamodb", "DynamoDB_20120810.GetItem", {}, deadline=time.monotonic() + seconds)


def test_aws_calls_share_a_connection(server: tuple[str, list[socket.socket], list[bytes]]) -> None:
    url, accepted, responses = server
    client = AwsClient({**ENVIRONMENT, "AWS_ENDPOINT_URL": url})
    responses += [ok(b'{"a":1}'), ok(b'{"a":2}'), ok(b'{"a":3}', b"connection: close\r\n"), ok(b'{"a":4}')]
    assert [call(url, client)["a"] for _ in range(4)] == [1, 2, 3, 4]
    assert len(accepted) == 2


@pytest.mark.parametrize(
    "response",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n"],
    ids=["closed", "garbage", "short", "cut head"],
)
def test_a_call_without_a_whole_response_may_be_executed(
    server: tuple[str, list[socket.socket], list[bytes]], response: bytes
) -> None:
    url, accepted, responses = server
    client = AwsClient({**ENVIRONMENT, "AWS_ENDPOINT_URL": url})
    responses += [response] if response else []
    with pytest.raises(AwsError) as raised:
        client._attempt("dynamodb", {}, b"{}", time.monotonic() + 0.5)
    assert (raised.value.code, raised.value.may_be_executed) == ("Unreachable", True)
    accepted[0].close()
    responses[:] = [ok(b"{}")]
    assert call(url, client) == {}
    assert len(accepted) == 2, "the connection is not used again"


def test_a_call_that_could_not_be_sent_is_not_executed() -> None:
    client = AwsClient({**ENVIRONMENT, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    for seconds in (0.2, 0.0):
        with pytest.raises(AwsError) as raised:
            client._attempt("dynamodb", {}, b"{}", time.monotonic() + seconds)
        assert (raised.value.code, raised.value.may_be_executed) == ("Unreachable", False)


def test_a_connection_that_the_server_closed_is_not_used_again(
    server: tuple[str, list[socket.socket], list[bytes]],
) -> None:
    url, accepted, responses = server
    pool, origin = ConnectionPool(1.0), origin_of(url)
    connection = pool.take(origin, time.monotonic() + 5)
    connection.request("POST", "/", body=b"")  # it has no response: the server closes
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the moment
        connection.getresponse()
    fresh = pool.take(origin, time.monotonic() + 5)
    pool.keep(origin, fresh)
    while not accepted[1:]:
        time.sleep(0.01)
    accepted[1].shutdown(socket.SHUT_RDWR)
    time.sleep(0.05)
    responses += [ok(b"{}")]
    other = pool.take(origin, time.monotonic() + 5)
    assert other is not fresh
    other.close()
