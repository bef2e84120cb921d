"""What requests cost at the environment's prices, or at prices that the operator states."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from admin.amounts import nano_usd
from admin.errors import UsageError
from admin.session import Session
from admin.usage.corrections.rows import CorrectedRow, Method, Target
from lambda_src.contract import MODELS_PK, SK, STANDARD_TIER, TOKEN_CLASSES
from lambda_src.core.fees import amounts
from lambda_src.core.metering import cost as cost_of
from lambda_src.core.policy import Model, model_from_item
from lambda_src.core.pricing import rounded, usd
from lambda_src.core.served_model import served_models
from lambda_src.core.tokens import Tokens
from lambda_src.core.usage_record import TOKEN_FIELDS

PRICE_HELP: Final = (
    "Price in USD per million tokens, such as input=1.25; repeat it for other classes. Classes that are not named keep "
    "the environment's price at the request's time. Fees per call stay as they were charged."
)
_MOST_TOKENS: Final = 10**9


def price_options(values: Sequence[str]) -> dict[str, int]:
    """Nano-USD per million tokens by token class, from the values of --price."""
    return {
        name: nano_usd(text, f"--price {name}", zero=True)
        for name, text in _assignments(values, "--price", TOKEN_CLASSES, "input=1.25")
    }


def token_options(values: Sequence[str]) -> dict[str, int]:
    """Token counts by name, from the values of --tokens."""
    counts = {}
    for name, text in _assignments(values, "--tokens", tuple(TOKEN_FIELDS.values()), "input=1200"):
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_TOKENS)) and
                int(text) <= _MOST_TOKENS):  # fmt: skip
            raise UsageError(f"invalid --tokens {name}={text[:40]!a}; accepted: a whole number up to {_MOST_TOKENS}.")
        counts[name] = int(text)
    return counts


def _assignments(values: Sequence[str], option: str, names: Sequence[str], example: str) -> list[tuple[str, str]]:
    """Name and text of each NAME=VALUE; several may be separated by commas."""
    given = [part.strip() for value in values for part in value.split(",")]
    found = [
        (name.strip().replace("-", "_"), text.strip()) for name, _, text in (part.partition("=") for part in given)
    ]
    for part, (name, text) in zip(given, found, strict=True):
        if name not in names or not text:
            raise UsageError(
                f"invalid {option} {part[:60]!a}; accepted: CLASS=VALUE such as {example}, with a class of "
                f"{', '.join(names)}."
            )
        if [other for other, _ in found].count(name) > 1:
            raise UsageError(f"{option} has {name} twice; pass it once.")
    return found


def models_of(session: Session) -> dict[str, Model]:
    """The environment's models by name."""
    return {item[SK]: model_from_item(item[SK], item) for item in session.ledger.query(MODELS_PK)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices of one model. model: from the ledger; None if the environment no longer has it.

    models: all models of the environment, of which another than `model` may have served a request.
    stated: nano-USD per million tokens by class, in place of the model's; empty: none.
    tier, above: service tier and context step that the stated prices are of; None: of any.
    """

    model: Model | None
    models: Collection[Model] = ()
    stated: Mapping[str, int]
    tier: str | None = None
    above: int | None = None

    @property
    def words(self) -> str:
        """The prices for people."""
        if not self.stated:
            return "the environment's prices"
        return ", ".join(f"{name}={usd(price)}" for name, price in self.stated.items()) + " USD per million tokens"

    def target(self, row: CorrectedRow, tokens: Tokens, method: Method) -> Target | str:
        """The cost of the row's request with `tokens`, or the reason why these prices do not apply to it."""
        if _ADVISOR in str(row.item.get("usage_raw", "")):
            return CONSULTED
        tier = str(row.item.get("service_tier") or STANDARD_TIER)
        asked = self.model
        served = [] if asked is None else served_models(asked, row.item.get("model_served"), self.models) or [asked]
        if not self.stated:
            if not served:
                return NO_MODEL
            # As lambda_src/core/metering.py charges: the most expensive of the models that may have served it.
            targets = [_at_prices_of(model.at(row.at_ms), row, tokens, tier, method) for model in served]
            return max(targets, key=lambda target: (target.cost, target.price_version or ""))
        if asked is not None and asked not in served:
            return OTHER_MODEL
        model = None if asked is None else asked.at(row.at_ms)
        if self.tier not in (None, tier):
            return OTHER_TIER
        per_class: Mapping[str, int] = {}
        if model is not None and tier in model.prices.tiers:
            rates = model.prices.rates(tier, tokens.total_input)
            if self.above not in (None, rates.above):
                return OTHER_CONTEXT
            per_class = rates.per_class
        elif self.above and tokens.total_input <= self.above:
            return OTHER_CONTEXT
        per_class = {**per_class, **self.stated}
        counts = {name: getattr(tokens, name) for name in TOKEN_CLASSES if getattr(tokens, name)}
        if not counts.keys() <= per_class.keys():
            return NO_PRICE
        total = rounded(sum(count * per_class[name] for name, count in counts.items())) + sum(row.fees.values())
        version = "stated " + " ".join(f"{name}={usd(price)}" for name, price in self.stated.items())
        return Target(cost=total, tokens=tokens, fees=row.fees, method=method, price_version=version)


def _at_prices_of(model: Model, row: CorrectedRow, tokens: Tokens, tier: str, method: Method) -> Target:
    """The request at the prices and fees of `model`. A kind that the model has no fee for keeps its booked fee."""
    fees = {kind: nano for kind, nano in (row.fees | amounts(row.calls, model.prices.fees)).items() if nano}
    cost = cost_of(model, tokens, tier) + sum(fees.values())
    return Target(cost=cost, tokens=tokens, fees=fees, method=method, price_version=model.price_version)


_ADVISOR: Final = '"advisor_message"'
"""Type of a part of Anthropic's usage that is of another model, and that the row's tokens include."""
CONSULTED: Final = "whose model consulted another one at other prices: use `usage correct --cost`"
OTHER_MODEL: Final = "that another model served: reprice them without --price, or use `usage correct`"
NO_MODEL: Final = "of a model that the environment no longer has: pass --price"
NO_PRICE: Final = "with tokens of a class without a price: name it with --price"
OTHER_TIER: Final = "of another service tier"
OTHER_CONTEXT: Final = "of another context length (--above)"
