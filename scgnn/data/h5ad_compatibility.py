"""Annotation in a form that .h5ad files can store."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn.arguments import is_unicode
from scgnn.data.anndata_views import ALIGNED, build_anndata, copy_slot
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

RESERVED_COLUMN = "_index"  # where anndata stores the names
MAX_DEPTH = 50  # of mappings


def make_h5ad_compatible(adata: AnnData, source: str) -> AnnData:
    """Return the data with annotation that an .h5ad file can store.

    Parameters
    ----------
    adata
        Data, cells x genes; not modified, and its matrices are shared.
    source
        Name of the data in messages.

    Raises
    ------
    InputError
        Names an element that no .h5ad file can store.
    """
    adata = adata.copy() if adata.is_view else adata
    fields: dict[str, Any] = {"obs": adata.obs, "var": adata.var, "uns": dict(adata.uns)}
    fields |= {slot: copy_slot(adata, slot) for slot in ALIGNED}
    if adata.raw is not None:
        fields["raw"] = {"var": adata.raw.var, "varm": dict(adata.raw.varm)}
    fields = {slot: _convert(value, slot, source) for slot, value in fields.items()}
    for name, value in _iter_elements(fields):
        _check_writable(name, value, source)
    if adata.raw is not None:
        fields["raw"]["X"] = adata.raw.X
    return build_anndata(X=adata.X, **fields)


def _convert(value: Any, name: str, source: str) -> Any:
    """Return a value with its tables converted."""
    if isinstance(value, Mapping):
        if name.count("[") > MAX_DEPTH:
            raise InputError(f"{source}: {name[:60]}… contains itself: remove it")
        for key in value:
            _check_key(key, name, source)
        return {key: _convert(item, f"{name}['{key}']", source) for key, item in value.items()}
    return _convert_table(value, name, source) if isinstance(value, pd.DataFrame) else value


def _check_key(key: Any, name: str, source: str) -> None:
    if not isinstance(key, str):
        problem = f"{name} has the key {key!r}, of type {type(key).__name__}"
        raise InputError(f"{source}: {problem}: use text, as .h5ad files require")
    if key in ("", ".") or "\0" in key or not is_unicode(key):
        raise InputError(f"{source}: {name} has the key {key!r}, which no .h5ad file can hold")


def _convert_table(table: pd.DataFrame, name: str, source: str) -> pd.DataFrame:
    """Return a table that anndata can write, as far as it can be converted."""
    new = pd.DataFrame(index=_convert_text(table.index))
    new.index.name = None if table.index.name is None else str(table.index.name)
    for position, key in enumerate(map(str, table.columns)):
        column = table.iloc[:, position]
        if key == RESERVED_COLUMN:
            if np.array_equal(column.astype(str), table.index.astype(str)):
                continue  # the names once more, as of SeuratDisk
            log.warning(f"{source}: column '{key}' of {name} is called 'index_' in .h5ad files")
            key = "index_"
        _check_key(key, name, source)
        if key in new:
            raise InputError(f"{source}: {name} has two columns '{key}': rename one of them")
        converted = _convert_column(column)
        if converted.dtype.kind == "O" and column.dtype.kind in "mM":
            log.warning(f"{source}: column '{key}' of {name} becomes text in .h5ad files")
        new[key] = converted.array
    new.index.name = None if new.index.name in new else new.index.name  # anndata refuses it
    return new


def _convert_column(column: pd.Series) -> pd.Series:
    """Return a column of a type that anndata can write."""
    if isinstance(column.dtype, pd.ArrowDtype):
        column = column.convert_dtypes(dtype_backend="numpy_nullable")
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return column.cat.rename_categories(list(_convert_text(dtype.categories)))
    if isinstance(dtype, pd.SparseDtype):
        return pd.Series(np.asarray(column))
    if isinstance(dtype, pd.Float32Dtype | pd.Float64Dtype):
        return pd.Series(column.to_numpy(dtype.name.lower(), na_value=np.nan))
    content = pd.api.types.infer_dtype(column, skipna=True) if dtype.kind == "O" else ""
    if content == "boolean":
        return column.astype("boolean")
    is_text = content == "string" or isinstance(dtype, pd.StringDtype)
    if is_text or dtype.kind in "mM" or isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        text = column.astype(object) if is_text else column.astype(str).where(column.notna(), None)
        return pd.Series(pd.Categorical(text)) if column.isna().any() else text.astype(object)
    return column


def _convert_text(index: pd.Index) -> pd.Index:
    """Return names as plain text; numbers and booleans stay."""
    return index if index.dtype.kind in "biuf" else index.astype(str).astype(object)


def _iter_elements(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the elements to write by name: columns of tables, and rows of matrices."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _iter_elements({f"{name}['{key}']": item for key, item in value.items()})
        elif isinstance(value, pd.DataFrame):
            yield name, value[[]]
            yield from ((f"{name}['{column}']", value[[column]]) for column in value)
        else:
            yield name, value[:1] if getattr(value, "ndim", 0) == 2 else value


def _check_writable(name: str, value: Any, source: str) -> None:
    import h5py
    from anndata.io import write_elem

    # a file in memory with a name would be the same one in all threads
    with warnings.catch_warnings(), h5py.File(BytesIO(), "w") as file:
        warnings.simplefilter("ignore")
        try:
            write_elem(file, "element", value)
        except Exception as error:  # anndata's writers raise anything
            problem = f"{source}: {name} cannot be written to a .h5ad file"
            raise InputError(f"{problem}; convert it to text or numbers, or remove it") from error
