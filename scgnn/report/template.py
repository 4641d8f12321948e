"""Rendering of templates to self-contained pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, context: Mapping[str, Any]) -> str:
    """Return the page without the blank lines of its template."""
    text = _create_environment().get_template(template).render(context)
    return re.sub(r"\n\s*\n+", "\n", text)


@cache
def _create_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("scgnn.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = resources.files("scgnn.report") / "templates" / "style.css"
    environment.filters["breakable"] = _allow_breaks
    environment.globals["style"] = Markup(style.read_text(encoding="utf-8"))
    return environment


def _allow_breaks(text: str) -> Markup:
    """Allow line breaks after dots, underscores and equals signs."""
    return Markup("<wbr>").join(re.split(r"(?<=[._=])", text))
