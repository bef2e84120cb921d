"""The official SDK works with the stand-in's OpenAI dialect."""

from __future__ import annotations

import openai
import pytest

from local.provider.server import StandInProvider

HELLO = [{"role": "user", "content": "Hello, world!"}]  # "user" 1 token, "Hello, world!" 13 bytes = 4 tokens
ECHO = "You said: Hello, world!"  # 23 bytes = 6 tokens


def chat(oai: openai.OpenAI, model: str = "standin-small", **more: object) -> openai.types.chat.ChatCompletion:
    return oai.chat.completions.create(model=model, messages=HELLO, **more)


def test_chat(oai: openai.OpenAI) -> None:
    response = chat(oai)
    assert response.choices[0].message.content == ECHO
    assert (response.object, response.model, response.service_tier) == ("chat.completion", "standin-small", "default")
    assert response.choices[0].finish_reason == "stop"
    assert (response.usage.prompt_tokens, response.usage.completion_tokens, response.usage.total_tokens) == (5, 6, 11)


def test_equal_requests_get_equal_responses(oai: openai.OpenAI) -> None:
    first, second = (chat(oai).model_dump() for _ in range(2))
    assert first.pop("id") != second.pop("id")
    assert first == second


def test_n_stop_and_max_completion_tokens(oai: openai.OpenAI) -> None:
    response = chat(oai, n=2, max_completion_tokens=3)
    assert [choice.message.content for choice in response.choices] == ["1. You said:", "2. You said:"]
    assert [choice.finish_reason for choice in response.choices] == ["length", "length"]
    assert response.usage.completion_tokens == 6
    stopped = chat(oai, stop=[","])
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("You said: Hello", "stop")


@pytest.mark.parametrize("maximum", ["max_tokens", "max_completion_tokens"])
def test_long_output_ends_at_the_limit(oai: openai.OpenAI, maximum: str) -> None:
    response = chat(oai, "standin-long", **{maximum: 123})
    assert (response.usage.completion_tokens, response.choices[0].finish_reason) == (123, "length")
    assert chat(oai, "standin-long-321").usage.completion_tokens == 321


def test_streams_report_usage_only_on_request(oai: openai.OpenAI) -> None:
    chunks = list(chat(oai, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ECHO
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)

    *chunks, last = chat(oai, stream=True, stream_options={"include_usage": True})
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert last.choices == []
    assert last.usage.total_tokens == 11


def test_inline_usage_is_in_the_last_chunk_with_choices(oai: openai.OpenAI) -> None:
    *chunks, last = chat(oai, "standin-inline-usage", stream=True)
    assert last.choices[0].finish_reason == "stop"
    assert last.usage.total_tokens == 11
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)


def test_special_tokens_are_included_in_the_totals(oai: openai.OpenAI, provider: StandInProvider) -> None:
    messages = [{"role": "user", "content": "x" * 396}]  # 1 + 99 tokens
    model = "gpt-5-mini+cached+cachewrite+audio+image+reasoning"
    usage = oai.chat.completions.create(model=model, messages=messages, max_completion_tokens=50).usage
    assert usage.prompt_tokens == 100
    assert usage.prompt_tokens_details.cached_tokens == 50
    assert usage.prompt_tokens_details.cache_write_tokens == 25
    assert usage.prompt_tokens_details.audio_tokens == 20
    assert usage.prompt_tokens_details.image_tokens == 5
    assert usage.completion_tokens == 50  # 7 + 100 // 3 = 40 reasoning tokens leave 10 for the text
    assert usage.completion_tokens_details.reasoning_tokens == 40
    assert usage.completion_tokens_details.audio_tokens == 5
    tokens = provider.calls()[0].tokens
    assert (tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h) == (0, 50, 25, 0)
    assert (tokens.input_audio, tokens.input_image) == (20, 5)
    assert (tokens.output, tokens.output_audio, tokens.reasoning) == (45, 5, 40)


