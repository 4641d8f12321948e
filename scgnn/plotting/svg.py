"""SVG figures that take their colors and font from the page, in light and dark mode."""

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

log = logging.getLogger("scgnn")

# placeholders, replaced by the colors of the page
INK, MUTED, LINE, ACCENT = "#010203", "#020304", "#030405", "#040506"
CSS_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", ACCENT: "--accent"}

# Okabe and Ito (2008), with a darker yellow for white paper; the marker changes every 8 clusters
COLORS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00"),
    *("#56b4e9", "#cc79a7", "#a89a00", "#8c8c8c"),
)
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")

RASTER_DPI = 144
RC_PARAMS: Any = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": LINE,
    **dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 10),
}


class SvgFigure(NamedTuple):
    """A figure as inline SVG, or the reason why it could not be drawn."""

    svg: Markup
    alt: str
    caption: str = ""


class Margins(NamedTuple):
    """Space around the axes, in pixels."""

    left: float
    bottom: float
    right: float
    top: float


def render_svg(
    alt: str,
    size: tuple[float, float],
    draw: Callable[[Axes], None],
    margins: Margins,
    caption: str = "",
) -> SvgFigure:
    """Render what ``draw`` draws on axes as SVG.

    An exception becomes a message in place of the figure.

    Parameters
    ----------
    alt
        Description of the figure for screen readers.
    size
        Width and height in pixels.
    draw
        Function that draws on axes.
    margins
        Space around the axes.
    caption
        Text above the figure.
    """
    width, height = size
    salt = {"svg.hashsalt": alt}  # so that ids are unique in a page
    with rc_context(RC_PARAMS | salt), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has its own fonts
        try:
            figure = Figure(figsize=(width / 72, height / 72))
            x, y = margins.left / width, margins.bottom / height
            inner = (width - margins.left - margins.right, height - margins.bottom - margins.top)
            draw(figure.add_axes((x, y, inner[0] / width, inner[1] / height)))
            buffer = io.StringIO()
            metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(
                buffer, format="svg", transparent=True, dpi=RASTER_DPI, metadata=metadata
            )
        except Exception as error:  # values of third-party components can be anything
            log.debug("%s", alt, exc_info=error)
            reason = Markup('<p class="missing">could not be drawn: {}</p>').format(error)
            return SvgFigure(reason, alt, caption)
    return SvgFigure(_to_inline(buffer.getvalue(), alt, width), alt, caption)


def _to_inline(svg: str, alt: str, width: float) -> Markup:
    """Drop unused ids, shorten numbers, and use the colors and the font of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([\w-]+)', svg))
    svg = re.sub(r' id="([\w-]+)"', lambda m: m[0] if m[1] in used else "", svg)
    svg = re.sub(r'xmlns(:xlink)?="[^"]*"', "", svg)
    for color, variable in CSS_VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    svg = re.sub(r"font: (?:\w+ )?([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    parts = re.split(r'("data:[^"]*"|>[^<]*<)', svg)  # images and text are not changed
    parts[::2] = [re.sub(r"-?\d+\.\d{2,}", _shorten_number, part) for part in parts[::2]]
    svg = re.sub(r"\s*\n\s*", "\n", "".join(parts))
    head = f'<svg role="img" aria-label="{escape(alt)}" style="max-width:{width:g}px"'
    return Markup(re.sub(r'^<svg[^>]*?(viewBox="[^"]*")[^>]*>', lambda m: f"{head} {m[1]}>", svg))


def _shorten_number(match: re.Match[str]) -> str:
    text = f"{float(match[0]):.1f}" if abs(float(match[0])) >= 1 else f"{float(match[0]):.4f}"
    return text.rstrip("0").rstrip(".") or "0"
