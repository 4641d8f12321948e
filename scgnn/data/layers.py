"""The matrix of an AnnData that holds the counts: X, raw or a layer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from scgnn.data.anndata_views import build_anndata, replace_x, to_csr
from scgnn.data.sparse_structure import check_matrices
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

AUTO, MAIN, RAW = "auto", "X", "raw"
PARTIAL_LAYERS = ("unspliced", "ambiguous", "nascent", "spanning")  # of RNA velocity
VALUES_PER_BLOCK = 2**22


def find_counts(adata: AnnData, layer: str, source: str) -> str:
    """Return where the counts are: ``X``, ``raw`` or the name of a layer.

    Parameters
    ----------
    adata
        Data, cells x genes, in memory.
    layer
        ``X``, ``raw``, the name of a layer, or ``auto``: X if it holds counts, else the only other
        matrix that does, unless it has only a part of the counts (``unspliced``, ``ambiguous``,
        …); without any, X. Equal matrices count as one.
    source
        Name of the data in messages.

    Raises
    ------
    InputError
        There is no such matrix, or ``auto`` has several to choose from, or none.
    """
    return choose_layer(
        list_layers(adata),
        layer,
        source,
        has_counts=lambda place: holds_counts(get_matrix(adata, place)),
        are_equal=partial(_are_equal, adata),
    )


def choose_layer(
    layers: Sequence[str],
    layer: str,
    source: str,
    has_counts: Callable[[str], bool],
    are_equal: Callable[[str, str], bool],
) -> str:
    """Return which of the layers of some data has the counts, as :func:`find_counts`.

    Parameters
    ----------
    layers
        Names of the layers, ``X`` and ``raw`` included.
    layer
        The layer to use, or ``auto``.
    source
        Name of the data in messages.
    has_counts
        Whether a layer holds counts.
    are_equal
        Whether two layers are equal.
    """
    if layer != AUTO:
        if layer not in layers:
            raise InputError(format_unknown_layer(layer, layers, source))
        return layer
    if MAIN in layers and has_counts(MAIN):
        return MAIN
    candidates: list[str] = []
    for name in layers:
        if name != MAIN and has_counts(name) and not any(are_equal(name, n) for n in candidates):
            candidates.append(name)
    problem = "X does not hold counts" if MAIN in layers else "there is no X"
    if len(candidates) > 1:
        advice = "set data.layer to one of these"
        raise InputError(f"{source}: {problem}, but {', '.join(candidates)} do: {advice}")
    if candidates and candidates[0] not in PARTIAL_LAYERS:
        log.warning(f"{source}: {problem}, so '{candidates[0]}' is used, which holds counts")
        return candidates[0]
    if MAIN not in layers:
        advice = "set data.layer to the one to use" if layers else "provide counts"
        choices = ", ".join(layers) or "none"
        raise InputError(f"{source}: {problem}, and no layer holds counts ({choices}): {advice}")
    return MAIN


def format_unknown_layer(layer: str, layers: Sequence[str], source: str) -> str:
    """Return the message for a layer that some data do not have."""
    kind, choices = MAIN if layer == MAIN else f"layer '{layer}'", ", ".join(layers) or "none"
    advice = "set data.layer to one of these, or to auto"
    return f"{source} has no {kind}, it has {choices}: {advice}"


def select_counts(adata: AnnData, layer: str, source: str = "the data") -> AnnData:
    """Return the same cells with another matrix as ``X``, and without ``uns["log1p"]``.

    Parameters
    ----------
    adata
        Data, cells x genes.
    layer
        ``X``, ``raw`` or the name of a layer, which must exist.
    source
        Name of the data in messages.

    Raises
    ------
    InputError
        ``adata`` is a view of damaged matrices.
    """
    if layer == MAIN:
        return adata
    if adata.is_view:  # whose matrices are selected when they are accessed
        check_matrices(adata, source)
    uses_raw = layer == RAW and adata.raw is not None
    new = take_raw(adata) if uses_raw else replace_x(adata, adata.layers[layer])
    new.uns.pop("log1p", None)
    return new


def keep_genes_of_counts(adata: AnnData, layer: str, source: str) -> AnnData:
    """Return the data with the genes of the counts, which ``raw`` may have others of.

    Parameters
    ----------
    adata
        Data, cells x genes.
    layer
        Where the counts are.
    source
        Name of the data in messages.
    """
    if layer != RAW or adata.raw is None or adata.raw.var_names.equals(adata.var_names):
        return adata
    log.info(f"{source}: the result has the genes of raw, without matrices of other genes")
    return select_counts(adata, RAW, source)


def take_raw(adata: AnnData) -> AnnData:
    """Return ``raw`` with its own genes, and what does not depend on the genes of ``X``."""
    aligned = {name: dict(getattr(adata, name)) for name in ("uns", "obsm", "obsp")}
    return build_anndata(X=adata.raw.X, obs=adata.obs, var=adata.raw.var, **aligned)


def list_layers(adata: AnnData) -> list[str]:
    """Return the possible values of ``layer`` but ``auto``."""
    main = [MAIN] if adata.X is not None else []
    raw = [RAW] if adata.raw is not None else []
    return [*main, *raw, *(name for name in adata.layers if name not in (*main, *raw, None))]


def get_matrix(adata: AnnData, layer: str) -> Any:
    """Return the matrix of ``X``, ``raw`` or a layer."""
    if layer == MAIN:
        return adata.X
    return adata.raw.X if layer == RAW and adata.raw is not None else adata.layers[layer]


def holds_counts(matrix: Any) -> bool:
    """Return whether all values are whole, finite and not negative, and one is not 0."""
    values = np.ravel(matrix.data if issparse(matrix) else np.asarray(matrix), order="K")
    if values.dtype.kind not in "uif":
        return False
    blocks = (values[i : i + VALUES_PER_BLOCK] for i in range(0, len(values), VALUES_PER_BLOCK))
    return all(map(_are_whole, blocks)) and bool(values.any())


def _are_whole(values: np.ndarray) -> bool:
    if values.dtype.kind == "u":
        return True
    are_counts = values >= 0
    if values.dtype.kind == "f":
        are_counts &= (values == np.floor(values)) & (values < np.inf)
    return bool(are_counts.all())


def _are_equal(adata: AnnData, a: str, b: str) -> bool:
    """Return whether two matrices have the same genes and values."""
    raw_genes = adata.var_names if adata.raw is None else adata.raw.var_names
    if RAW in (a, b) and not raw_genes.equals(adata.var_names):
        return False
    x, y = (to_csr(get_matrix(adata, place), place) for place in (a, b))
    return all(np.array_equal(getattr(x, n), getattr(y, n)) for n in ("indptr", "indices", "data"))
