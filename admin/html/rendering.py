"""Renders the Jinja2 templates in admin/. Each page is one file without scripts that loads nothing from a network."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from admin import formatting
from admin.html.charts import percent_width
from admin.output import printable
from lambda_src.core.pricing import usd

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """The HTML of a template, given by its path in admin/."""
    return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> Environment:
    """Values are escaped, and lose characters that reorder or hide the text after them. Jinja2 is loaded here, since
    most commands write no page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if hasattr(value, "__html__") else printable(value),
    )
    names = ("compact", "counted", "milliseconds", "money", "percent", "signed_money")
    environment.filters |= {name: getattr(formatting, name) for name in names}
    environment.filters |= {"usd": usd, "grouped": "{:,}".format, "width": percent_width}
    return environment
