"""Pictures of what was fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scgnn.components.ltmg.expression import compute_log_expression

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
NOT_EXPRESSED_COLOR = "0.55"  # grey


def plot_ltmg(adata: AnnData, gene: str, key: str = "ltmg", ax: Axes | None = None) -> Axes:
    """Draw the log expression of a gene with the mixture that LTMG fitted to it.

    Areas are shares of cells: bars and the censored box, which holds the cells below the cut-off,
    make 1 together, and so do the components.

    Parameters
    ----------
    adata
        What :func:`scgnn.ltmg` wrote into.
    gene
        Name in ``adata.var_names``.
    key
        Its ``key_added``.
    ax
        Where to draw; None: a new figure.

    Raises
    ------
    ValueError
        Where there is no such gene or no such result.
    """
    from matplotlib import pyplot as plt

    settings, at = _find_fit(adata, gene, key)
    ax = plt.subplots(figsize=(7, 4), layout="constrained")[1] if ax is None else ax
    y = _compute_gene_log_expression(adata, at, settings)
    cutoff = adata.var[f"{key}_cutoff"].iloc[at]
    seen = y[y >= cutoff]
    left = _draw_cells(ax, seen, cutoff, adata.n_obs)
    weight, mean, sd = (adata.varm[f"{key}_{name}"][at] for name in ("weight", "mean", "sd"))
    _draw_components(ax, left, weight, mean, sd)
    what = "counts" if settings["input"] == "counts" else "count, from log(count + 1)"
    ax.set_xlabel(f"log expression (natural log of {what})")
    ax.set_ylabel("share of cells per log unit")
    status = adata.var[f"{key}_status"].iloc[at]
    ax.set_title(f"{gene}: {status}")
    ax.legend(fontsize="small", frameon=False)
    return ax


def _find_fit(adata: AnnData, gene: str, key: str) -> tuple[dict[str, Any], int]:
    """The settings of a fit and the gene's place."""
    if key not in adata.uns:
        raise ValueError(f"There is no uns[{key!r}]: run scgnn.ltmg(adata, key_added={key!r}).")
    if gene not in adata.var_names:
        raise ValueError(f"There is no gene {gene!r} in adata.var_names.")
    return adata.uns[key]["settings"], int(adata.var_names.get_loc(gene))


def _compute_gene_log_expression(
    adata: AnnData, gene_index: int, settings: dict[str, Any]
) -> FloatArray:
    layer = settings.get("layer")
    x = (adata.X if layer is None else adata.layers[layer])[:, [gene_index]]
    return np.sort(compute_log_expression(x, settings["input"]).data)


def _draw_cells(ax: Axes, uncensored: FloatArray, cutoff: float, n_cells: int) -> float:
    """Bars of the cells seen and the box of the censored ones; where the picture begins."""
    if not len(uncensored):
        ax.text(0.5, 0.5, "no expression", transform=ax.transAxes, ha="center")
        return 0.0
    edges = _compute_bin_edges(uncensored, cutoff)
    height = np.histogram(uncensored, edges)[0] / n_cells / np.diff(edges)
    ax.stairs(height, edges, fill=True, color="0.85", label="cells seen")
    censored = 1 - len(uncensored) / n_cells
    span = max(edges[-1] - cutoff, 1.0)
    if not censored:
        return float(edges[0] - span / 10)
    box = span / 3
    ax.bar(
        cutoff - box / 2,
        censored / box,
        box,
        color="none",
        edgecolor=NOT_EXPRESSED_COLOR,
        hatch="///",
        label=f"censored: {censored:.0%} of cells",
    )
    ax.axvline(cutoff, color="black", linestyle="--", linewidth=1, label="cut-off")
    return float(cutoff - 1.5 * box)


def _compute_bin_edges(uncensored: FloatArray, cutoff: float) -> FloatArray:
    """Bars of about equal width, between whole counts where the values are counts."""
    counts = np.exp(uncensored)
    width = max((uncensored[-1] - uncensored[0]) / 50, 0.02)
    if not np.allclose(counts, np.round(counts), rtol=1e-5):
        n_bars = max(1, int(np.ceil((uncensored[-1] - cutoff) / width)))
        return np.linspace(cutoff, max(uncensored[-1], cutoff + width) + 1e-9, n_bars + 1)
    between = np.log(np.arange(round(counts[0]), round(counts[-1]) + 2) - 0.5)
    _, first = np.unique((between - between[0]) // width, return_index=True)
    return np.append(between[first[between[first] < uncensored[-1]]], between[-1])


def _draw_components(
    ax: Axes, x_min: float, weight: FloatArray, mean: FloatArray, sd: FloatArray
) -> None:
    """p_j φ(y; μ_j, σ_j) of each component and their sum."""
    from matplotlib import colormaps

    fitted = np.flatnonzero(np.nan_to_num(weight) > 0)
    if not len(fitted):
        return
    right = max(ax.get_xlim()[1], (mean + 3 * sd)[fitted].max())
    y = np.linspace(x_min, right, 1000)
    curves = [
        weight[j] * np.exp(-(((y - mean[j]) / sd[j]) ** 2) / 2) / (sd[j] * np.sqrt(2 * np.pi))
        for j in fitted
    ]
    tallest = ax.dataLim.y1  # bars and box
    ax.plot(y, np.sum(curves, 0), color="black", linewidth=1, label="mixture")
    colours = colormaps["viridis"](np.linspace(0.15, 0.85, len(weight)))
    for j, curve in zip(fitted, curves, strict=True):
        label = f"state {j}" if j else "state 0, not expressed"
        colour = colours[j] if j else NOT_EXPRESSED_COLOR
        ax.plot(y, curve, color=colour, linewidth=2, label=f"{label}: {weight[j]:.0%}")
    active = [curve.max() for j, curve in zip(fitted, curves, strict=True) if j]
    drawn = ax.dataLim.y1 if not active else max(*active, tallest)
    ax.set_xlim(x_min, right)
    ax.set_ylim(0, 1.1 * drawn)
