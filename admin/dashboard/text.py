"""What text widgets may say: headings, lists, links, bold and code of Markdown. All else is text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from admin.page import text

_HEADING: Final = re.compile(r"(#{1,6})\s+(.*)")
_ITEM: Final = re.compile(r"\s*(?:[-*+]|\d+\.)\s+(.*)")
_INLINE: Final = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*|\[([^\]]*)\]\((https?://[^\s()]+)\)")


def html_of(markdown: str) -> str:
    """The text as HTML; nothing of it becomes markup but what is named above."""
    return "".join(_blocks(markdown.splitlines()))


def is_heading(markdown: str) -> bool:
    """Whether it is a heading and nothing else."""
    return _HEADING.fullmatch(markdown.strip()) is not None


def _blocks(lines: list[str]) -> Iterator[str]:
    words: list[str] = []
    items: list[str] = []
    for line in [*lines, ""]:
        heading, item = _HEADING.fullmatch(line), _ITEM.fullmatch(line)
        if words and (heading or item or not line.strip()):
            yield f"<p>{'<br>'.join(words)}</p>"
            words = []
        if items and not item:
            yield f"<ul>{''.join(items)}</ul>"
            items = []
        if heading:
            level = max(2, min(len(heading[1]), 4))  # the page has its own h1
            yield f"<h{level}>{_inline(heading[2])}</h{level}>"
        elif item:
            items.append(f"<li>{_inline(item[1])}</li>")
        elif line.strip():
            words.append(_inline(line))


def _inline(line: str) -> str:
    made, at = [], 0
    for found in _INLINE.finditer(line):
        made.append(text(line[at : found.start()]))
        made.append(_marked(found))
        at = found.end()
    return "".join([*made, text(line[at:])])


def _marked(found: re.Match[str]) -> str:
    code, bold, label, address = found.groups()
    if code is not None:
        return f"<code>{text(code)}</code>"
    return f"<b>{text(bold)}</b>" if bold is not None else f'<a href="{text(address)}">{text(label)}</a>'
