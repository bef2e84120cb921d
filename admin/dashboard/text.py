"""The Markdown of text widgets as HTML."""

from __future__ import annotations

from admin.output import printable


def html_of(markdown: str) -> tuple[str, bool]:
    """The HTML, and whether it is a heading alone. HTML in the Markdown is shown as text, links to schemes such as
    javascript: are not links, and images become links, since the page loads nothing."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"breaks": True}).disable("image")
    tokens = parser.parse("\n".join(map(printable, markdown.splitlines())))
    headings = [token for token in tokens if token.type.startswith("heading")]
    for heading in headings:
        heading.tag = f"h{min(max(int(heading.tag[1:]), 2), 4)}"  # the page has its own h1
    return parser.renderer.render(tokens, parser.options, {}), len(tokens) == 3 and len(headings) == 2
