"""A provider that streams as many events as the model's name says, as fast as it says.

    .venv/bin/python -m benchmarks.stream_provider

It prints its URL. Models: `chunks-20` (20 events, one each millisecond) and `mb-100` (100 MB of events, as fast as they
are read). A chat completion that is not streamed is short.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

from benchmarks.answers import Answer, answers

INTERVAL_SECONDS: Final = 0.001
_WRITE_BYTES: Final = 65_536
_STREAMS: Final = {
    "/chat/completions": "chat stream",
    "/responses": "responses stream",
    "/messages": "messages stream",
    "/converse-stream": "converse stream",
}
_ANSWERS: Final = {answer.name: answer for answer in answers()}
_ENDS: Final = {"messages stream": b'event: message_stop\ndata: {"type":"message_stop"}\n\n'}
_WHOLE: Final = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 40}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 70, "completion_tokens": 50, "total_tokens": 120},
    }
).encode()


async def serve_requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to the requests of a connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(lines.get("content-length", "0")))
            await _respond(writer, head.split(" ")[1], json.loads(body or b"{}"))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _respond(writer: asyncio.StreamWriter, path: str, body: dict[str, object]) -> None:
    name = next((name for end, name in _STREAMS.items() if path.endswith(end)), "")
    binary = name == "converse stream"
    if body.get("stream") is not True and not binary:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(_WHOLE), _WHOLE))
        await writer.drain()
        return
    media_type = b"application/vnd.amazon.eventstream" if binary else b"text/event-stream"
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % media_type)
    model = path.split("/")[2] if binary else str(body["model"])
    kind, _, number = model.rpartition("-")
    answer = _ANSWERS[name]
    _write(writer, answer.start)
    await (_chunks if kind == "chunks" else _megabytes)(writer, answer, int(number))
    _write(writer, answer.end + _ENDS.get(name, b""))
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _chunks(writer: asyncio.StreamWriter, answer: Answer, count: int) -> None:
    clock = asyncio.get_running_loop().time
    due = clock()
    for number in range(count):
        # LiteLLM ends a stream that repeats a chunk.
        _write(writer, answer.unit.replace(b"word ", b"%04d " % number))
        await writer.drain()
        due += INTERVAL_SECONDS
        await asyncio.sleep(due - clock())


async def _megabytes(writer: asyncio.StreamWriter, answer: Answer, count: int) -> None:
    part = answer.unit * (_WRITE_BYTES // len(answer.unit))
    for _ in range(count * 1_000_000 // len(part)):
        _write(writer, part)
        await writer.drain()


def _write(writer: asyncio.StreamWriter, part: bytes) -> None:
    if part:
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))


async def main() -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(serve_requests, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
