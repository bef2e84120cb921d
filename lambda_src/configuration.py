"""Loads the Lambda's configuration from its environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from lambda_src.contract import CONFIG_VARIABLE, Config, Provider


def load_config(environ: Mapping[str, str] | None = None) -> Config:
    """The `Config` that the constructs wrote. KeyError, ValueError or TypeError if it is missing or malformed."""
    fields = json.loads((os.environ if environ is None else environ)[CONFIG_VARIABLE])
    providers = {name: _provider(**provider) for name, provider in fields.pop("providers").items()}
    patterns = tuple(fields.pop("prompt_log_patterns", ()))
    return Config(providers=providers, prompt_log_patterns=patterns, **fields)


def _provider(allow_members: Iterable[str] = (), **fields: Any) -> Provider:
    return Provider(allow_members=tuple(allow_members), **fields)
