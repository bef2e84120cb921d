"""What to hold for a request before anybody knows what it will cost. docs/accounting.md proves the bounds.

`strict`: an upper bound, so that concurrent requests cannot pass a budget. Every token of a byte-level tokenizer is
at least one byte, so the body's size bounds its text; images get an allowance; what the body only refers to
(files, stored conversations) is bounded by the model's context window, as is everything else. Output is bounded by the
request's own maximum, else by one that is inserted. All of it at the dearest price that it could fall under.

`typical`: what such a request usually costs; a budget can be passed by the requests in flight, at most by the
difference to their `strict` amounts.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambda_src.contract import STANDARD_TIER, Config
from lambda_src.core.dialects.parsed_request import ParsedRequest
from lambda_src.core.dialects.parsed_response import estimate_tokens
from lambda_src.core.errors import BadRequest
from lambda_src.core.policy import Model, Policy

OVERHEAD_TOKENS = 500
"""What a provider wraps around a conversation (roles, separators, its own preamble)."""
TYPICAL_IMAGE_TOKENS = 1_600
UNKNOWN_CONTEXT_TOKENS = 2_000_000
"""Stands in for the context window of a model that states none."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """amount: nano-USD to hold. tokens: counted against tokens per minute until the real count is known.
    max_output: output tokens of one choice. insert_max: whether the request has to be told of it.
    usual_input: input tokens that such a request usually has. most_output: output tokens that it cannot pass.
    """

    amount: int
    tokens: int
    max_output: int
    insert_max: bool
    typical_input: int
    output_bound: int


def estimate(parsed: ParsedRequest, model: Model, policy: Policy, config: Config) -> Estimate:
    """What to hold for a request; BadRequest where no bound can be given or the request asks for too much."""
    max_output, insert = _max_output(parsed, model, policy, config)
    told = insert or parsed.max_output is not None
    output_bound = parsed.choices * ((max_output if told else model.max_output_tokens) + parsed.extra_output)
    usual_output = max_output if parsed.max_output is not None else min(max_output, config.typical_output_tokens)
    usual_output *= parsed.choices
    typical_input = _capped(estimate_tokens(parsed.text_bytes) + parsed.images * TYPICAL_IMAGE_TOKENS, parsed, model)
    tiers = _service_tiers(parsed, model)
    outputs = sorted(parsed.output_classes)
    if config.estimate == "typical":
        amount = model.prices.bound(tiers[:1], typical_input, ("input",), usual_output, outputs)
    else:
        most_input, inputs = _most_input(parsed, model, config), parsed.input_classes
        if parsed.unbounded_input is not None:  # it may hide images and recordings, too
            inputs = inputs | {"input_image", "input_audio"}
        amount = model.prices.bound(tiers, most_input, sorted(inputs), output_bound, outputs)
    return Estimate(amount, typical_input + usual_output, max_output, insert, typical_input, output_bound)


def _max_output(parsed: ParsedRequest, model: Model, policy: Policy, config: Config) -> tuple[int, bool]:
    """The most output tokens of one choice, and whether the request has to be told so."""
    ceiling = model.max_output_tokens
    if policy.max_output_tokens is not None:
        ceiling = min(ceiling, policy.max_output_tokens)
    if parsed.max_output is None:
        # Without a maximum a request would pin what the model could write at its longest.
        most = min(ceiling, config.default_max_output_tokens)
        return most, config.estimate == "strict" or policy.max_output_tokens is not None
    if policy.max_output_tokens is not None and parsed.max_output > policy.max_output_tokens:
        raise BadRequest(
            "max_output_tokens_exceeded",
            f"the request allows {parsed.max_output} output tokens; this key's policy allows at most "
            f"{policy.max_output_tokens}. Ask for fewer.",
            param="max_tokens",
        )
    # Not capped by the model's own maximum: the environment file may not know it, and then it would be no bound.
    return parsed.max_output, False


def _most_input(parsed: ParsedRequest, model: Model, config: Config) -> int:
    if parsed.hosted_tool is not None and not model.free:
        raise BadRequest(
            "unbounded_cost",
            f"{parsed.hosted_tool} runs at the provider, where its cost has no bound; this gateway holds the most a request "
            'can cost before it is sent. Leave it out, or have the operator set estimate = "typical".',
        )
    if parsed.unbounded_input is not None:
        return UNKNOWN_CONTEXT_TOKENS if parsed.extended_context else model.max_input_tokens or UNKNOWN_CONTEXT_TOKENS
    tokens = max(0, parsed.text_bytes) + OVERHEAD_TOKENS + parsed.images * config.image_tokens + parsed.added_tokens
    return _capped(tokens, parsed, model)


def _capped(tokens: int, parsed: ParsedRequest, model: Model) -> int:
    """No more than the model's context window, unless the request asks for a larger one."""
    return tokens if model.max_input_tokens is None or parsed.extended_context else min(tokens, model.max_input_tokens)


def _service_tiers(parsed: ParsedRequest, model: Model) -> list[str]:
    """Tiers the request could be charged under, the likeliest first; BadRequest for one without a price."""
    priced = model.prices.tiers
    if parsed.service_tier is None or parsed.may_vary_tier:
        others = sorted(set(priced) - {STANDARD_TIER}) if parsed.may_vary_tier else []
        return [STANDARD_TIER, *others]
    if parsed.service_tier not in priced:
        raise BadRequest(
            "service_tier_not_priced",
            f"service_tier {parsed.service_tier!r} has no price for {model.name}; accepted: {', '.join(priced)}.",
            param="service_tier",
        )
    # A provider may serve it at the standard tier instead.
    return list(dict.fromkeys((parsed.service_tier, STANDARD_TIER)))
