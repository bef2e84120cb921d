"""A stand-in for OpenAI, Anthropic and Bedrock: their shapes, their errors, their faults, and an exact account.

    with Provider.start() as provider:
        OpenAI(base_url=f"{provider.url}/v1", api_key="sk-standin-openai")
        provider.calls()

or `python -m local.provider.cli serve --port 8099`, whose account is at `GET /_standin/calls` (`DELETE` clears it) and
`GET /_standin/totals`. Answers echo the last user message; the same request always has the same text and counts:
a token is four bytes of UTF-8, and the input never has more tokens than the request has bytes.

Any model name works. `NAME+word+word…` scripts what happens, and `standin-word` is short for `standin+word`
(`standin-slow-3+cut`, `gpt-5-mini+cached+nousage`). Numbers are examples; where they are left out they are 2.

| word | what the provider does |
| --- | --- |
| `429`, `500`, … | answers with that status (400 to 599), in the dialect's own error shape |
| `503-then-ok`, `503-then-ok-2` | fails once (twice), then answers; counted per identical request body, over and over |
| `retry-after-3` | errors carry `retry-after: 3` |
| `slow-3` | waits 3 seconds before it answers (also before an error) |
| `drip-3` | spreads a stream's events over 3 seconds |
| `cut` | closes the connection half-way through the body or the stream |
| `reset` | reads the request, then resets the connection without an answer |
| `garbage` | status 200 and a body that is not JSON |
| `error-event` | half of a stream, then the dialect's error event (no effect on a plain answer) |
| `nousage` | leaves usage out |
| `inline-usage` | OpenAI chat streams: usage on the last chunk with choices, asked for or not |
| `cached` | half of the input is read from a cache |
| `cachewrite` | a quarter of the input is written to a 5-minute cache, a seventh to a 1-hour cache (OpenAI: one kind) |
| `reasoning` | thinks first: reasoning tokens inside the output, thinking blocks where the dialect has them |
| `audio`, `image` | OpenAI chat: some of the input (and output) is audio, some of the input an image |
| `long`, `long-5000` | generates 2,000 (5,000) tokens, or as many as the request allows |
| `heedless` | takes no notice of the output maximum that the request names |
| `tier-flex` | reports this service tier, whatever was asked for |

The provider bills what it generated, delivered or not: `Call.tokens`. Errors and resets bill nothing.
Requests need a key as the real ones do (`provider_answer.Keys`); Bedrock's must be signed.
"""

from __future__ import annotations

import argparse
import sys
import threading
from types import TracebackType

from local.provider.call_log import CallLog, ServedCall, totals
from local.provider.server import Server
from local.provider.wire import Keys


class StandInProvider(Server):
    """The running stand-in. url: its base, without a path."""

    @classmethod
    def start(cls, port: int = 0, *, host: str = "127.0.0.1", keys: Keys | None = None) -> StandInProvider:
        """Serve in threads of this process until `stop`; port 0 takes a free one. OSError where it is taken."""
        provider = cls(host, port, keys or Keys(), CallLog())
        threading.Thread(target=provider.serve_forever, args=(0.05,), name="standin", daemon=True).start()
        return provider

    @property
    def url(self) -> str:
        """`http://host:port`; add `/v1` for OpenAI's SDK."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def calls(self) -> list[ServedCall]:
        """Copies of all calls since the last `clear`, in order of arrival."""
        return self.log.calls()

    def totals(self) -> dict[str, object]:
        """Sums over `calls()`: see `provider_calls.totals`."""
        return totals(self.calls())

    def clear(self) -> None:
        """Forget all calls."""
        self.log.clear()

    def stop(self) -> None:
        """End at once: open connections are closed, new ones refused."""
        self.shutdown()
        self.server_close()
        self.close_connections()

    def __enter__(self) -> StandInProvider:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main(arguments: list[str]) -> int:
    """`serve`: until interrupted. Prints the base URL when it listens."""
    parser = argparse.ArgumentParser(
        prog="python -m local.provider.cli", description=(__doc__ or "").partition("\n")[0]
    )
    serve = parser.add_subparsers(dest="command", required=True).add_parser("serve", help="serve until interrupted")
    serve.add_argument("--port", type=int, default=8099, help="0 takes a free one (default 8099)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    options = parser.parse_args(arguments)
    with StandInProvider.start(options.port, host=options.host) as provider:
        print(provider.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
