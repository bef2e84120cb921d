"""The official SDK works with the stand-in's Anthropic dialect."""

from __future__ import annotations

import anthropic
import pytest

from local.provider.server import StandInProvider

HELLO = [{"role": "user", "content": [{"type": "text", "text": "Hello, world!"}]}]  # user 1, text 1, the text 4
ECHO = "You said: Hello, world!"


def create(claude: anthropic.Anthropic, model: str = "standin-small", **more: object) -> anthropic.types.Message:
    return claude.messages.create(**{"model": model, "messages": HELLO, "max_tokens": 100, **more})


def test_message(claude: anthropic.Anthropic) -> None:
    response = create(claude, system="Be kind.")
    assert [block.text for block in response.content] == [ECHO]
    assert (response.stop_reason, response.model) == ("end_turn", "standin-small")
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.service_tier) == (8, 6, "standard")


def test_max_tokens_and_stop_sequences(claude: anthropic.Anthropic) -> None:
    short = create(claude, max_tokens=2)
    assert (short.content[0].text, short.stop_reason, short.usage.output_tokens) == ("You said", "max_tokens", 2)
    stopped = create(claude, stop_sequences=[","])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", ",")
    assert stopped.content[0].text == "You said: Hello"


def test_stream(claude: anthropic.Anthropic, provider: StandInProvider) -> None:
    arguments = {"model": "standin-small", "messages": HELLO, "max_tokens": 100}
    with claude.messages.stream(**arguments) as stream:
        assert "".join(stream.text_stream) == ECHO
        final = stream.get_final_message()
    assert (final.usage.input_tokens, final.usage.output_tokens, final.stop_reason) == (6, 6, "end_turn")
    kinds = [event.type for event in claude.messages.create(**arguments, stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert [call.stream for call in provider.calls()] == [True, True]


@pytest.mark.parametrize("streamed", [False, True])
def test_cache_classes_are_reported_separately(
    claude: anthropic.Anthropic, provider: StandInProvider, streamed: bool
) -> None:
    messages = [{"role": "user", "content": "x" * 396}]
    arguments = {"model": "standin-cached+cachewrite", "messages": messages, "max_tokens": 9}
    if streamed:
        with claude.messages.stream(**arguments) as stream:
            usage = stream.get_final_message().usage
    else:
        usage = claude.messages.create(**arguments).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (11, 50, 39)
    assert usage.cache_creation.ephemeral_5m_input_tokens == 25
    assert usage.cache_creation.ephemeral_1h_input_tokens == 14
    tokens = provider.calls()[0].tokens
    assert (tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h) == (11, 50, 25, 14)


def test_thinking(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="standin-reasoning", messages=HELLO, max_tokens=100) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].thinking
    assert final.usage.output_tokens_details.thinking_tokens == 9
    assert final.usage.output_tokens == 15


def test_count_tokens_matches_the_message(claude: anthropic.Anthropic, provider: StandInProvider) -> None:
    counted = claude.messages.count_tokens(model="standin-small", messages=HELLO)
    assert counted.input_tokens == create(claude).usage.input_tokens == 6
    assert provider.calls()[0].tokens.total_input == 0  # counting is not billed


def test_the_key_is_accepted_in_either_header(claude: anthropic.Anthropic) -> None:
    no_bearer = {"Authorization": anthropic.Omit(), "x-api-key": "sk-standin-anthropic"}
    assert create(claude.with_options(default_headers=no_bearer)).usage.output_tokens == 6
    with pytest.raises(anthropic.AuthenticationError, match="x-api-key header is required"):
        create(claude.with_options(default_headers={"Authorization": anthropic.Omit()}))


def test_invalid_requests(claude: anthropic.Anthropic, provider: StandInProvider) -> None:
    with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
        create(claude.with_options(api_key="sk-wrong"))
    with pytest.raises(anthropic.BadRequestError, match="anthropic-version"):
        create(claude.with_options(default_headers={"anthropic-version": ""}))
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
        claude.post("/v1/messages", body={"model": "standin-small", "messages": HELLO}, cast_to=object)
    assert [call.status for call in provider.calls()] == [401, 400, 400]


def test_overloaded_as_a_status_and_as_an_event(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError) as error:
        create(claude, "standin-529")
    assert (error.value.status_code, error.value.type) == (529, "overloaded_error")
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(create(claude, "standin-error-event", stream=True))
