"""Plot of a gene's log expression with its LTMG mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scgnn.components.ltmg.log_expression import compute_log_expression

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
NOT_EXPRESSED_COLOR = "0.55"  # gray


def plot_ltmg(adata: AnnData, gene: str, key: str = "ltmg", ax: Axes | None = None) -> Axes:
    """Plot the log expression of a gene and the mixture that LTMG fitted to it.

    Areas are fractions of cells: the bars and the censored box, which represents the cells below
    the cut-off, sum to 1, and so do the components.

    Parameters
    ----------
    adata
        Annotated data matrix with the results of :func:`scgnn.ltmg`.
    gene
        Gene in ``adata.var_names``.
    key
        ``key_added`` of :func:`scgnn.ltmg`.
    ax
        Axes to draw on. None: those of a new figure.

    Returns
    -------
    The axes.

    Raises
    ------
    ValueError
        If ``adata`` has no such gene or no such result.
    """
    from matplotlib import pyplot as plt

    if key not in adata.uns:
        raise ValueError(f"no {key!r} in adata.uns: run scgnn.ltmg(adata, key_added={key!r}) first")
    if gene not in adata.var_names:
        raise ValueError(f"no gene {gene!r} in adata.var_names")
    ax = plt.subplots(figsize=(7, 4), layout="constrained")[1] if ax is None else ax
    params, i = adata.uns[key]["params"], adata.var_names.get_loc(gene)
    layer = params.get("layer")
    x = (adata.X if layer is None else adata.layers[layer])[:, [i]]
    y = np.sort(compute_log_expression(x, params["input"]).data)
    cutoff, status = (adata.var[f"{key}_{name}"].iloc[i] for name in ("cutoff", "status"))
    x_min = _draw_cells(ax, y[y >= cutoff], cutoff, adata.n_obs)
    _draw_components(
        ax, x_min, *(adata.varm[f"{key}_{name}"][i] for name in ("weight", "mean", "sd"))
    )
    unit = "counts" if params["input"] == "counts" else "count, from log(count + 1)"
    ax.set(
        xlabel=f"log expression (natural log of {unit})",
        ylabel="fraction of cells per log unit",
    )
    ax.set_title(f"{gene}: {status}", parse_math=False)
    ax.legend(fontsize="small", frameon=False)
    return ax


def _draw_cells(ax: Axes, uncensored: FloatArray, cutoff: float, n_cells: int) -> float:
    """Draw bars of the uncensored cells and the box of the censored ones; return the left limit."""
    if not len(uncensored):
        ax.text(0.5, 0.5, "no expression", transform=ax.transAxes, ha="center")
        return 0.0
    edges = _compute_bin_edges(uncensored, cutoff)
    height = np.histogram(uncensored, edges)[0] / n_cells / np.diff(edges)
    ax.stairs(height, edges, fill=True, color="0.85", label="uncensored cells")
    censored = 1 - len(uncensored) / n_cells
    span = max(edges[-1] - cutoff, 1.0)
    if not censored:
        return float(edges[0] - span / 10)
    width = span / 3
    ax.bar(
        cutoff - width / 2,
        censored / width,
        width,
        color="none",
        edgecolor=NOT_EXPRESSED_COLOR,
        hatch="///",
        label=f"censored: {censored:.0%} of cells",
    )
    ax.axvline(cutoff, color="black", linestyle="--", linewidth=1, label="cut-off")
    return float(cutoff - 1.5 * width)


def _compute_bin_edges(uncensored: FloatArray, cutoff: float) -> FloatArray:
    """Return edges of about equally wide bars, between whole counts if the values are counts."""
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
    """Draw p_j φ(y; μ_j, σ_j) of each component and their sum."""
    from matplotlib import colormaps
    from scipy.stats import norm

    fitted = np.flatnonzero(np.nan_to_num(weight) > 0)
    if not len(fitted):
        return
    x_max = max(ax.get_xlim()[1], (mean + 3 * sd)[fitted].max())
    y = np.linspace(x_min, x_max, 1000)
    curves = {j: weight[j] * norm.pdf(y, mean[j], sd[j]) for j in fitted}
    bars_max = ax.dataLim.y1
    ax.plot(y, np.sum(list(curves.values()), 0), color="black", linewidth=1, label="mixture")
    colors = colormaps["viridis"](np.linspace(0.15, 0.85, len(weight)))
    for j, curve in curves.items():
        label = f"state {j}" if j else "state 0, not expressed"
        color = colors[j] if j else NOT_EXPRESSED_COLOR
        ax.plot(y, curve, color=color, linewidth=2, label=f"{label}: {weight[j]:.0%}")
    active = [curve.max() for j, curve in curves.items() if j]
    y_max = max(*active, bars_max) if active else ax.dataLim.y1
    ax.set(xlim=(x_min, x_max), ylim=(0, 1.1 * y_max))
