"""Ready-made requests to a deployed environment, with a working key: curl, OpenAI's SDK and Anthropic's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from constructs_lib.settings import Environment
from lambda_src.contract import ProviderKind

_CURL: Final = """\
# Chat completion of consumer {consumer}
curl "{url}/v1/chat/completions" -H "{header}" -H "content-type: application/json" \\
  -d '{{"model": {model}, "messages": [{{"role": "user", "content": "Hello"}}]}}'
"""
_OPENAI: Final = """\
# OpenAI's SDK: .venv/bin/python
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", {arguments})
print(client.chat.completions.create(model={model}, messages=[{{"role": "user", "content": "Hello"}}]))
"""
_ANTHROPIC: Final = """\
# Anthropic's SDK, consumer {consumer}: .venv/bin/python
from anthropic import Anthropic

client = Anthropic(base_url="{url}", {arguments})
print(client.messages.create(model={model}, max_tokens=100, messages=[{{"role": "user", "content": "Hello"}}]))
"""
_TEMPLATES: Final[Mapping[ProviderKind, tuple[str, ...]]] = {"openai": (_CURL, _OPENAI), "anthropic": (_ANTHROPIC,)}


def snippets(environment: Environment, outputs: Mapping[str, Any], key_value: Callable[[str], str]) -> list[str]:
    """Requests that this environment answers; fewer if it lacks a kind of provider, or keys that Terraform creates.

    outputs: of the stack. key_value: reads the value of a key by its id.
    """
    texts: list[str] = []
    for kind, templates in _TEMPLATES.items():
        if pair := next(_pairs(environment, kind), None):
            consumer, model = pair
            key = key_value(next(iter(outputs["key_ids"][consumer].values())))
            values = {"consumer": consumer, "url": outputs["invoke_url"], "model": json.dumps(model)}
            values |= _credentials(key, bearer=environment.gateway.bearer)
            texts += [template.format(**values) for template in templates]
    return texts


def _credentials(key: str, *, bearer: bool) -> dict[str, str]:
    """How curl and the SDKs send `key`."""
    if bearer:
        return {"header": f"Authorization: Bearer {key}", "arguments": f'api_key="{key}"'}
    arguments = f'api_key="unused", default_headers={{"x-api-key": "{key}"}}'
    return {"header": f"x-api-key: {key}", "arguments": arguments}


def _pairs(environment: Environment, kind: ProviderKind) -> Iterator[tuple[str, str]]:
    """Consumers with a key, each with a model that it may use and that writes text."""
    for name, consumer in environment.consumers.items():
        for model, settings in environment.models.items():
            allowed = "*" in consumer.models or model in consumer.models
            is_kind = environment.providers[settings.provider].kind == kind
            if allowed and is_kind and consumer.keys == "terraform" and settings.max_output_tokens != 0:
                yield name, model
