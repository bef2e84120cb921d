"""A stand-in for OpenAI, Anthropic and Bedrock: their responses, errors and faults, with an exact call log.

    python -m local.provider.cli serve --port 8099

`GET /_standin/calls` returns the call log (`DELETE` clears it), `GET /_standin/totals` its sums. Responses echo the
last user message. Equal requests get equal text and token counts: a token is four bytes of UTF-8, and the input never
has more tokens than the request has bytes. A prompt with `[[call NAME ARGUMENTS]]`, where ARGUMENTS is JSON, calls the
declared tool NAME; once the tool's result is there, the response reports it.

Any model name works. `NAME+word+word…` scripts the behaviour, and `standin-word` is short for `standin+word`
(`standin-slow-3+cut`, `gpt-5-mini+cached+nousage`). Numbers are examples; the default is 2.

| word | behaviour |
| --- | --- |
| `429`, `500`, … | respond with that status (400 to 599), in the dialect's error shape |
| `503-then-ok`, `503-then-ok-2` | fail once (twice), then respond, repeatedly; counted per identical request body |
| `retry-after-3` | errors carry `retry-after: 3` |
| `slow-3` | wait 3 seconds before the response or the error |
| `drip-3` | spread a stream's events over 3 seconds |
| `pause-3` | send nothing for 3 seconds in the middle of a stream |
| `stepped` | send each event of a stream only after `StandInProvider.release`, for tests |
| `cut` | close the connection half-way through the body or the stream |
| `reset` | read the request, then reset the connection without a response |
| `garbage` | status 200 and a body that is not JSON |
| `error-event` | half of a stream, then the dialect's error event (no effect on responses that are not streamed) |
| `nousage` | omit usage |
| `inline-usage` | OpenAI chat streams: usage in the last chunk with choices, requested or not |
| `cached` | half of the input is read from the cache |
| `cachewrite` | a quarter of the input is written to a 5-minute cache, a seventh to a 1-hour cache (OpenAI: one kind) |
| `reasoning` | reasoning tokens in the output, and thinking blocks where the dialect has them |
| `audio`, `image` | OpenAI chat: some of the input (and output) is audio, some of the input an image |
| `long`, `long-5000` | generate 2,000 (5,000) tokens, or as many as the request allows |
| `heedless` | ignore the request's output token limit |
| `tier-flex` | report this service tier, whichever was requested |
| `as-mistral` | chat completions of another server (`local.provider.servers`): its fields, usage and tiers |

The provider bills the tokens it generated, delivered or not (`ServedCall.tokens`). Errors and resets are not billed.
Requests need the keys in `protocol.StandInKeys`; Bedrock requests must be signed.
"""

from __future__ import annotations

import argparse
import sys
import threading

from local.provider.server import StandInProvider


def main(arguments: list[str]) -> int:
    """`serve`: print the base URL once the server listens, and serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m local.provider.cli", description=(__doc__ or "").partition("\n")[0]
    )
    serve = parser.add_subparsers(dest="command", required=True).add_parser("serve", help="serve until interrupted")
    serve.add_argument("--port", type=int, default=8099, help="port to listen on; 0 takes a free one (default 8099)")
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
