"""What Cell Ranger writes, versions 2 and 3: a folder of three files, or one HDF5 file."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from scipy import sparse

from scgnn.components.readers.contract import (
    Reader,
    log,
    make_anndata,
    open_maybe_gzip,
    resolve_file,
    resolve_path,
    select_genes,
    translate_read_errors,
)
from scgnn.errors import InputError

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

GeneNameSource = Literal["gene_symbols", "gene_ids"]
MATRIX_FILE_NAMES = ("matrix.mtx", "matrix.mtx.gz")


@Reader.register("tenx_mtx")
@dataclass(frozen=True)
class TenxMTX(Reader):
    """A Cell Ranger folder: matrix.mtx, barcodes.tsv, and features.tsv or genes.tsv.

    Each of them plain or .gz. A features file without a second column names genes by their ids.
    A matrix stored cells x genes is recognised by the lengths of the other two files.

    Parameters
    ----------
    path
        The folder, or the matrix file in it.
    prefix
        What stands before ``matrix.mtx`` when a folder holds several samples; found by itself
        where there is one.
    var_names
        Which column names the genes; the other one goes to ``var``.
    feature_type
        Kind of features kept where the file tells kinds apart; empty keeps all.
    """

    path: str = ""
    prefix: str = ""
    var_names: GeneNameSource = "gene_symbols"
    feature_type: str = "Gene Expression"

    def __call__(self) -> AnnData:
        path = resolve_path(self.path)
        matrix, prefix = _find_matrix_file(path, self.prefix)
        barcodes = _find_companion_file(matrix, prefix, ["barcodes.tsv"])
        features = _find_companion_file(matrix, prefix, ["features.tsv", "genes.tsv"])
        cells = [line[0] for line in _read_table(barcodes)]
        genes = _make_gene_columns(_read_table(features), self.var_names)
        counts = _read_matrix_market(matrix)
        if counts.shape == (len(cells), len(genes["names"])) != counts.shape[::-1]:
            log.info("%s is stored cells x genes", matrix)
            counts = counts.T
        _check_length(matrix, "rows", counts.shape[0], features, genes["names"])
        _check_length(matrix, "columns", counts.shape[1], barcodes, cells)
        adata = make_anndata(counts.T, {"names": cells}, genes)
        return _filter_feature_type(adata, self.feature_type, path)


@Reader.register("tenx_h5")
@dataclass(frozen=True)
class TenxH5(Reader):
    """A Cell Ranger .h5 file: versions 3 and later, or version 2 with a group for each genome.

    Parameters
    ----------
    path
        The file.
    genome
        Keep the genes of this genome; null where there is one, or to keep all (version 3).
    var_names
        What names the genes; the other one goes to ``var``.
    feature_type
        Kind of features kept where the file tells kinds apart; empty keeps all.
    """

    path: str = ""
    genome: str | None = None
    var_names: GeneNameSource = "gene_symbols"
    feature_type: str = "Gene Expression"

    def __call__(self) -> AnnData:
        import h5py

        path = resolve_file(self.path)
        with translate_read_errors(path, "a 10x HDF5 file"), h5py.File(path) as file:
            modern = "matrix" in file
            group = file["matrix"] if modern else file[self._select_legacy_genome(file, path)]
            rows, columns = (int(n) for n in group["shape"][:])
            parts = (group["data"][:], group["indices"][:], group["indptr"][:])
            counts = sparse.csr_matrix(parts, shape=(columns, rows))  # cells x genes
            counts.check_format()
            genes = _read_h5_genes(group, self.var_names)
            adata = make_anndata(counts, {"names": _read_text(group["barcodes"])}, genes)
        if modern and "genome" in adata.var:
            adata = self._filter_genome(adata, path)
        return _filter_feature_type(adata, self.feature_type, path)

    def _select_legacy_genome(self, file: h5py.File, path: Path) -> str:
        genomes: list[str] = [name for name in file if "barcodes" in file[name]]
        if self.genome is None and len(genomes) == 1:
            return genomes[0]
        if self.genome in genomes:
            return str(self.genome)
        wrong = f"no genome '{self.genome}'" if self.genome else f"{len(genomes)} genomes"
        raise InputError(f"{path} has {wrong}: set genome to one of {', '.join(genomes) or 'none'}")

    def _filter_genome(self, adata: AnnData, path: Path) -> AnnData:
        genomes = sorted(set(adata.var["genome"]) - {""})
        if self.genome is None:
            if len(genomes) > 1:
                log.warning(
                    "%s holds genes of several genomes (%s): all are kept; set genome to keep one",
                    path,
                    ", ".join(genomes),
                )
            return adata
        if self.genome not in genomes:
            raise InputError(f"{path} has no genome '{self.genome}': it has {', '.join(genomes)}")
        return select_genes(adata, (adata.var["genome"] == self.genome).to_numpy())


def find_matrix_files(folder: Path) -> list[Path]:
    """The matrix files of a folder, one for each prefix."""
    files = sorted(file for file in folder.iterdir() if file.name.endswith(MATRIX_FILE_NAMES))
    return list({file.name.removesuffix(".gz"): file for file in reversed(files)}.values())[::-1]


def _find_matrix_file(path: Path, prefix: str) -> tuple[Path, str]:
    """The matrix to read, and what its name starts with."""
    if path.is_file():
        return path, path.name.removesuffix(".gz").removesuffix(".mtx").removesuffix("matrix")
    files = {
        file.name.removesuffix(".gz").removesuffix("matrix.mtx"): file
        for file in find_matrix_files(path)
    }
    if prefix in files:
        return files[prefix], prefix
    if not files:
        inside = sorted(f.name for f in path.iterdir() if f.is_dir() and find_matrix_files(f))
        hint = f"; did you mean its folder {' or '.join(inside)}?" if inside else ""
        raise InputError(f"{path} has no matrix.mtx or matrix.mtx.gz{hint}")
    if len(files) == 1 and not prefix:
        return files.popitem()[::-1]
    known = ", ".join(f"'{name}'" for name in files)
    raise InputError(f"{path} has no sample with prefix '{prefix}': set prefix to one of {known}")


def _find_companion_file(matrix: Path, prefix: str, names: list[str]) -> Path:
    """The file beside a matrix that holds its row or column names."""
    for start in dict.fromkeys((prefix, "")):
        for name in names:
            for ending in ("", ".gz"):
                file = matrix.with_name(f"{start}{name}{ending}")
                if file.exists():
                    return resolve_file(os.fspath(file))
    raise InputError(f"{matrix} lacks {prefix}{' or '.join(names)} (or .gz) beside it")


def _read_table(path: Path) -> list[list[str]]:
    """The lines of a tab-separated file, as they are: a gene may well be called NA."""
    with translate_read_errors(path, "a table of names"), open_maybe_gzip(path) as file:
        lines = file.read().decode("utf-8-sig").splitlines()
    return [[field.strip().strip('"') for field in line.split("\t")] for line in lines if line]


def _read_matrix_market(path: Path) -> sparse.coo_matrix:
    """A Matrix Market file, however many comment lines its header has."""
    from scipy.io import mmread

    with translate_read_errors(path, "a Matrix Market file"), open_maybe_gzip(path) as file:
        steady = SafeStream(file)
        try:
            return sparse.coo_matrix(mmread(cast(IO[bytes], steady)))
        finally:
            if steady.error is not None:
                raise steady.error


class SafeStream:
    """A file that can only be read, ends where its data are damaged, and keeps the error.

    scipy's parser is C++, and an exception out of ``read`` or ``seek`` can end the whole program:
    an HTML page saved as ``matrix.mtx`` does.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """The next bytes, or none where the file is damaged."""
        try:
            return self.file.read(size)
        except (EOFError, OSError, zlib.error) as error:
            self.error = error
            return b""


