"""The models that the demo calls: the stand-in's and, if OPENAI_API_KEY is set, a real provider's."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.paths import ROOT

REAL_PROVIDER: Final = "real"


@dataclass(frozen=True, slots=True)
class DemoModels:
    """Model names for OpenAI calls, Anthropic calls, and the calls that use up a budget.

    environments: folder of the environment file; None: the checkout's own. secrets: additional provider keys.
    """

    model: str
    anthropic_model: str
    budget_model: str
    environments: Path | None = None
    secrets: dict[str, str] = field(default_factory=dict)


def standin() -> DemoModels:
    """The stand-in provider's models in environments/local.toml."""
    return DemoModels("standin-small", "claude-standin", "standin-long")


def real_provider(folder: Path) -> DemoModels:
    """The model OPENAI_MODEL (gpt-5-mini) of the API at OPENAI_BASE_URL (OpenAI's own).

    Writes a copy of environments/local.toml with this provider to `folder`. Synth rejects a model without a price.
    """
    model = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
    base_url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    environments = folder / "environments"
    environments.mkdir()
    text = (ROOT / "environments" / "local.toml").read_text()
    # JSON strings are valid TOML strings.
    text += f'\n[providers.{REAL_PROVIDER}]\nkind = "openai"\nbase_url = {json.dumps(base_url)}\n'
    text += f"\n[models.{json.dumps(model)}]\nprovider = {json.dumps(REAL_PROVIDER)}\n"
    (environments / "local.toml").write_text(text)
    return DemoModels(model, "claude-standin", model, environments, {REAL_PROVIDER: os.environ["OPENAI_API_KEY"]})
