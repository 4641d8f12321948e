"""Pictures as SVG that takes its colours and letters from the page, light or dark."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scgnn.execution.fingerprint import digest

log = logging.getLogger("scgnn")

# stand-ins that the page's own colours replace
INK, MUTED, LINE, ACCENT = "#010203", "#020304", "#030405", "#040506"
CSS_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", ACCENT: "--accent"}

# Okabe and Ito (2008), its yellow darkened for white paper; after eight the marker changes
COLORS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00"),
    *("#56b4e9", "#cc79a7", "#a89a00", "#8c8c8c"),
)
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")

RC_PARAMS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scgnn",
    "font.size": 11,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "text.color": INK,
    "path.simplify": True,
}
RASTER_DPI = 144  # of what is drawn as pixels


class SvgFigure(NamedTuple):
    """A drawing, or why there is none."""

    svg: Markup
    alt: str
    caption: str = ""


class Margins(NamedTuple):
    """Space around the axes, in pixels."""

    left: float = 8
    bottom: float = 8
    right: float = 8
    top: float = 8


DEFAULT_MARGINS = Margins()


def render_svg(
    alt: str,
    size: tuple[float, float],
    draw: Callable[[Axes], None],
    margins: Margins = DEFAULT_MARGINS,
    caption: str = "",
) -> SvgFigure:
    """Let ``draw`` fill axes of a size in pixels; a drawing that fails says so in its place."""
    width, height = size
    with rc_context(RC_PARAMS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has fonts of its own
        try:
            figure = Figure(figsize=(width / 72, height / 72))
            left, bottom = margins.left / width, margins.bottom / height
            inner = (width - margins.left - margins.right, height - margins.bottom - margins.top)
            draw(figure.add_axes((left, bottom, inner[0] / width, inner[1] / height)))
            buffer = io.StringIO()
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(buffer, format="svg", transparent=True, dpi=RASTER_DPI, metadata=nothing)
        except Exception as error:  # whatever the numbers of somebody else's component lead to
            log.debug("%s", alt, exc_info=error)
            return SvgFigure(format_missing_figure(f"could not be drawn: {error}"), alt, caption)
    return SvgFigure(_inline_svg(buffer.getvalue(), alt, width), alt, caption)


def format_missing_figure(reason: str) -> Markup:
    """Words in the place of a picture."""
    return Markup('<p class="missing">{}</p>').format(reason)


def _inline_svg(svg: str, alt: str, width: float) -> Markup:
    """The drawing alone: names of its own, short numbers, colours and font of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([\w-]+)', svg))
    svg = re.sub(r' id="([\w-]+)"', lambda m: m[0] if m[1] in used else "", svg)
    prefix = f"p{digest(svg, alt)[:8]}-"
    svg = re.sub(r'(url\(#|href="#| id=")(?=[\w-]+)', rf"\g<1>{prefix}", svg)
    svg = re.sub(r'xmlns(:xlink)?="[^"]*"', "", svg)
    for colour, variable in CSS_VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r"font: (?:\w+ )?([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    parts = re.split(r'("data:[^"]*"|>[^<]*<)', svg)  # pixels and words stay as they are
    parts[::2] = [re.sub(r"-?\d+\.\d{2,}", _shorten_number, part) for part in parts[::2]]
    svg = re.sub(r"\s*\n\s*", "\n", "".join(parts))
    head = f'<svg role="img" aria-label="{escape(alt)}" style="max-width:{width:g}px"'
    svg = re.sub(r'^<svg[^>]*?(viewBox="[^"]*")[^>]*>', rf"{_escape_backslashes(head)} \1>", svg)
    return Markup(svg)


def _shorten_number(match: re.Match[str]) -> str:
    text = f"{float(match[0]):.1f}" if abs(float(match[0])) >= 1 else f"{float(match[0]):.4f}"
    return text.rstrip("0").rstrip(".") or "0"


def _escape_backslashes(text: str) -> str:
    return text.replace("\\", "\\\\")