def _make_gene_columns(lines: list[list[str]], var_names: GeneNameSource) -> dict[str, Any]:
    """Names and columns of the genes: id, symbol, and kind where there are such columns."""
    ids = [line[0] for line in lines]
    symbols = [line[1] if len(line) > 1 and line[1] else line[0] for line in lines]
    kinds = [line[2] if len(line) > 2 else "" for line in lines]
    return _name_genes(ids, symbols, var_names) | ({"feature_types": kinds} if any(kinds) else {})


def _name_genes(ids: Any, symbols: Any, var_names: GeneNameSource) -> dict[str, Any]:
    if var_names == "gene_ids":
        return {"names": ids, "gene_symbols": symbols}
    return {"names": symbols, "gene_ids": ids}


def _read_text(values: h5py.Dataset) -> Any:
    return values.asstr(errors="replace")[:].astype(object)


def _read_h5_genes(group: h5py.Group, var_names: GeneNameSource) -> dict[str, Any]:
    """Names and columns of the genes, in either version's place."""
    if "features" not in group:
        return _name_genes(_read_text(group["genes"]), _read_text(group["gene_names"]), var_names)
    features = group["features"]
    columns = _name_genes(_read_text(features["id"]), _read_text(features["name"]), var_names)
    for key, column in (("feature_type", "feature_types"), ("genome", "genome")):
        if key in features:
            columns[column] = _read_text(features[key])
    return columns


def _check_length(matrix: Path, side: str, length: int, path: Path, names: Iterable[str]) -> None:
    named = list(names)
    if len(named) != length:
        example = named[0] if named else ""
        raise InputError(
            f"{matrix} has {length:,} {side} and {path.name} names {len(named):,} (the first is "
            f"'{example}'): they must be as many"
        )


def _filter_feature_type(adata: AnnData, feature_type: str, path: Path) -> AnnData:
    """The features of one kind, where the file tells them apart."""
    if not feature_type or "feature_types" not in adata.var:
        return adata
    kept = (adata.var["feature_types"] == feature_type).to_numpy()
    if kept.all():
        return adata
    kinds = ", ".join(sorted(set(adata.var["feature_types"])))
    if not kept.any():
        raise InputError(
            f"{path} has no features of type '{feature_type}': set feature_type to one of {kinds}"
        )
    log.info(
        "%s: %s of %s features are '%s' and kept (it has %s)",
        path,
        f"{kept.sum():,}",
        f"{len(kept):,}",
        feature_type,
        kinds,
    )
    return select_genes(adata, kept)
