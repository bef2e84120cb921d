"""The table of errors as the SDKs see it: what they raise, and how many calls the provider receives.

Every row of the table is brought about for every SDK, plain and streamed. Nothing that may have been billed is sent
again, no SDK repeats what the gateway has repeated already, and what an SDK repeats succeeds.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lambda_src.core.error_causes import CAUSES
from local.cloud.client import Cloud
from local.provider.server import StandInProvider
from tests.bench import Bench, create_table
from tests.money.api_gateway import REJECTIONS
from tests.money.conftest import SECRETS
from tests.money.error_cases import CASES, Case
from tests.money.front import Front, running, serving
from tests.money.light_clients import CLIENTS, Call, Failure, LightClient
from tests.money.test_crash import sweep_later

STATUS_EXCEPTIONS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    408: "APIStatusError",
    413: "APIStatusError",
    415: "APIStatusError",
    422: "UnprocessableEntityError",
    424: "APIStatusError",
    429: "RateLimitError",
    500: "InternalServerError",
    502: "InternalServerError",
    503: "InternalServerError",
    504: "InternalServerError",
}
ANTHROPIC_EXCEPTIONS = STATUS_EXCEPTIONS | {
    408: "RequestTimeoutError",
    413: "ContentTooLargeError",
    503: "ServiceUnavailableError",
    504: "GatewayTimeoutError",
}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def front(cloud: Cloud, provider: StandInProvider) -> Iterator[Front]:
    """All clients' gateways."""
    bench = Bench(cloud, provider.url, create_table(cloud))
    for name, value in SECRETS.items():
        bench.put_secret(name, value)
    with running(bench, provider) as started:
        yield started


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}: {case.says}")
def test_every_cause_reaches_the_user_and_stops_the_client(front: Front, case: Case) -> None:
    run = f"c{next(_numbers)}"
    clients = [client for client in CLIENTS if client.name in case.clients]
    front.provider.clear()
    with ThreadPoolExecutor(len(clients)) as pool:
        for found in [pool.submit(run_case, front, case, client, f"{run}-{client.name}") for client in clients]:
            found.result()
    if case.down == "sandbox":
        sweep_later(front.bench)
    for client in clients:
        check_rows(front, case, f"{run}-{client.name}")


def test_no_cause_is_without_a_case() -> None:
    assert {case.code for case in CASES} == set(CAUSES)


def run_case(front: Front, case: Case, client: LightClient, consumer: str) -> None:
    """Send the requests of a case with one client, and check what its user sees."""
    server = front.servers[client.name]
    server.key_id = front.add_caller(case, consumer)
    minute = int(time.time()) // 60 * 60_000
    late, later = minute + 59_000, minute + 61_000
    if case.after_one:
        server.next_times = [late]
        assert client.call(call_of(case, client, server.url)) is None
        front.bench.aggregate()
    for stream in (False,) if case.raw is not None else case.streams:
        repeated = case.recovers and stream
        server.requests, before = 0, front.calls(client)
        server.next_times = [late, later] if case.after_one or case.down == "room" else []
        server.next_gateways = [] if case.down is None else [front.broken(case.down, server.key_id, consumer)]
        if case.raw is not None:
            raw_path = client.path if case.raw_path is None else case.raw_path
            failure = client.send_raw(server.url + raw_path, case.raw, list(case.raw_headers))
        else:
            failure = client.call(call_of(case, client, server.url, stream=stream))
        where = f"{client.name}, {'streamed' if stream else 'plain'}: {failure}"
        # The SDK's repetition is one more call.
        counted = (server.requests, front.calls(client) - before)
        assert counted == (1 + repeated, case.calls + repeated), where
        if repeated:
            assert failure is None, where
        else:
            assert failure is not None, where
            check_failure(case, client, failure, stream)


def call_of(case: Case, client: LightClient, url: str, *, stream: bool = False) -> Call:
    """The case's request. Only the streamed one of two is repeated, since repetitions take time."""
    model = case.model if isinstance(case.model, str) else case.model[client.name]
    return Call(
        url=url + case.path,
        model=f"{client.family}-{model}" if isinstance(case.model, str) else model,
        stream=stream,
        fields=case.fields.get(client.name, {}),
        headers=case.headers,
        retry=stream or not case.recovers,
    )


