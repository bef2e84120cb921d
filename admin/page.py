"""The frame of every page that the command writes: one self-contained file, no script, nothing from a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from admin.output import control_free

_CSS: Final = Path(__file__).with_suffix(".css")
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Whatever a name in the page might contain, the browser loads and runs nothing (w3.org/TR/CSP3)."""


def text(value: object) -> str:
    """A value as text of a page: without markup, without characters that turn or hide what follows."""
    return escape(control_free(value))


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str, str]], foot: str, kind: str = "") -> str:
    """A whole page. sections: id, heading ("" for none) and HTML of each. subtitle, foot: HTML. kind: CSS class."""
    links = "".join(f'<a href="#{name}">{text(heading)}</a>' for name, heading, _ in sections if heading)
    body = "".join(
        f'<section id="{name}">{f"<h2>{text(heading)}</h2>" if heading else ""}{inner}</section>'
        for name, heading, inner in sections
    )
    css = _CSS.read_text(encoding="utf-8").replace("\n", "")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{text(title)}</title><style>{css}</style></head>\n"
        f'<body class="{kind}"><header><h1>{text(title)}</h1>{subtitle}<nav>{links}</nav></header>\n'
        f"<main>{body}</main>\n"
        f"<footer>{foot}</footer></body></html>\n"
    )


def tiles(shown: Iterable[tuple[str, str, str]]) -> str:
    """Large numbers: value, what it is, and a tooltip with the exact one."""
    cells = (
        f'<div title="{text(exact)}"><b>{text(value)}</b><span>{text(what)}</span></div>'
        for value, what, exact in shown
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: int, kind: str = "") -> str:
    """A table whose last `numbers` columns are numbers. Cells that begin as `Raw` are HTML already."""
    first_number = len(columns) - numbers

    def cell(tag: str, place: int, value: object) -> str:
        side = ' class="n"' if place >= first_number else ""
        return f"<{tag}{side}>{value if isinstance(value, Raw) else text(value)}</{tag}>"

    head = "".join(cell("th", place, name) for place, name in enumerate(columns))
    lines = ("".join(cell("td", place, each) for place, each in enumerate(row)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table{f' class={kind}' if kind else ''}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Raw(str):
    """HTML that is safe already."""

    __slots__ = ()


def behind(summary: str, inner: str) -> str:
    """What is shown on demand."""
    return f'<details><summary>{text(summary)}</summary><div class="scroll">{inner}</div></details>'


def empty(words: str) -> str:
    """In place of a chart that has nothing to show."""
    return f'<p class="empty">{text(words)}</p>'


def card(inner: str) -> str:
    """A framed part of a section."""
    return f'<div class="card">{inner}</div>'
