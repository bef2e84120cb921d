"""Requests that go on while a deployment changes."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import urllib3

_COST = re.compile(rb"^: x-tollgate-cost-usd: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. whole: whether it was sent when its cost was known. complete: whether it has its end."""

    status: int
    stream: bool
    whole: bool
    complete: bool
    request_id: str
    cost_usd: str


@contextlib.contextmanager
def traffic(url: str, key: str, threads: int = 3) -> Iterator[list[Answer]]:
    """Send chat completions, plain and streamed, until the block ends. It begins and ends with one of each thread."""
    answers: list[Answer] = []
    pool, stopped = urllib3.PoolManager(retries=False, maxsize=threads), threading.Event()
    begun = threading.Barrier(threads + 1)

    def send(*, stream: bool) -> Answer:
        body = {"model": "standin-small", "max_tokens": 20, "stream": stream,
                "messages": [{"role": "user", "content": "Hello"}]}  # fmt: skip
        headers = {"x-api-key": key, "content-type": "application/json"}
        response = pool.request("POST", f"{url}/v1/chat/completions", body=json.dumps(body), headers=headers)
        header, comment = response.headers.get("x-tollgate-cost-usd"), _COST.search(response.data)
        end = b"data: [DONE]\n\n" if stream else b'"usage"'
        return Answer(
            response.status,
            stream,
            header is not None,
            end in response.data,
            response.headers.get("x-tollgate-request-id", ""),
            header or (comment[1].decode() if comment else ""),
        )

    def work() -> None:
        answers.append(send(stream=False))
        begun.wait(30)
        while not stopped.is_set():
            answers.extend(send(stream=stream) for stream in (True, False))
            stopped.wait(0.1)  # else they would be an expensive hour, and hide the one of a test
        answers.append(send(stream=True))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    begun.wait(30)
    try:
        yield answers
    finally:
        stopped.set()
        for worker in workers:
            worker.join(30)
