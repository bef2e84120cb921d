"""The amount to hold for a request before its cost is known. docs/accounting.md proves the bounds.

`strict` holds an upper bound, so that concurrent requests cannot exceed a budget. A token of a byte-level tokenizer is
at least one byte, so the body's size bounds its text. Images have an allowance each. The model's context window bounds
all input, including files and stored conversations that the body only refers to. The request's own maximum bounds the
output, or one that is inserted. All of it is priced at the most expensive price that could apply.

`typical` holds the usual cost of such a request. Requests in flight can exceed a budget, by at most the difference from
their `strict` amounts.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambda_src.contract import STANDARD_TIER, Config
from lambda_src.core.dialects.parsed_request import ParsedRequest, brief
from lambda_src.core.dialects.parsed_response import estimate_tokens
from lambda_src.core.errors import BadRequest
from lambda_src.core.fees import request_fee, request_kind
from lambda_src.core.policy import Model, Policy

OVERHEAD_TOKENS = 500
"""Allowance for the tokens that a provider adds to a conversation (roles, separators, a preamble)."""
TYPICAL_IMAGE_TOKENS = 1_600
UNKNOWN_CONTEXT_TOKENS = 2_000_000
"""Assumed context window of a model without `max_input_tokens`."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated use of a request.

    amount: nano-USD to hold. tokens: counted against tokens per minute until the actual count is known.
    max_output: maximum output tokens per choice. insert_max: whether `max_output` must be inserted into the request.
    typical_input: input tokens that such a request usually has.
    input_bound, output_bound: the most input tokens, and output tokens of all choices, that the request allows.
    cost_bound: the most that the request may cost, in nano-USD; None: unknown, with `typical`.
    """

    amount: int
    tokens: int
    max_output: int
    insert_max: bool
    typical_input: int
    output_bound: int
    input_bound: int = UNKNOWN_CONTEXT_TOKENS
    cost_bound: int | None = None


def estimate(parsed: ParsedRequest, model: Model, policy: Policy, config: Config) -> Estimate:
    """The estimate for a request. BadRequest if its cost has no bound, or its maximum output exceeds the policy's."""
    max_output, insert = _max_output(parsed, model, policy, config)
    output_bound = parsed.choices * (_longest_output(parsed, model, max_output, insert) + parsed.extra_output)
    typical_output = max_output if parsed.max_output is not None else min(max_output, config.typical_output_tokens)
    if model.exceeds_maximum:
        typical_output = max(typical_output, model.max_output_tokens)
    typical_output *= parsed.choices
    typical_input = _capped(
        estimate_tokens(parsed.text_bytes) + parsed.token_ids + parsed.images * TYPICAL_IMAGE_TOKENS, parsed, model
    )
    tiers = _service_tiers(parsed, model)
    outputs = sorted(parsed.output_classes)
    cost_bound: int | None = None
    if config.estimate == "typical":
        max_input = _window(parsed, model)
        amount = model.prices.bound(tiers[:1], typical_input, ("input",), typical_output, outputs)
        amount += request_fee(model.prices.fees)
    else:
        _reject_unknown_members(parsed, model, config)
        max_input, inputs = _max_input(parsed, model, config), parsed.input_classes
        if parsed.unbounded_input is not None or parsed.tool_bound is not None:  # it may include images and audio
            inputs = inputs | {"input_image", "input_audio"}
        amount = model.prices.bound(tiers, max_input, sorted(inputs), output_bound, outputs)
        fees = request_fee(model.prices.fees) + (0 if parsed.tool_bound is None else parsed.tool_bound.fees)
        amount = cost_bound = amount + fees
    return Estimate(
        amount=amount,
        tokens=typical_input + typical_output,
        max_output=max_output,
        insert_max=insert,
        typical_input=typical_input,
        input_bound=max_input,
        output_bound=output_bound,
        cost_bound=cost_bound,
    )


