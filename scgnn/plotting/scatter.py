"""Cells in two dimensions, coloured and marked by their clusters."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.optimize import linear_sum_assignment

from scgnn.plotting.formatting import format_count
from scgnn.plotting.svg import COLORS, INK, MARKERS, Margins, SvgFigure, render_svg
from scgnn.seeding import generator

FIGURE_SIZE = (270.0, 250.0)
MAX_CELLS = {"PCA": 3_000, "UMAP": 1_000}  # drawn, from all of them at random
MAX_LABEL_LENGTH = 16  # letters of a label
MIN_LABELED_FRACTION = 0.02  # share of the cells from which a cluster has its number written on it


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
    """The embedding in two dimensions.

    Parameters
    ----------
    embedding
        Cells x d.
    labels
        Cluster of each cell, by its name.
    whose
        Named in the caption.
    like
        Other labels, whose colours the most similar clusters take.
    by
        ``PCA`` or ``UMAP``.
    size
        In pixels.
    thing
        What a label names.
    """
    few = np.sort(generator(0, "cells drawn").permutation(len(clusters))[: MAX_CELLS[basis]])
    colours = match_clusters(clusters, clusters if reference is None else reference)

    def draw(ax: Axes) -> None:
        at = _project_pca(embedding)[few] if basis == "PCA" else _project_umap(embedding[few])
        shown = clusters.to_numpy()[few]
        area = float(np.clip(6_000 / max(len(few), 1), 3, 22))
        for label, number in colours.items():
            here = at[shown == label]
            colour, marker = get_cluster_style(number)
            style: dict[str, Any] = {"color": colour, "marker": marker, "linewidths": 0}
            ax.scatter(here[:, 0], here[:, 1], area, alpha=0.85, rasterized=True, **style)
            if len(here) >= max(MIN_LABELED_FRACTION * len(few), 1):
                x, y = np.median(here, axis=0)
                ax.text(
                    x,
                    y,
                    str(label)[:MAX_LABEL_LENGTH],
                    ha="center",
                    va="center",
                    color=INK,
                    weight="bold",
                )
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(f"{basis} 1")
        ax.set_ylabel(f"{basis} 2")

    sizes = clusters.value_counts()
    alt = (
        f"{title}, {basis} of the embedding: {format_count(len(clusters), 'cell')} in "
        f"{format_count(len(sizes), noun)}, the largest of {sizes.iloc[0]:,} cells"
    )
    caption = f"{title}, {basis}, {format_count(len(sizes), noun)}"
    return render_svg(alt, size, draw, Margins(22, 22, 4, 4), caption)


def get_cluster_style(index: int) -> tuple[str, str]:
    """Colour and marker of the n-th cluster."""
    return COLORS[index % len(COLORS)], MARKERS[index // len(COLORS) % len(MARKERS)]


def match_clusters(clusters: pd.Series, reference: pd.Series) -> dict[Any, int]:
    """A number for each label, the same as that of the label in ``like`` most of its cells have.

    One to one, so that the cells in common are as many as can be (Kuhn 1955); labels left over
    are numbered on.
    """
    own, other = np.unique(clusters), np.unique(reference)
    common = clusters.index.intersection(reference.index)
    counts = (
        pd.crosstab(clusters[common], reference[common]).reindex(index=own, columns=other).fillna(0)
    )
    rows, columns = linear_sum_assignment(-counts.to_numpy())
    found = {own[row]: int(column) for row, column in zip(rows, columns, strict=True)}
    rest = [label for label in own if label not in found]
    found |= {label: len(other) + i for i, label in enumerate(rest)}
    return {label: found[label] for label in own}


def has_umap() -> bool:
    """Whether the package umap is installed."""
    return importlib.util.find_spec("umap") is not None


def _project_pca(embedding: np.ndarray) -> np.ndarray:
    """The first two principal components, each with the sign that makes its largest value > 0."""
    centred = embedding - embedding.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred.astype(float), full_matrices=False)
    at = np.zeros((len(embedding), 2))
    kept = min(2, len(sizes))
    at[:, :kept] = left[:, :kept] * sizes[:kept]
    signs = np.sign(at[np.abs(at).argmax(axis=0), [0, 1]])
    return np.asarray(at * np.where(signs == 0, 1, signs))


def _project_umap(embedding: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it is made of
        reducer = importlib.import_module("umap").UMAP
        neighbours = min(15, len(embedding) - 1)
        method = reducer(n_neighbors=neighbours, n_epochs=200, random_state=0, n_jobs=1)
        return np.asarray(method.fit_transform(embedding))