def test_service_tier(oai: openai.OpenAI) -> None:
    assert chat(oai, service_tier="flex").service_tier == "flex"
    assert chat(oai, "standin-tier-priority", service_tier="flex").service_tier == "priority"
    assert oai.responses.create(model="a", input="b", service_tier="auto").service_tier == "default"


def test_responses(oai: openai.OpenAI) -> None:
    response = oai.responses.create(model="standin-reasoning", input="Hello, world!", instructions="Be kind.")
    assert (response.status, response.output_text) == ("completed", ECHO)
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage.input_tokens == 6  # 4 + 2
    assert response.usage.output_tokens_details.reasoning_tokens == 9
    assert (response.usage.output_tokens, response.usage.total_tokens) == (15, 21)


def test_responses_stream(oai: openai.OpenAI) -> None:
    with oai.responses.stream(model="standin-cached+reasoning", input=HELLO) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ECHO
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert final.output_text == ECHO
    assert (final.usage.input_tokens, final.usage.input_tokens_details.cached_tokens) == (5, 2)


def test_responses_at_the_limit_are_incomplete(oai: openai.OpenAI) -> None:
    arguments = {"model": "standin-long", "input": "go", "max_output_tokens": 40}
    response = oai.responses.create(**arguments)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    *_, last = oai.responses.create(**arguments, stream=True)
    assert (last.type, last.response.usage.output_tokens) == ("response.incomplete", 40)


def test_embeddings(oai: openai.OpenAI) -> None:
    # The SDK requests base64 by default. Both encodings contain the same numbers.
    texts = ["Hello, world!", "Goodbye"]
    encoded = oai.embeddings.create(model="standin-embedding", input=texts)
    plain = oai.embeddings.create(model="standin-embedding", input=texts, encoding_format="float")
    assert [row.embedding for row in encoded.data] == [row.embedding for row in plain.data]
    assert encoded.data[0].embedding != encoded.data[1].embedding
    assert (encoded.usage.prompt_tokens, encoded.usage.total_tokens) == (6, 6)
    tokens = oai.embeddings.create(model="standin-embedding", input=[[1, 2, 3], [4, 5]], dimensions=12)
    assert (tokens.usage.prompt_tokens, len(tokens.data), len(tokens.data[0].embedding)) == (5, 2, 12)


def test_embeddings_have_a_maximum_of_dimensions(oai: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        oai.embeddings.create(model="standin-embedding", input="a", dimensions=10**9)


def test_models(oai: openai.OpenAI) -> None:
    assert "standin-small" in [model.id for model in oai.models.list()]
    assert oai.models.retrieve("gpt-5-mini").id == "gpt-5-mini"


def test_wrong_and_missing_keys(provider: StandInProvider, oai: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as error:
        chat(oai.with_options(api_key="sk-wrong-secret"))
    assert error.value.code == "invalid_api_key"
    assert "sk-wrong-secret" not in str(error.value)
    with pytest.raises(openai.AuthenticationError, match="didn't provide an API key"):
        chat(oai, extra_headers={"Authorization": openai.Omit()})
    assert [call.status for call in provider.calls()] == [401, 401]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"messages": []}, "messages"),
        ({"model": ""}, "model"),
        ({"n": 0}, "'n'"),
        ({"n": 129}, "'n'"),
        ({"stop": [{}]}, "stop"),
        ({"max_tokens": "many"}, "max_tokens"),
    ],
)
def test_requests_that_openai_would_reject(oai: openai.OpenAI, change: dict[str, object], words: str) -> None:
    arguments = {"model": "standin-small", "messages": HELLO} | change
    with pytest.raises(openai.BadRequestError, match=words):
        oai.chat.completions.create(**arguments)


def test_a_misspelled_word_is_an_unknown_model(oai: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no-usage") as error:
        chat(oai, "gpt-5-mini+no-usage")
    assert error.value.code == "model_not_found"