def _max_output(parsed: ParsedRequest, model: Model, policy: Policy, config: Config) -> tuple[int, bool]:
    """The maximum output tokens of one choice, and whether to insert it into the request."""
    ceiling = model.max_output_tokens
    if policy.max_output_tokens is not None:
        ceiling = min(ceiling, policy.max_output_tokens)
    if parsed.max_output is None:
        # The default keeps a request without a maximum from holding the price of the model's longest output.
        max_output = min(ceiling, config.default_max_output_tokens)
        return max_output, config.estimate == "strict" or policy.max_output_tokens is not None
    if policy.max_output_tokens is not None and parsed.max_output > policy.max_output_tokens:
        raise BadRequest(
            "max_output_tokens_exceeded",
            f"the request's maximum is {parsed.max_output} output tokens; accepted: at most "
            f"{policy.max_output_tokens}, this key's limit. Request fewer.",
            param="max_tokens",
        )
    # Not capped at the model's maximum: the environment file may not know it, and then the cap would be no bound.
    return parsed.max_output, False


def _longest_output(parsed: ParsedRequest, model: Model, max_output: int, insert: bool) -> int:
    """The most output tokens of one choice. A provider that exceeded a maximum before may do so again."""
    if parsed.max_output is None and not insert:
        return model.max_output_tokens
    ignored = parsed.may_ignore_maximum or model.exceeds_maximum
    return max(max_output, model.max_output_tokens) if ignored else max_output


def _reject_unknown_members(parsed: ParsedRequest, model: Model, config: Config) -> None:
    provider = config.providers.get(model.provider)
    allowed = () if provider is None else provider.allow_members
    unknown = [name for name in parsed.unknown_members if name not in allowed]
    if unknown and not model.free:
        names = ", ".join(brief(name) for name in unknown[:5]) + (" …" if len(unknown) > 5 else "")
        raise BadRequest(
            "not_supported",
            f"the request has fields whose effect on the cost is unknown: {names}; accepted: fields that Tollgate "
            f"knows. Leave them out, or ask an operator to add them to allow_members in [providers.{model.provider}].",
            param=unknown[0],
        )


def _max_input(parsed: ParsedRequest, model: Model, config: Config) -> int:
    if parsed.tool_bound is not None:  # the provider reads the context, with the results so far, after each call
        return max(parsed.tool_bound.readings, 2) * _window(parsed, model)
    if parsed.hosted_tool is not None and not model.free:
        raise BadRequest(
            "unbounded_cost",
            f"{parsed.hosted_tool} runs at the provider, where its cost has no bound; accepted: requests whose maximum "
            f"cost is known in advance. Leave it out{_switch(parsed)}, or ask an operator to set hosted_tools = "
            f'"remove" or "allow" in [providers.{model.provider}], or estimate = "typical".',
        )
    if request_kind(model.prices.fees) is not None:  # the model may read its search results too
        return 2 * _window(parsed, model)
    if parsed.unbounded_input is not None:
        return _window(parsed, model)
    tokens = max(0, parsed.text_bytes) + parsed.token_ids + parsed.images * config.image_tokens
    tokens += OVERHEAD_TOKENS + parsed.added_tokens
    return _capped(tokens, parsed, model)


def _window(parsed: ParsedRequest, model: Model) -> int:
    """The tokens of the model's context window, for each of the request's inputs."""
    window = UNKNOWN_CONTEXT_TOKENS if parsed.extended_context else model.max_input_tokens or UNKNOWN_CONTEXT_TOKENS
    return parsed.inputs * window


def _switch(parsed: ParsedRequest) -> str:
    """The setting of the client that sends a tool unasked."""
    return ' (in Codex: web_search = "disabled")' if "web_search" in parsed.hosted_tools else ""


def _capped(tokens: int, parsed: ParsedRequest, model: Model) -> int:
    """`tokens`, at most the model's context window for each input, unless the request extends it."""
    return tokens if model.max_input_tokens is None or parsed.extended_context else min(tokens, _window(parsed, model))


def _service_tiers(parsed: ParsedRequest, model: Model) -> list[str]:
    """Tiers that the request could be charged at, the most likely first. BadRequest for a tier without prices."""
    priced = model.prices.tiers
    if parsed.service_tier is None or parsed.may_vary_tier:
        others = sorted(set(priced) - {STANDARD_TIER}) if parsed.may_vary_tier else []
        return [STANDARD_TIER, *others]
    if parsed.service_tier not in priced:
        raise BadRequest(
            "service_tier_not_priced",
            f"model {model.name} has no prices for service tier {parsed.service_tier!r}; accepted: "
            f"{', '.join(priced)}. Request one of these, or ask an operator to add prices.",
            param="service_tier",
        )
    # The provider may serve the request at the standard tier instead.
    return list(dict.fromkeys((parsed.service_tier, STANDARD_TIER)))
