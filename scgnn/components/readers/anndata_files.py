"""Readers of AnnData files: h5ad and zarr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn.components.readers.contract import (
    Contents,
    Reader,
    log,
    resolve_file,
    resolve_path,
    translate_read_errors,
)
from scgnn.data.containers import check_zarr, open_hdf5
from scgnn.data.hdf5 import HDF5Matrix
from scgnn.data.layers import AUTO, MAIN, RAW, VALUES_PER_BLOCK, choose_layer, holds_counts
from scgnn.data.readable_parts import read_readable_parts
from scgnn.data.sparse_structure import check_matrices
from scgnn.errors import InputError
from scgnn.field_types import PositiveInt

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

RNA_MODALITIES = ("rna", "gex", "gene expression", "gene_expression")
NAME_COLUMNS = ("_index", "index")  # with the names, where attributes are missing


@Reader.register("h5ad")
@dataclass(frozen=True)
class H5AD(Reader):
    """AnnData in an .h5ad file.

    Parameters
    ----------
    path
        Path of the file.
    n_top_genes
        For files larger than memory: number of genes with the largest variance of the counts, which
        are read in blocks with ``obs`` and ``var``; null reads everything.
    """

    path: str = ""
    n_top_genes: PositiveInt | None = None

    def __call__(self) -> AnnData:
        import h5py
        from anndata.io import read_h5ad

        if self.n_top_genes:
            return self.read_counts()[0]
        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"), open_hdf5(path) as file:
            dense = ["X"] if isinstance(file.get("X"), h5py.Dataset) else []
            return _read_all(lambda: read_h5ad(path, as_sparse=dense), lambda: file, path)

    def read_counts(self, layer: str = AUTO) -> tuple[AnnData, str]:
        if not self.n_top_genes:
            return super().read_counts(layer)
        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"), open_hdf5(path) as file:
            return self._read_top_genes(file, layer, path, self.n_top_genes), MAIN

    def peek_shape(self, layer: str = AUTO) -> tuple[int, int, int] | None:
        import h5py

        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"), open_hdf5(path) as file:
            x = file.get(_find_matrices(file).get(MAIN if layer == AUTO else layer, ""))
            if isinstance(x, h5py.Dataset):
                (n_cells, n_genes), n_stored = x.shape, x.size
            elif x is None or "shape" not in x.attrs:
                return None  # reading reports what is wrong
            else:
                (n_cells, n_genes), n_stored = x.attrs["shape"], x["data"].size
            n_kept = min(self.n_top_genes or n_genes, n_genes)
            return int(n_cells), int(n_kept), int(n_stored * n_kept // max(n_genes, 1))

    def peek_contents(self) -> Contents:
        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"), open_hdf5(path) as file:
            return _peek_contents(file)

    def peek_counts(self, layer: str = AUTO) -> tuple[str, np.ndarray]:
        path = resolve_file(self.path)
        with translate_read_errors(path, "h5ad"), open_hdf5(path) as file:
            return _peek_counts(file, layer, path)

    def _read_top_genes(self, file: Any, layer: str, path: Path, n_top_genes: int) -> AnnData:
        from anndata import AnnData

        x, obs, var = open_counts(file, layer, path)
        genes = x.find_top_variable_genes(n_top_genes)
        log.info(f"{path}: keeping the {len(genes):,} most variable of {len(var):,} genes")
        return AnnData(x.read_genes(genes), obs=obs, var=var.iloc[genes])


@Reader.register("h5mu")
@dataclass(frozen=True)
class H5MU(Reader):
    """One modality of a MuData in an .h5mu file, with its own annotation.

    Parameters
    ----------
    path
        Path of the file.
    modality
        Name of the modality; null takes the only one, or that of RNA (``rna``, ``gex`` or ``gene
        expression``, in any case).
    """

    path: str = ""
    modality: str | None = None

    def __call__(self) -> AnnData:
        from anndata.io import read_elem

        path = resolve_file(self.path)
        with translate_read_errors(path, "h5mu"), open_hdf5(path) as file:
            name = self._select_modality(list(file.get("mod", ())), path)
            log.info(f"{path}: modality '{name}' is read")
            group = file[f"mod/{name}"]
            return _read_all(lambda: read_elem(group), lambda: group, path)

    def peek_contents(self) -> Contents:
        path = resolve_file(self.path)
        with translate_read_errors(path, "h5mu"), open_hdf5(path) as file:
            name = self._select_modality(list(file.get("mod", ())), path)
            return _peek_contents(file[f"mod/{name}"])

    def peek_counts(self, layer: str = AUTO) -> tuple[str, np.ndarray]:
        path = resolve_file(self.path)
        with translate_read_errors(path, "h5mu"), open_hdf5(path) as file:
            name = self._select_modality(list(file.get("mod", ())), path)
            return _peek_counts(file[f"mod/{name}"], layer, path)

    def _select_modality(self, modalities: list[str], path: Path) -> str:
        chosen = modalities if len(modalities) == 1 else []
        chosen = chosen or [name for name in modalities if name.lower() in RNA_MODALITIES]
        if self.modality is not None:
            chosen = [name for name in modalities if name == self.modality]
        if len(chosen) != 1:
            choices = ", ".join(modalities) or "none"
            problem = f"{path}: choose one of the modalities {choices}"
            raise InputError(f"{problem}: set data.reader.modality")
        return chosen[0]


def _read_all(read: Callable[[], Any], open_group: Callable[[], Any], path: Path) -> AnnData:
    """Return everything in a file, without parts that the installed anndata cannot read."""
    try:
        adata: AnnData = read()
    except Exception:
        adata = read_readable_parts(open_group(), path)
    adata.obs, adata.var = map(_restore_names, (adata.obs, adata.var))
    check_matrices(adata, str(path))
    return adata


def _peek_contents(group: Any) -> Contents:
    """Return the contents of an HDF5 or zarr group, whose ``obs`` may not list its columns."""
    columns = group["obs"].attrs.get("column-order") if "obs" in group else None
    if columns is not None:
        columns = [name.decode() if isinstance(name, bytes) else str(name) for name in columns]
    return Contents(columns, list(_find_matrices(group)))


def open_counts(file: Any, layer: str, path: Path) -> tuple[HDF5Matrix, Any, Any]:
    """Return the counts in an open h5ad file, which are not read yet, with ``obs`` and ``var``.

    Parameters
    ----------
    file
        The file.
    layer
        As ``data.layer`` of a recipe; whether a matrix holds counts is decided by its
        first values, and equal matrices are not found.
    path
        Its path, in messages.

    Raises
    ------
    InputError
        If there is no such layer, or its structure is damaged.
    """
    from anndata.io import read_elem

    key = _find_matrices(file)[_choose_layer(file, layer, path)]
    obs, var = read_elem(file["obs"]), read_elem(file["raw/var" if key == "raw/X" else "var"])
    return HDF5Matrix(file[key], (len(obs), len(var)), f"{path}: {key}"), obs, var


def _choose_layer(
    group: Any,
    layer: str,
    path: Path,
    are_equal: Callable[[np.ndarray, np.ndarray], bool] = lambda *_: False,
) -> str:
    """Return the layer with the counts, judged by the first values of each."""
    keys = _find_matrices(group)
    return choose_layer(
        list(keys),
        layer,
        str(path),
        has_counts=lambda name: _holds_counts(group[keys[name]]),
        are_equal=lambda a, b: are_equal(*(_read_first_values(group[keys[n]]) for n in (a, b))),
    )


def _holds_counts(matrix: Any) -> bool:
    """Return whether the first values of a matrix are counts; what cannot be read is not."""
    try:
        return holds_counts(_read_first_values(matrix))
    except Exception:
        return False


def _peek_counts(group: Any, layer: str, path: Path) -> tuple[str, np.ndarray]:
    """Return the layer with the counts, and its first values."""
    layer = _choose_layer(group, layer, path, np.array_equal)
    return layer, np.ravel(_read_first_values(group[_find_matrices(group)[layer]]))


def _restore_names(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its names, which other tools write without anndata's attributes."""
    import pandas as pd

    names = [name for name in NAME_COLUMNS if name in table]
    numbers = pd.RangeIndex(len(table)).astype(str)
    return table.set_index(names[0]) if names and table.index.equals(numbers) else table


