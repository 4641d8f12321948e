"""Scatter plots of cells in two dimensions, colored by cluster."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.optimize import linear_sum_assignment

from scgnn.execution.formatting import format_count
from scgnn.plotting.svg import COLORS, INK, MARKERS, Margins, SvgFigure, render_svg
from scgnn.seeding import generator

FIGURE_SIZE = (270.0, 250.0)
MAX_CELLS = {"PCA": 3_000, "UMAP": 1_000}  # drawn, a random subset
MIN_LABELED_FRACTION = 0.02  # fraction of cells from which a cluster is labeled


def plot_clusters(
    embedding: np.ndarray,
    clusters: pd.Series,
    title: str,
    *,
    reference: pd.Series | None = None,
    basis: str = "PCA",
    size: tuple[float, float] = FIGURE_SIZE,
    noun: str = "cluster",
) -> SvgFigure:
    """Plot an embedding in two dimensions, colored by cluster.

    Parameters
    ----------
    embedding
        Cells x dimensions.
    clusters
        Cluster of each cell, indexed by cell name.
    title
        First words of the caption.
    reference
        Clusters whose colors the most similar ``clusters`` take.
    basis
        ``PCA``, or ``UMAP`` where umap-learn is installed.
    size
        Width and height in pixels.
    noun
        Singular of what ``clusters`` are, for the caption.
    """
    colors = match_clusters(clusters, clusters if reference is None else reference)
    n_cells, sizes = len(clusters), clusters.value_counts()
    subset = np.sort(generator(0, "cells drawn").permutation(n_cells)[: MAX_CELLS[basis]])

    def draw(ax: Axes) -> None:
        points = (
            _project_pca(embedding)[subset] if basis == "PCA" else _project_umap(embedding[subset])
        )
        area = float(np.clip(6_000 / max(len(subset), 1), 3, 22))
        for cluster, number in colors.items():
            part = points[clusters.to_numpy()[subset] == cluster]
            color, marker = get_cluster_style(number)
            style: dict[str, Any] = {"color": color, "marker": marker, "linewidths": 0}
            ax.scatter(part[:, 0], part[:, 1], area, alpha=0.85, rasterized=True, **style)
            if len(part) >= max(MIN_LABELED_FRACTION * len(subset), 1):
                x, y = np.median(part, axis=0)
                ax.text(x, y, str(cluster), ha="center", va="center", color=INK, weight="bold")
        ax.set(xticks=[], yticks=[], xlabel=f"{basis} 1", ylabel=f"{basis} 2")

    n_clusters = format_count(len(sizes), noun)
    alt = (
        f"{title}, {basis} of the embedding: {format_count(n_cells, 'cell')} in {n_clusters}, "
        f"the largest of {sizes.iloc[0]:,} cells"
    )
    return render_svg(alt, size, draw, Margins(22, 22, 4, 4), f"{title}, {basis}, {n_clusters}")


def get_cluster_style(number: int) -> tuple[str, str]:
    """Return the color and the marker of a cluster."""
    return COLORS[number % len(COLORS)], MARKERS[number // len(COLORS) % len(MARKERS)]


def match_clusters(clusters: pd.Series, reference: pd.Series) -> dict[Any, int]:
    """Map each cluster to the number of the reference cluster with which it shares most cells.

    The assignment is one to one and maximizes the number of shared cells (Kuhn 1955); clusters
    left over get new numbers.
    """
    counts: Any = pd.crosstab(clusters, reference)
    counts = counts.reindex(columns=np.unique(reference), fill_value=0)
    rows, columns = linear_sum_assignment(counts.to_numpy(), maximize=True)
    matched = dict(zip(counts.index[rows], columns, strict=True))
    new = count(len(counts.columns))
    return {
        cluster: int(matched[cluster] if cluster in matched else next(new))
        for cluster in np.unique(clusters)
    }


def has_umap() -> bool:
    """Return whether the package umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


def _project_pca(embedding: np.ndarray) -> np.ndarray:
    """Return the first two principal components; the largest absolute value of each is positive."""
    centered = embedding - embedding.mean(axis=0)
    u, s, _ = np.linalg.svd(centered.astype(float), full_matrices=False)
    points = np.zeros((len(embedding), 2))
    points[:, : len(s)] = (u * s)[:, :2]
    signs = np.sign(points[np.abs(points).argmax(axis=0), [0, 1]])
    return np.asarray(points * np.where(signs == 0, 1, signs))


def _project_umap(embedding: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and of a fixed random_state
        umap = importlib.import_module("umap").UMAP(
            n_neighbors=min(15, len(embedding) - 1), n_epochs=200, random_state=0, n_jobs=1
        )
        return np.asarray(umap.fit_transform(embedding))
