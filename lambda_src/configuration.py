"""The Lambda's configuration out of its one environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from lambda_src.contract import CONFIG_VARIABLE, Config, Provider


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """`Config` as the constructs wrote it; KeyError, ValueError or TypeError where it is not what they write."""
    fields = json.loads((os.environ if environ is None else environ)[CONFIG_VARIABLE])
    providers = {name: Provider(**each) for name, each in fields.pop("providers").items()}
    patterns = tuple(fields.pop("prompt_log_patterns", ()))
    return Config(providers=providers, prompt_log_patterns=patterns, **fields)
