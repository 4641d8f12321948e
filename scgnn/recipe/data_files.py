"""Checks of a recipe against its data files, which do not read the counts."""

from __future__ import annotations

from collections.abc import Iterator

from scgnn.arguments import expand_local_path
from scgnn.data.layers import AUTO, format_unknown_layer
from scgnn.data.validation import format_unknown_column
from scgnn.errors import InputError
from scgnn.recipe.data import Data


def find_data_problems(data: Data) -> Iterator[tuple[str, str]]:
    """Yield the settings of ``data`` that its files contradict, each with the problem.

    Files must exist; readers that know the columns of ``obs`` and the layers without reading all
    are asked for ``labels_key``, ``batch_key`` and ``layer``.
    """
    path = getattr(data.reader, "path", "")
    if path and not expand_local_path(path).exists():
        yield "reader.path", f"{path} does not exist"
    else:
        yield from _find_unknown_names(data, path or data.reader.name)
    for key in ("truth_path", "labels_file"):
        file = getattr(data, key)
        if file and not expand_local_path(file).exists():
            yield key, f"{file} does not exist"


def _find_unknown_names(data: Data, source: str) -> Iterator[tuple[str, str]]:
    try:
        contents = data.reader.peek_contents()
    except InputError as error:
        yield "reader", str(error)
        return
    if contents is None:
        return
    columns = contents.columns
    for key in ("batch_key",) if data.labels_file else ("labels_key", "batch_key"):
        column = getattr(data, key)
        if columns is not None and column is not None and column not in columns:
            yield key, f"{source}: {format_unknown_column(column, columns)}"
    if data.layer != AUTO and data.layer not in contents.layers:
        yield "layer", format_unknown_layer(data.layer, contents.layers, source)
