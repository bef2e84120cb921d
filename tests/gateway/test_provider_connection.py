"""Providers that break HTTP: no caller gets another caller's response, nothing unsent is charged, no call hangs."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import create_server, socket
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lambda_src.contract import Provider, Route
from lambda_src.core.counters import Counters
from lambda_src.core.provider_call import NoResponse, ProviderCall, ProviderResponse
from lambda_src.edges.aws import AwsClient
from lambda_src.edges.provider_client import ProviderClient
from lambda_src.edges.secrets import Secrets
from tests.bench import Bench, chat, error_of, request
from tests.gateway.conftest import rows_of, send

ROUTE = Route("chat", "POST", "/v1/chat/completions", "openai")
Behaviour = Callable[[socket, bytes], None]
"""What a server does on a connection when it has received a request with this body."""


def request_body(connection: socket) -> bytes | None:
    """The body of the next request; None at the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        if not part:
            return None
        received += part
    head, body = received.split(b"\r\n\r\n", 1)
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return body


@contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[socket]]]:
    """A server on loopback: its port, and the connections it has accepted."""
    accepted: list[socket] = []

    def handle(connection: socket) -> None:
        try:
            connection = connection if tls is None else tls.wrap_socket(connection, server_side=True)
            while (body := request_body(connection)) is not None:
                behaviour(connection, body)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append(connection)
            Thread(target=handle, args=(connection,), daemon=True).start()

    with create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], accepted
    for connection in accepted:
        connection.close()


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


@pytest.fixture
def client(bench: Bench) -> ProviderClient:
    aws = AwsClient(bench.cloud.environment())
    return ProviderClient(aws, Secrets(aws), retries=0)


def call(
    client: ProviderClient, port: int, body: bytes, seconds: float = 30.0, scheme: str = "http"
) -> ProviderResponse:
    provider = Provider(kind="openai", base_url=f"{scheme}://127.0.0.1:{port}/v1")
    sent = ProviderCall(provider=provider, route=ROUTE, model="m", headers={}, trace_headers={}, body=body)
    return client.send(sent, time.monotonic() + seconds, Counters())


