"""What a reader is, and how a file is opened so that a damaged one gets one sentence."""

from __future__ import annotations

import gzip
import logging
import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from scipy import sparse

from scgnn.errors import InputError
from scgnn.registry.component import Component

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger("scgnn")

GZIP_MAGIC = b"\x1f\x8b"
CORRUPT_FILE_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


class Reader(Component, kind="reader"):
    """Gives the counts of an experiment, cells x genes.

    Calling a reader returns a new AnnData whose ``X`` is CSR float32. Names are those of the
    source, repeats included; :func:`scgnn.data.validation.validated` makes them unique and
    checks the values.
    """

    def __call__(self) -> AnnData:
        raise NotImplementedError

    def peek_shape(self) -> tuple[int, int, int] | None:
        """Cells, genes and values that are not zero, where they can be had without reading all."""
        return None


def resolve_path(path: str) -> Path:
    """An existing path that is not an empty file.

    Raises
    ------
    InputError
        The path is empty, missing, an empty file, or not readable.
    """
    if not path:
        raise InputError("the reader has no path: set data.reader.path, or give --data FILE")
    found = Path(path).expanduser()
    if not found.exists():
        raise InputError(f"{path} does not exist")
    if found.is_file() and found.stat().st_size == 0:
        raise InputError(f"{path} is an empty file")
    if not os.access(found, os.R_OK):
        raise InputError(f"{path} may not be read: ask its owner for permission")
    return found


def resolve_file(path: str) -> Path:
    """Like :func:`located`, for a file."""
    found = resolve_path(path)
    if found.is_dir():
        raise InputError(f"{path} is a folder, and this reader takes a file")
    return found


@contextmanager
def translate_read_errors(path: Path, file_format: str) -> Iterator[None]:
    """Turn what a damaged file raises inside the block into one sentence; keep warnings inside."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8, so not {file_format}") from error
    except InputError:
        raise
    except Exception as error:  # a file is a stranger: libraries raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, CORRUPT_FILE_ERRORS) or "truncated file" in reason:
            what = "its data end early or are corrupt"
            raise InputError(f"{path} is damaged or incomplete: {what}; copy it again") from error
        raise InputError(f"{path} cannot be read as {file_format}: {reason[:200]}") from error


def open_maybe_gzip(path: Path) -> IO[bytes]:
    """A file as bytes, decompressed when its content says gzip."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    return cast(IO[bytes], gzip.open(path, "rb")) if packed else path.open("rb")


def select_genes(adata: AnnData, mask: np.ndarray) -> AnnData:
    """Some of the genes, by a mask."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # repeated names are reported by scgnn.data.validation.validated
        return adata[:, mask].copy()


def make_anndata(counts: Any, obs: dict[str, Any], var: dict[str, Any]) -> AnnData:
    """An AnnData of counts [cells x genes]; ``obs`` and ``var`` hold ``names`` and columns."""
    import pandas as pd
    from anndata import AnnData

    frames = []
    for columns in (obs, var):
        rest = dict(columns)
        names = pd.Index(rest.pop("names"), dtype=object)
        frames.append(pd.DataFrame(rest, index=names))
    matrix = sparse.csr_matrix(counts, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        return AnnData(matrix, obs=frames[0], var=frames[1])
