"""A page from its template: one file, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def insert_wbr(text: str) -> Markup:
    """Text that a line may end in after a dot, a low line or an equals sign."""
    return Markup("<wbr>").join(re.split(r"(?<=[._=])", text))


@cache
def create_environment() -> Environment:
    """Templates of this package; whatever is put into them is escaped."""
    made = Environment(
        loader=PackageLoader("scgnn.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = resources.files("scgnn.report") / "templates" / "style.css"
    made.filters["breakable"] = insert_wbr
    made.globals["style"] = Markup(style.read_text(encoding="utf-8"))
    return made


def render(template: str, context: Mapping[str, Any]) -> str:
    """The page, without the blanks that its template has for its own readers."""
    text = create_environment().get_template(template).render(context)
    return re.sub(r"\n\s*\n+", "\n", text)
