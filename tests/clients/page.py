"""docs/clients.md: its snippets, which run as they are, and its table, which `make clients` compares."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt

from tests.clients.sandbox import INSTALLED, Sandbox
from tests.clients.sessions import finished
from tools.paths import ROOT

PAGE: Final = ROOT / "docs" / "clients.md"
LIGHT: Final = (
    "OpenAI's Python SDK",
    "OpenAI's Node.js SDK",
    "Anthropic's Python SDK",
    "Anthropic's Node.js SDK",
    "boto3",
)
"""Sections whose snippets `make test` runs."""
_MATRIX: Final = re.compile(r"(?<=<!-- matrix -->\n).*?(?=<!-- /matrix -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A code block. name: its section, and its position there. language: "python", "js" or "sh"."""

    name: str
    section: str
    language: str
    code: str

    @property
    def light(self) -> bool:
        """Whether `make test` runs it."""
        return self.section in LIGHT


def snippets() -> list[Snippet]:
    """All snippets of the page that run."""
    found: list[Snippet] = []
    section = ""
    tokens = MarkdownIt().parse(PAGE.read_text(encoding="utf-8"))
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            section = tokens[position + 1].content
        elif token.type == "fence" and token.info in ("python", "js", "sh"):
            number = 1 + sum(snippet.section == section for snippet in found)
            found.append(Snippet(f"{section} {number}", section, token.info, token.content))
    return found


def run(snippet: Snippet, sandbox: Sandbox, variables: Mapping[str, str]) -> str | None:
    """Run a snippet as a user would; what is wrong, or None. The stand-in provider echoes what it was told to say."""
    if snippet.language == "python":
        python = sys.executable if snippet.light else str(INSTALLED / "python" / "bin" / "python")
        command = [python, "-c", snippet.code]
    elif snippet.language == "js":
        # Node.js looks for packages from the program's folder upwards.
        file = INSTALLED / ("sdks" if snippet.light else "node") / "snippet.mjs"
        file.write_text(snippet.code, encoding="utf-8")
        command = ["node", str(file)]
    else:
        command = ["bash", "-euo", "pipefail", "-c", snippet.code]
    code, out, err = finished(command, sandbox, variables)
    if code == 0 and out.split("\n").count("You said: Say hello") >= 1:
        return None
    return f"exit {code}: {out[-500:]} {err[-1000:]}"


def table_on_page() -> str:
    """The table between the page's markers."""
    match = _MATRIX.search(PAGE.read_text(encoding="utf-8"))
    assert match is not None, f"{PAGE} has no markers <!-- matrix --> and <!-- /matrix -->"
    return match[0]


def write_table(table: str) -> None:
    """Replace the table between the page's markers."""
    PAGE.write_text(_MATRIX.sub(lambda _: table, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