def check_failure(case: Case, client: LightClient, failure: Failure, stream: bool) -> None:
    """Check what the user sees."""
    where = f"{client.name}: {failure}"
    assert re.search(case.says, failure.text), where
    if stream and case.code in ("upstream_cut", "upstream_incomplete"):  # the response had begun
        assert failure.status is None, where
        return
    shapes = CAUSES[case.code].shapes
    if shapes is not None:
        assert (failure.status, failure.type) == shapes[client.dialect], where
        assert failure.code in (case.code, ""), where
    elif case.down == "sandbox":
        rejection = REJECTIONS["INTEGRATION_FAILURE"]
        assert failure.status == rejection.status, where
    else:
        assert case.status is not None
        gateway_repeats = client.dialect == "bedrock" and case.status >= 500
        assert failure.status == (424 if gateway_repeats else case.status), where
    assert failure.exception in ("", exception_of(client, failure)), where


def exception_of(client: LightClient, failure: Failure) -> str:
    """The class that the SDK's documentation names for a status or, for boto3, for a type."""
    assert failure.status is not None
    if client.dialect == "bedrock":
        return "ClientError" if failure.type.isdigit() else failure.type  # API Gateway's own errors have no type
    return (ANTHROPIC_EXCEPTIONS if client.dialect == "anthropic" else STATUS_EXCEPTIONS)[failure.status]


def check_rows(front: Front, case: Case, consumer: str) -> None:
    """Check that each failing request has the row that it should, and that nothing else costs anything."""
    cause, rows = CAUSES[case.code], front.rows(consumer)
    failed = [row for row in rows if row.get("error_code") is not None]
    streams = (False,) if case.raw is not None else case.streams
    assert [row["error_code"] for row in failed] == [case.code] * (len(streams) if case.rows else 0)
    for row in failed:
        assert (row["cost_nano_usd"] > 0) is cause.billed
        assert row["status"] in (cause.status, case.status, 200 if case.code == "upstream_cut" else None)
    # A request that came first, and a repetition.
    assert len(rows) - len(failed) == case.after_one + (case.recovers and True in streams)


def test_the_client_repeats_what_the_gateway_may_not(front: Front) -> None:
    """A provider's `retry-after` beyond the gateway's time limit: the client waits in its place."""
    front.bench.add_model("gpt-later", upstream="standin-429-then-ok+retry-after-1.5")
    front.provider.clear()
    with serving(front.bench.gateway(**front.config)) as server:
        server.key_id = front.bench.add_consumer("later")
        assert CLIENTS[0].call(Call(url=server.url, model="gpt-later")) is None
    assert (server.requests, len(front.provider.calls())) == (2, 2)
    assert sorted(row["cost_nano_usd"] > 0 for row in front.rows("later")) == [False, True]


@pytest.mark.parametrize("response_type", REJECTIONS)
def test_every_rejection_by_api_gateway_reaches_the_user(front: Front, response_type: str) -> None:
    """Its own errors, which reach no function. tests/e2e/ brings them about in a deployment."""
    rejection, consumer = REJECTIONS[response_type], f"r{next(_numbers)}"
    key_id = front.bench.add_consumer(consumer)
    status = rejection.status or (400 if response_type == "DEFAULT_4XX" else 500)
    front.provider.clear()

    def reject(client: LightClient) -> None:
        server = front.servers[client.name]
        server.key_id, server.requests = key_id, 0
        call = Call(url=server.url, model=f"{client.family}-small")
        server.next_rejections = [response_type]
        failure = client.call(replace(call, retry=False))
        assert failure is not None
        kind = str(status) if client.dialect == "bedrock" else rejection.error_type
        assert (failure.status, failure.type) == (status, kind), failure
        assert failure.exception == exception_of(client, failure)
        assert (rejection.message or "API Gateway's own text") in failure.text
        # boto3 goes by the status alone.
        repeats = rejection.retry or (client.dialect == "bedrock" and status in (429, 500, 503))
        server.next_rejections = [response_type]
        assert (client.call(call) is None) is repeats
        assert (server.requests, front.calls(client)) == ((3, 1) if repeats else (2, 0))

    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        list(pool.map(reject, CLIENTS))