def early_hints(connection: socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
    time.sleep(0.05)
    connection.sendall(ok(body))


def many_interim_responses(connection: socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" * 10 + ok(body))


def body_after_204(connection: socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 204 No Content\r\ncontent-length: %d\r\n\r\n%s" % (len(body), ok(body)))


def pipelined(connection: socket, body: bytes) -> None:
    connection.sendall(ok(body) + ok(b"for the next caller"))


def late_second_response(connection: socket, body: bytes) -> None:
    connection.sendall(ok(body))
    time.sleep(0.05)
    connection.sendall(ok(b"for the next caller"))


def bytes_after_chunks(connection: socket, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    connection.sendall(head + b"%x\r\n%s\r\n0\r\n\r\n%s" % (len(body), body, ok(b"for the next caller")))


@pytest.mark.parametrize(
    "behaviour",
    [early_hints, many_interim_responses, pipelined, late_second_response, bytes_after_chunks],
)
def test_every_caller_gets_its_own_response(client: ProviderClient, behaviour: Behaviour) -> None:
    with serving(behaviour) as (port, _):
        for number in range(4):
            body = b'{"caller":%d}' % number
            response = call(client, port, body)
            assert (response.status, response.body, response.complete) == (200, body, True)
            time.sleep(0.1)


def test_a_body_after_204_is_not_the_next_response(client: ProviderClient) -> None:
    with serving(body_after_204) as (port, accepted):
        for _ in range(3):
            assert (call(client, port, b"{}").status, len(call(client, port, b"{}").body)) == (204, 0)
        assert len(accepted) == 6, "the connection of a 204 is not used again"


def test_a_clean_connection_is_used_again(client: ProviderClient) -> None:
    with serving(lambda connection, body: connection.sendall(ok(body))) as (port, accepted):
        for number in range(5):
            assert call(client, port, b"%d" % number).body == b"%d" % number
        assert len(accepted) == 1


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", b"HTTP/1.1 700 Odd\r\n\r\n", b"HTTP/1.1 99 Odd\r\n\r\n",
     b"HTTP/1.1 102 Processing\r\n\r\n" * 100, b"\x16\x03\x01\x00", b"HTTP/1.1 abc OK\r\n\r\n",
     b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}"],
)  # fmt: skip
def test_a_response_that_is_none_is_an_error(client: ProviderClient, head: bytes) -> None:
    def behave(connection: socket, body: bytes) -> None:
        connection.sendall(head)
        connection.close()

    with serving(behave) as (port, _), pytest.raises(NoResponse) as caught:
        call(client, port, b"{}")
    assert (caught.value.code, caught.value.reached) == ("upstream_reset", True)


@pytest.mark.parametrize("chunks", [b"2\r\n{}XX0\r\n\r\n", b"2\r\n{}\r\n-5\r\nhello\r\n0\r\n\r\n"])
def test_malformed_chunks_truncate_the_response(client: ProviderClient, chunks: bytes) -> None:
    """What follows them may be the next response, or none."""

    def behave(connection: socket, body: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)

    with serving(behave) as (port, accepted):
        for number in (1, 2):
            response = call(client, port, b"{}", seconds=2)
            assert not response.complete
            assert response.body.startswith(b"{}")
            assert len(accepted) == number, "the connection is not used again"


def drip(data: bytes) -> Behaviour:
    def behave(connection: socket, body: bytes) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    return behave


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 100 Continue\r\n\r\n" * 500, b"HTTP/1.1 200 OK\r\nx: " + b"a" * 5_000, b"HTTP" + b" " * 5_000],
)
def test_the_deadline_covers_the_headers(client: ProviderClient, data: bytes) -> None:
    started = time.monotonic()
    with serving(drip(data)) as (port, _), pytest.raises(NoResponse) as caught:
        call(client, port, b"{}", seconds=1.0)
    assert caught.value.code in ("upstream_timeout", "upstream_reset")
    assert time.monotonic() - started < 30, "all headers would take 100 s"


def test_the_deadline_covers_the_body(client: ProviderClient) -> None:
    started = time.monotonic()
    with serving(drip(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"a" * 5_000)) as (port, _):
        response = call(client, port, b"{}", seconds=1.5)
    assert (response.complete, response.truncation_code) == (False, "upstream_timeout")
    assert time.monotonic() - started < 30, "the whole body would take 100 s"


def test_the_rest_of_a_late_response_is_not_the_next_response(client: ProviderClient) -> None:
    """The provider goes on after the deadline: nobody may get what it sends."""

    def behave(connection: socket, body: bytes) -> None:
        if body == b"late":
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            time.sleep(0.6)
            connection.sendall(ok(b"for the next caller"))
        else:
            connection.sendall(ok(body))

    with serving(behave) as (port, accepted):
        response = call(client, port, b"late", seconds=0.4)
        assert (response.body, response.truncation_code) == (b"first", "upstream_timeout")
        assert call(client, port, b"mine").body == b"mine"
        assert len(accepted) == 2


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS context with a certificate that no client trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "provider.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_bytes_that_tls_has_decrypted_are_not_the_next_response(
    client: ProviderClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second response in the same TLS record: the socket has no bytes left, and the TLS connection has."""
    tls = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "provider.pem"))

    def behave(connection: socket, body: bytes) -> None:
        connection.sendall(ok(body * 1_000)[:9_000])
        connection.sendall(ok(body * 1_000)[9_000:] + ok(b"for the next caller"))

    with serving(behave, tls) as (port, accepted):
        for number in range(3):
            body = b'{"caller":%d}' % number
            assert call(client, port, body, scheme="https").body == body * 1_000
        assert len(accepted) == 3, "a connection with more bytes is not used again"


def untrusted(connection: socket, folder: Path) -> None:
    certificate(folder).wrap_socket(connection, server_side=True)


def closed(connection: socket, folder: Path) -> None:
    connection.recv(100)
    connection.close()


def garbage(connection: socket, folder: Path) -> None:
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.close()


def cut_handshake(connection: socket, folder: Path) -> None:
    connection.recv(100)
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02\x00")
    connection.close()


@pytest.mark.parametrize("fault", [untrusted, closed, garbage, cut_handshake])
def test_a_failed_tls_handshake_charges_nothing(bench: Bench, tmp_path: Path, fault: Callable[..., None]) -> None:
    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                fault(connection, tmp_path)
            except (OSError, ssl.SSLError):
                if listener.fileno() < 0:
                    return

    consumer = f"tls-{fault.__name__.replace('_', '-')}"
    with create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        gateway = bench.gateway(upstream_retries=0)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        gateway.config.providers["openai"] = Provider(kind="openai", base_url=url, secret="bench/openai")
        response = send(gateway, request(bench.add_consumer(consumer), chat()))
    assert response.status == 502
    assert error_of(response)["code"] in ("upstream_tls", "upstream_unreachable")
    (row,) = rows_of(bench, response)
    assert (row["settlement"], row["cost_nano_usd"]) == ("settled", 0), "no byte of the request was sent"
    assert bench.in_flight(consumer) == 0
