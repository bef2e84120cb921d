"""Which of a provider's names mean the same model: a configuration has `claude-sonnet-4-5`, a bill has
`claude-sonnet-4-5-20250929`, "Claude Sonnet 4.5" or `Claude4.5Sonnet`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

Signature = tuple[tuple[str, ...], tuple[str, ...]]
"""Words in alphabetical order, since names state a size before or after a version, and numbers in their order."""

_FINE_TUNED: Final = re.compile(r"^ft:([^:]+):.*$")
_PREFIX: Final = re.compile(r"^(?:(?:us|eu|apac|jp|au|ca|sa|us-gov|global)\.)?(?:[a-z0-9-]+)\.(?=[a-z])")
"""Region and vendor of Bedrock's model ids."""
_SNAPSHOT: Final = re.compile(r"(?:[-@ ](?:20\d\d-\d\d-\d\d|20\d{6}|\d{4}|latest))+$")
_VERSION: Final = re.compile(r"(?:-v?\d+(?::\d+)+|[- ]v\d+)$")
_PARTS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[A-Z]|\d+")
_NOISE: Final = frozenset({"instruct", "0"})


@lru_cache(maxsize=4096)
def signature(name: str) -> Signature:
    """The same value for all names of a model. Snapshots of one model are not told apart, because an alias in the
    configuration is billed as whichever snapshot served it."""
    text = _FINE_TUNED.sub(r"ft-\1", name.strip().rpartition("/")[2])
    text = _PREFIX.sub("", text)
    text = _SNAPSHOT.sub("", _VERSION.sub("", _SNAPSHOT.sub("", text)))
    parts = [part.lower() for part in _PARTS.findall(text)]
    words = sorted(part for part in parts if not part.isdecimal() and part not in _NOISE)
    numbers = tuple(part for part in parts if part.isdecimal() and part not in _NOISE)
    return tuple(words), numbers
