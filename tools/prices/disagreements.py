"""`disagreements.toml`: the prices on which the sources disagree, and which one is right."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

FILE: Final = Path(__file__).with_name("disagreements.toml")
OPEN: Final = "open"
"""The rule of differences that nobody has settled: the dearer price applies."""

Use = Literal["genai-prices", "litellm", "dearer"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Prices of a model on which the sources disagree.

    prices: a text per step, such as `standard: input 0.27 / 0.28`, genai-prices first, in USD per million tokens.
    """

    list_name: str
    model: str
    prices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """The file. uses: (list, model) → the source that is right. aliases: (list, model) → model with the same price."""

    text: str
    rules: dict[str, dict[str, str]]
    rule_of: dict[Difference, str]
    aliases: dict[tuple[str, str], str]

    @property
    def uses(self) -> dict[tuple[str, str], Use]:
        return {(found.list_name, found.model): _use(self.rules[rule]["use"]) for found, rule in self.rule_of.items()}


def read(path: Path = FILE) -> Settled:
    """The file. Raises ValueError if a rule is missing or lacks its page."""
    text = path.read_text(encoding="utf-8")
    parsed: dict[str, Any] = tomllib.loads(text)
    rules: dict[str, dict[str, str]] = parsed["rules"]
    for name, rule in rules.items():
        if name != OPEN and not rule.get("page", "").startswith("https://"):
            raise ValueError(f'{path.name}: rules.{name} has no page of the provider; add page = "https://…"')
    rule_of = {}
    for entry in parsed["differences"]:
        if entry["rule"] not in rules:
            raise ValueError(f"{path.name}: rule {entry['rule']!r} is not in [rules]; add it or use {OPEN!r}")
        for model in entry["models"]:
            rule_of[Difference(entry["list"], model, tuple(entry["prices"]))] = entry["rule"]
    aliases = {(entry["list"], model): entry["same_as"] for entry in parsed["aliases"] for model in entry["models"]}
    return Settled(text, rules, rule_of, aliases)


def mismatch(settled: Settled, found: Iterable[Difference]) -> tuple[list[Difference], list[Difference]]:
    """Differences that the file lacks, and those that it has although they no longer exist."""
    actual = set(found)
    order = sorted(actual | settled.rule_of.keys(), key=lambda item: (item.list_name, item.model))
    new = [item for item in order if item not in settled.rule_of]
    return new, [item for item in order if item not in actual]


def updated(settled: Settled, found: Iterable[Difference]) -> str:
    """The file's text with the differences `found`: known ones keep their rule, new ones are open."""
    head = settled.text.partition("\n[[differences]]\n")[0] + "\n"
    groups: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for item in sorted(found, key=lambda item: (item.list_name, item.model)):
        key = (item.list_name, item.prices, settled.rule_of.get(item, OPEN))
        groups.setdefault(key, []).append(item.model)
    entries = (
        f"[[differences]]\nlist = {json.dumps(name)}\nrule = {json.dumps(rule)}\nmodels = {_array(models)}\n"
        f"prices = {_array(prices)}\n"
        for (name, prices, rule), models in groups.items()
    )
    return head + "\n".join(entries)


def _array(items: Iterable[str]) -> str:
    texts = [json.dumps(item, ensure_ascii=False) for item in items]
    return f"[{texts[0]}]" if len(texts) == 1 else "[\n" + "".join(f"  {text},\n" for text in texts) + "]"


def _use(text: str) -> Use:
    for use in get_args(Use):
        if text == use:
            return cast(Use, use)
    raise ValueError(f"use = {text!r} is not one of {', '.join(get_args(Use))}")
