"""Usage objects as tokens in disjoint classes.

Counts that contradict each other are read in the way that costs more, and make the usage doubtful.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lambda_src.core.dialects.parsed_request import JsonObject, objects
from lambda_src.core.dialects.tool_calls import MOST_CALLS
from lambda_src.core.dialects.usage_fields import ANTHROPIC, BEDROCK, OPENAI, Counts, Table
from lambda_src.core.tokens import ReportedUsage, Tokens, read_count


def openai_usage(raw: JsonObject, *, generates: bool, marks_long_cache: bool = False) -> ReportedUsage:
    """Usage of OpenAI's API, whose totals include cached, audio, image and reasoning tokens.

    generates: whether the route has output; without it, all tokens are input. marks_long_cache: whether the request
    marks parts for a cache of an hour, so that what was written costs that if the usage does not say.
    """
    counts = Counts(raw, OPENAI)
    stated, total = counts.number("input"), counts.number("total")
    read, miss = counts.number("cache_read"), counts.get("cache_miss")
    whole = stated or (0 if miss is None else read + miss)
    if not generates:
        counts.doubtful |= 0 < total != whole > 0
        whole = max(whole, total)
    longest, written = counts.number("cache_write_1h"), counts.number("cache_write")
    if marks_long_cache and written and counts.get("cache_write_1h") is None:
        longest, counts.doubtful = written, True
    audio, image = counts.number("input_audio"), counts.number("input_image")
    counts.doubtful |= (bool(miss) and read + (miss or 0) != whole) or 0 < written < longest
    written = max(written, longest)
    parts = read + written + audio + image
    output = counts.get("output") if generates else 0
    # Parts larger than the whole lie beside it, which the total may confirm.
    confirmed = output is not None and total == whole + parts + output
    counts.doubtful |= parts > whole > 0 and not confirmed
    tokens = Tokens(
        input=whole if parts > whole else max(whole - parts, miss or 0),
        cache_read=read,
        cache_write_5m=written - longest,
        cache_write_1h=longest,
        input_audio=audio,
        input_image=image,
    )
    if output is not None:
        tokens += _openai_output(counts, output, whole, tokens.total_input, total)
    has_input = whole > 0 and "input" not in counts.garbled
    has_output = not generates or counts.is_final("output")
    return ReportedUsage(tokens, has_input, has_output, counts.doubtful, total, raw=raw)


def _openai_output(counts: Counts, output: int, whole: int, total_input: int, total: int) -> Tokens:
    """The output of OpenAI's API. Some servers count reasoning only in the total, or beside the completion."""
    reasoning, audio = counts.number("reasoning"), counts.number("output_audio")
    if reasoning and total == whole + output + reasoning:
        output += reasoning
    elif reasoning > output:
        output, counts.doubtful = output + reasoning, True
    if whole and total and total not in (whole + output, total_input + output):
        output, counts.doubtful = max(output, total - whole), True
    counts.doubtful |= audio > output
    return Tokens(
        output=output if audio > output else output - audio, output_audio=audio, reasoning=min(reasoning, output)
    )


def anthropic_usage(raw: JsonObject) -> ReportedUsage:
    """Usage of Anthropic's API: `input_tokens` excludes the cache, `cache_creation` details what was written."""
    counts = Counts(raw, ANTHROPIC)
    one_hour, written = counts.number("cache_write_1h"), counts.number("cache_write")
    detailed = one_hour + counts.number("cache_write_5m")
    counts.doubtful |= 0 < written < detailed
    tokens = Tokens(
        input=counts.number("input"),
        cache_read=counts.number("cache_read"),
        cache_write_5m=max(written, detailed) - one_hour,  # includes tokens that the breakdown lacks
        cache_write_1h=one_hour,
    )
    has_input = counts.is_final("input") and tokens.total_input > 0
    output, thinking = counts.get("output"), counts.number("reasoning")
    if output is not None and thinking > output:
        output, counts.doubtful = output + thinking, True
    tokens += Tokens(output=output or 0, reasoning=thinking)
    return ReportedUsage(tokens, has_input, counts.is_final("output"), counts.doubtful, raw=raw or None)


def with_calls(usage: ReportedUsage, stated: JsonObject, table: Table, seen: Mapping[str, int]) -> ReportedUsage:
    """`usage` with the calls of tools that the provider ran: the larger of the count that it states and of the calls in
    the response, `seen`. A stated count above 0 that is smaller contradicts the response."""
    counts, calls = Counts(stated, table), dict(seen)
    for kind in table:
        number = counts.number(kind)
        counts.doubtful |= 0 < number < seen.get(kind, 0) or number > MOST_CALLS
        calls[kind] = min(max(number, seen.get(kind, 0)), MOST_CALLS)
    calls = {kind: number for kind, number in calls.items() if number}
    return replace(usage, calls=calls, doubtful=usage.doubtful or counts.doubtful)


def bedrock_usage(raw: JsonObject) -> ReportedUsage:
    """Usage of Converse: `inputTokens` excludes the cache; `cacheDetails` breaks `cacheWriteInputTokens` down."""
    counts = Counts(raw, BEDROCK)
    one_hour, written = 0, counts.number("cache_write")
    for detail in objects(raw.get("cacheDetails")):
        number, garbled = read_count(detail.get("inputTokens"))
        counts.doubtful |= garbled
        one_hour += number or 0 if detail.get("ttl") == "1h" else 0
    counts.doubtful |= 0 < written < one_hour
    tokens = Tokens(
        input=counts.number("input"),
        cache_read=counts.number("cache_read"),
        cache_write_5m=max(written, one_hour) - one_hour,
        cache_write_1h=one_hour,
    )
    has_input = counts.is_final("input") and tokens.total_input > 0
    output, total = counts.get("output"), counts.number("total")
    if has_input and output is not None and total and total not in (tokens.total_input + output, tokens.input + output):
        output, counts.doubtful = max(output, total - tokens.total_input), True
    tokens += Tokens(output=output or 0)
    return ReportedUsage(tokens, has_input, counts.is_final("output"), counts.doubtful, total, raw=raw or None)