def _find_matrices(file: Any) -> dict[str, str]:
    """Return the keys of the matrices in an h5ad file by the name of their layer."""
    keys = {MAIN: "X", RAW: "raw/X"}
    result = {name: key for name, key in keys.items() if key in file}
    return result | {n: f"layers/{n}" for n in file.get("layers", ()) if n not in result}


def _read_first_values(matrix: Any) -> np.ndarray:
    """Return some values of a dataset, or of a group with a sparse matrix."""
    if hasattr(matrix, "keys"):
        return matrix["data"][:VALUES_PER_BLOCK]
    return matrix[: max(1, VALUES_PER_BLOCK // max(1, matrix.shape[-1]))]


@Reader.register("zarr")
@dataclass(frozen=True)
class Zarr(Reader):
    """AnnData in a .zarr folder.

    Parameters
    ----------
    path
        Path of the folder.
    """

    path: str = ""

    def __call__(self) -> AnnData:
        from anndata.io import read_zarr

        with self._open_group() as group:
            path = resolve_path(self.path)
            return _read_all(lambda: read_zarr(path), lambda: group, path)

    def peek_contents(self) -> Contents:
        with self._open_group() as group:
            return _peek_contents(group)

    def peek_counts(self, layer: str = AUTO) -> tuple[str, np.ndarray]:
        with self._open_group() as group:
            return _peek_counts(group, layer, resolve_path(self.path))

    @contextmanager
    def _open_group(self) -> Iterator[Any]:
        """Open the checked store; see :func:`translate_read_errors`."""
        import zarr

        path = resolve_path(self.path)
        if not path.is_dir():
            raise InputError(f"{path} is a file, but a zarr store is a folder")
        with translate_read_errors(path, "an AnnData in zarr"):
            check_zarr(path)
            yield zarr.open_group(path, mode="r")
