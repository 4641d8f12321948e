"""Reading of AnnData files with parts that the installed anndata cannot read."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scgnn.data.anndata_views import build_anndata
from scgnn.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

log = logging.getLogger("scgnn")

MATRICES = ("X", "layers", "obsm", "varm", "obsp", "varp", "uns")
SPARSE_KEYS = {"data", "indices", "indptr"}
MAX_NAMED = 5  # parts in a message


def read_readable_parts(group: Any, path: Path) -> AnnData:
    """Return what can be read of an AnnData; the rest is left out and named in the log.

    Parameters
    ----------
    group
        HDF5 or zarr group with ``obs`` and ``var``.
    path
        Its path, in messages.

    Raises
    ------
    InputError
        X, or the names of the cells or genes, cannot be read.
    """
    reader = _PartReader(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fields: dict[str, Any] = {n: reader.read_table(group[n], n) for n in ("obs", "var")}
        fields |= reader.read_mapping(group, "", [key for key in MATRICES if key in group])
        reader.drop_misshapen(fields)
        raw = group.get("raw")
        if raw is not None and {"X", "var"} <= set(raw.keys()):
            matrix = reader.read_mapping(raw, "raw/", ["X"])
            if matrix:
                fields["raw"] = matrix | {"var": reader.read_table(raw["var"], "raw/var")}
    if reader.unread:
        reader.log_unread()
    return build_anndata(**fields)


class _PartReader:
    """Reader of the parts of a file, which remembers what it could not read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unread: list[str] = []

    def log_unread(self) -> None:
        named = ", ".join(self.unread[:MAX_NAMED])
        more = len(self.unread) - MAX_NAMED
        named += f" and {more:,} more" if more > 0 else ""
        log.warning(f"{self.path}: parts that cannot be read are left out: {named}")

    def _refuse(self, part: str, error: Exception) -> InputError:
        reason = " ".join(str(error).split()) or type(error).__name__
        problem = f"{self.path}: {part} cannot be read"
        return InputError(f"{problem} ({reason[:200]}): export the file again")

    def read_mapping(self, group: Any, prefix: str, keys: Iterable[str]) -> dict[str, Any]:
        """Return the items of a group that can be read, at any depth."""
        items = {}
        for key in keys:
            name = f"{prefix}{key}"
            try:
                items[key] = self._read(group[key], name)
            except InputError:
                raise
            except Exception as error:  # anndata's readers raise anything
                if name == "X":
                    raise self._refuse("X", error) from error
                self.unread.append(name)
        return items

    def drop_misshapen(self, fields: dict[str, Any]) -> None:
        """Drop, in place, the items that have not one row, or row and column, per cell or gene."""
        n_cells, n_genes = len(fields["obs"]), len(fields["var"])
        shapes = {
            "layers": (n_cells, n_genes),
            "obsm": (n_cells,),
            "obsp": (n_cells, n_cells),
            "varm": (n_genes,),
            "varp": (n_genes, n_genes),
        }
        for key, shape in shapes.items():
            items = fields.get(key, {})
            for name in list(items):
                if tuple(getattr(items[name], "shape", ()))[: len(shape)] != shape:
                    self.unread.append(f"{key}/{name}")
                    del items[name]

    def _read(self, item: Any, name: str) -> Any:
        from anndata.io import read_elem

        try:
            value = read_elem(item)
            is_array = isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
            return _to_supported_type(value) if is_array else value
        except Exception:
            if not hasattr(item, "keys"):
                raise
            if set(item.keys()) >= SPARSE_KEYS and _is_unsupported(item["data"].dtype):
                return _read_sparse(item)
            encoding = item.attrs.get("encoding-type", "dict")
            if encoding == "dataframe":
                return self.read_table(item, name)
            if encoding != "dict":
                raise
            return self.read_mapping(item, f"{name}/", item.keys())

    def read_table(self, group: Any, name: str) -> pd.DataFrame:
        """Return the columns of a table that can be read; its names must be readable."""
        import pandas as pd
        from anndata.io import read_elem

        try:
            table: pd.DataFrame = read_elem(group)
            return table
        except Exception:
            key = group.attrs.get("_index", "_index")
            try:
                index = pd.Index(np.asarray(read_elem(group[key])).astype(str))
            except Exception as error:
                raise self._refuse(f"the names in {name}", error) from error
            columns = [key for key in group.attrs.get("column-order", ()) if key in group]
            items = self.read_mapping(group, f"{name}/", columns)
            items = {k: value for k, value in items.items() if np.shape(value) == (len(index),)}
            return pd.DataFrame({k: pd.Series(v, index=index) for k, v in items.items()}, index)


def _read_sparse(group: Any) -> Any:
    """Return a sparse matrix whose values have a type that scipy does not have."""
    arrays = [_to_supported_type(group[key][...]) for key in ("data", "indices", "indptr")]
    is_csc = "csc" in str(group.attrs.get("encoding-type", group.attrs.get("h5sparse_format")))
    shape = group.attrs.get("shape", group.attrs.get("h5sparse_shape"))
    return (sparse.csc_matrix if is_csc else sparse.csr_matrix)(tuple(arrays), shape=tuple(shape))


def _is_unsupported(dtype: np.dtype) -> bool:
    return dtype == np.float16 or not dtype.isnative


def _to_supported_type(values: np.ndarray) -> np.ndarray:
    """Return values in the byte order of this machine, and float16 as float32."""
    return values.astype(
        np.float32 if values.dtype == np.float16 else values.dtype.newbyteorder("=")
    )
