"""Which models the demo asks for: the stand-in's, or with OPENAI_API_KEY a real provider's beside them."""

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
    """model: what the OpenAI calls ask for. anthropic_model: what the Anthropic ones ask for.
    budget_model: what spends a budget.

    environments: folder of the environment file; None: the checkout's own. secrets: keys beyond the stand-in's.
    """

    model: str
    anthropic_model: str
    budget_model: str
    environments: Path | None = None
    secrets: dict[str, str] = field(default_factory=dict)


def standin() -> DemoModels:
    """The stand-in provider's models of environments/local.toml."""
    return DemoModels("standin-small", "claude-standin", "standin-long")


def real_provider(folder: Path) -> DemoModels:
    """A copy of environments/local.toml in `folder` that also knows the provider named in the environment.

    OPENAI_BASE_URL (OpenAI's own by default), OPENAI_MODEL (gpt-5-mini). A model that the price table does not know is
    refused at synth, with the fix in the message.
    """
    model = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
    base_url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    environments = folder / "environments"
    environments.mkdir()
    text = (ROOT / "environments" / "local.toml").read_text()
    # JSON strings are TOML strings.
    text += f'\n[providers.{REAL_PROVIDER}]\nkind = "openai"\nbase_url = {json.dumps(base_url)}\n'
    text += f"\n[models.{json.dumps(model)}]\nprovider = {json.dumps(REAL_PROVIDER)}\n"
    (environments / "local.toml").write_text(text)
    return DemoModels(model, "claude-standin", model, environments, {REAL_PROVIDER: os.environ["OPENAI_API_KEY"]})
