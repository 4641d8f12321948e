"""Draw the figures of the README with the package's own plotting functions; ``make figures``.

    python docs/figures.py            # all of them, in about six minutes
    python docs/figures.py run        # the run only

The run is ``scgnn-recipe run scgnn_quick --labels-key group``, the study is the one in
``docs/figures/study.yaml``, which the README shows.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from anndata import AnnData
from matplotlib.axes import Axes

import scgnn
from scgnn.plotting.forest import ForestPlot, build_forest_plot, compute_block_differences
from scgnn.plotting.scatter import plot_clusters
from scgnn.plotting.svg import ACCENT, CSS_VARIABLES, INK, LINE, MUTED, Margins, render_svg
from scgnn.plotting.svg import SvgFigure as Svg

FOLDER = Path(__file__).parent / "figures"
COLORS = {INK: "#1f2328", MUTED: "#59636e", LINE: "#d1d9e0", ACCENT: "#0072b2"}
PANEL_SIZE = (350.0, 320.0)
ROW_HEIGHT, FOREST_WIDTH = 26.0, 700.0
FOREST_MARGINS = Margins(left=170, bottom=46, right=150, top=30)
CLAIM_COLORS = {"better": "#0072b2", "worse": "#d55e00"}
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


def draw_run() -> str:
    """Run the quick recipe on simulated counts; draw its clusters beside the simulated groups."""
    result = scgnn.run("scgnn_quick", labels_key="group")
    return join_side_by_side([plot_labels(result, "scgnn", "scGNN"), plot_groups(result)])


def plot_labels(result: AnnData, key: str, title: str, noun: str = "cluster") -> Svg:
    """Draw a column of obs on the UMAP of the embedding that was clustered."""
    labels, reference = result.obs[key].astype(str), result.obs["group"].astype(str)
    return plot_clusters(
        result.obsm["X_scgnn"],
        labels,
        title,
        reference=reference,
        basis="UMAP",
        size=PANEL_SIZE,
        noun=noun,
    )


def plot_groups(result: AnnData) -> Svg:
    """Draw the simulated groups."""
    return plot_labels(result, "group", "simulated", "group")


def draw_study(folder: Path) -> str:
    """Run the study of the README and draw its effects on the ARI as a forest plot."""
    tables = scgnn.run_study(FOLDER / "study.yaml", out=folder, jobs=1, resume=True).tables
    effects = tables.effects.rename(columns={"variant": "name"})
    differences = compute_block_differences(tables.runs, "ari", ["data", "seed"])
    plot = build_forest_plot(effects[effects["score"] == "ari"], "change", differences)
    assert plot is not None
    size = (FOREST_WIDTH, ROW_HEIGHT * len(plot.rows) + FOREST_MARGINS.bottom + FOREST_MARGINS.top)
    alt = "Effect of each change on the ARI, with 95% intervals"
    return to_standalone(render_svg(alt, size, lambda ax: draw_forest(ax, plot), FOREST_MARGINS))


def draw_forest(ax: Axes, plot: ForestPlot) -> None:
    """Draw one row per change: differences in blocks, their mean and its interval."""
    ax.axvline(plot.zero_position, color=MUTED, linewidth=1)
    for y, row in enumerate(plot.rows):
        color = CLAIM_COLORS.get(row.claim, MUTED)
        blocks = row.block_points
        ax.plot(blocks, [y] * len(blocks), "|", color=MUTED, alpha=0.6, markersize=9)
        if row.interval is not None:
            ax.plot(row.interval, (y, y), color=color, linewidth=2.5)
        ax.plot(row.point, y, "o", color=color, markersize=6)
        text = {"va": "center", "annotation_clip": False, "xycoords": ("axes fraction", "data")}
        ax.annotate(row.name, (-0.03, y), ha="right", color=INK, **text)
        ax.annotate(row.estimate, (1.03, y), ha="left", color=color, **text)
    ax.set_xlim(0, 100)
    ax.set_ylim(len(plot.rows) - 0.4, -0.6)
    ax.set_xticks([at for at, _ in plot.ticks], [label for _, label in plot.ticks])
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(f"difference in {plot.score}, {plot.direction_label}")
    ax.set_title("paired difference from the base [95% interval]", fontsize=11)


def to_standalone(figure: Svg) -> str:
    """Return an SVG file: light colors and a font in place of those of the surrounding page."""
    svg = str(figure.svg)
    for placeholder, variable in CSS_VARIABLES.items():
        svg = svg.replace(f"var({variable})", COLORS[placeholder])
    x, y, width, height = re.search(r'viewBox="([-\d. ]+)"', svg)[1].split()
    attributes = (
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{height}" font-family="{FONT}"'
    )
    background = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#ffffff"/>'
    return re.sub(r"^<svg([^>]*)>", rf"<svg {attributes}\1>{background}", svg) + "\n"


def join_side_by_side(figures: list[Svg], caption_height: float = 26.0) -> str:
    """Return one SVG with the figures in a row, each under its caption."""
    panels, x = [], 0.0
    for figure in figures:
        panel = to_standalone(figure)
        width, height = (float(n) for n in re.findall(r'(?:width|height)="([\d.]+)"', panel)[:2])
        caption = f'<text x="{x + width / 2}" y="18" text-anchor="middle">{figure.caption}</text>'
        panels += [caption, panel.replace("<svg ", f'<svg x="{x}" y="{caption_height}" ', 1)]
        x += width
    label = "; ".join(figure.alt for figure in figures)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'width="{x}" height="{height + caption_height}" font-family="{FONT}" font-size="14" '
        f'fill="{COLORS[INK]}"><rect width="100%" height="100%" fill="#ffffff"/>'
        f"{''.join(panels)}</svg>\n"
    )


def main() -> None:
    """Draw the figures named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", nargs="*", default=["run", "study"], metavar="run|study")
    parser.add_argument("--out", type=Path, help="keep the runs of the study in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        draw = {
            "run": draw_run,
            "study": lambda: draw_study(options.out or Path(scratch) / "study"),
        }
        for name in options.figures:
            (FOLDER / f"{name}.svg").write_text(draw[name](), encoding="utf-8")


if __name__ == "__main__":
    main()
