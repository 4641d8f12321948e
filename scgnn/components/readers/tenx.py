"""Readers of 10x Genomics Cell Ranger output, versions 2 and 3: a folder, or an HDF5 file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scipy.sparse import csr_matrix

from scgnn.components.readers.contract import (
    Reader,
    iter_lines,
    log,
    make_anndata,
    open_maybe_gzip,
    resolve_file,
    resolve_path,
    select_genes,
    translate_read_errors,
)
from scgnn.components.readers.matrix_market import read_matrix_market
from scgnn.data.containers import open_hdf5
from scgnn.data.sparse_structure import check_compressed
from scgnn.errors import InputError

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

GeneNameSource = Literal["gene_symbols", "gene_ids"]
MATRIX_FILE_NAMES = ("matrix.mtx", "matrix.mtx.gz")


@Reader.register("tenx_mtx")
@dataclass(frozen=True)
class TenxMTX(Reader):
    """Cell Ranger folder: matrix.mtx, barcodes.tsv and features.tsv or genes.tsv, optionally .gz.

    If the features file has one column, genes are named by their ids. A matrix stored cells x genes
    is recognized by the lengths of the other files.

    Parameters
    ----------
    path
        Path of the folder, or of the matrix file in it.
    prefix
        Prefix of the file names, in a folder with several samples; a single one is detected.
    var_names
        Column that names the genes; the other one is added to ``var``.
    feature_type
        Type of the features to keep, if the file has types; "" keeps all.
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
        counts = read_matrix_market(matrix)
        max_names = max(counts.shape)
        cells = [row[0] for row in _read_table(barcodes, max_names)]
        genes = _make_gene_columns(_read_table(features, max_names), self.var_names)
        if counts.shape == (len(cells), len(genes["names"])) != counts.shape[::-1]:
            log.info(f"{matrix} is stored cells x genes")
            counts = counts.T
        _check_length(matrix, "rows", counts.shape[0], features, genes["names"])
        _check_length(matrix, "columns", counts.shape[1], barcodes, cells)
        adata = make_anndata(counts.T, {"names": cells}, genes)
        return _filter_feature_type(adata, self.feature_type, path)


@Reader.register("tenx_h5")
@dataclass(frozen=True)
class TenxH5(Reader):
    """Cell Ranger .h5 file: version 3 or later, or version 2 with a group for each genome.

    Parameters
    ----------
    path
        Path of the file.
    genome
        Genome whose genes to keep; null is the only one, or all (version 3).
    var_names
        Names of the genes; the other ones are added to ``var``.
    feature_type
        Type of the features to keep, if the file has types; "" keeps all.
    """

    path: str = ""
    genome: str | None = None
    var_names: GeneNameSource = "gene_symbols"
    feature_type: str = "Gene Expression"

    def __call__(self) -> AnnData:
        path = resolve_file(self.path)
        with translate_read_errors(path, "a 10x HDF5 file"), open_hdf5(path) as file:
            group = file["matrix" if "matrix" in file else self._select_group(file, path)]
            cells, genes = _read_text(group["barcodes"]), _read_h5_genes(group, self.var_names)
            counts = _read_h5_counts(group, (len(cells), len(genes["names"])), path)
            adata = make_anndata(counts, {"names": cells}, genes)
        if "genome" in adata.var:
            adata = self._filter_genome(adata, path)
        return _filter_feature_type(adata, self.feature_type, path)

    def _select_group(self, file: h5py.File, path: Path) -> str:
        """Return the group of the genome in a file of version 2."""
        genomes: list[str] = [name for name in file if "barcodes" in file[name]]
        if self.genome is None and len(genomes) == 1:
            return genomes[0]
        if self.genome in genomes:
            return str(self.genome)
        problem = f"no genome '{self.genome}'" if self.genome else f"{len(genomes)} genomes"
        available = ", ".join(genomes) or "none"
        raise InputError(f"{path} has {problem}: set genome to one of {available}")

    def _filter_genome(self, adata: AnnData, path: Path) -> AnnData:
        genomes = sorted(set(adata.var["genome"]) - {""})
        available = ", ".join(genomes)
        if self.genome is None:
            if len(genomes) > 1:
                problem = f"{path} has genes of several genomes ({available})"
                log.warning(f"{problem}, all of which are kept; set genome to select one")
            return adata
        if self.genome not in genomes:
            raise InputError(f"{path} has no genome '{self.genome}': it has {available}")
        return select_genes(adata, (adata.var["genome"] == self.genome).to_numpy())


def find_matrix_files(folder: Path) -> dict[str, Path]:
    """Return the matrix files of a folder by their prefix, preferring uncompressed ones."""
    files = sorted(file for file in folder.iterdir() if file.name.endswith(MATRIX_FILE_NAMES))
    return {file.name.removesuffix(".gz").removesuffix("matrix.mtx"): file for file in files[::-1]}


def _find_matrix_file(path: Path, prefix: str) -> tuple[Path, str]:
    """Return the matrix file and its prefix."""
    if path.is_file():
        return path, path.name.removesuffix(".gz").removesuffix(".mtx").removesuffix("matrix")
    files = find_matrix_files(path)
    if prefix in files:
        return files[prefix], prefix
    if not files:
        folders = sorted(f.name for f in path.iterdir() if f.is_dir() and find_matrix_files(f))
        hint = f"; did you mean its folder {' or '.join(folders)}?" if folders else ""
        raise InputError(f"{path} has no matrix.mtx or matrix.mtx.gz{hint}")
    if len(files) == 1 and not prefix:
        return files.popitem()[::-1]
    available = ", ".join(f"'{name}'" for name in sorted(files))
    problem = f"{path} has no sample with prefix '{prefix}'"
    raise InputError(f"{problem}: set prefix to one of {available}")


def _find_companion_file(matrix: Path, prefix: str, names: list[str]) -> Path:
    """Return the file with the row or column names of a matrix."""
    for start, name, suffix in product(dict.fromkeys((prefix, "")), names, ("", ".gz")):
        file = matrix.with_name(f"{start}{name}{suffix}")
        if file.exists():
            return resolve_file(os.fspath(file))
    raise InputError(f"{matrix}: no {prefix}{' or '.join(names)} (or .gz) in the same folder")


def _read_table(path: Path, max_rows: int) -> list[list[str]]:
    """Return the rows of a tab-separated file as text, since a gene can be called NA.

    Of a longer file, which a small .gz can hold, one row more than ``max_rows`` is read.
    """
    rows: list[list[str]] = []
    with translate_read_errors(path, "a table of names"), open_maybe_gzip(path) as file:
        for line in iter_lines(file, path):
            if row := line.rstrip("\r\n"):
                rows.append([field.strip().strip('"') for field in row.split("\t")])
                if len(rows) > max_rows:
                    break
    return rows


def _make_gene_columns(rows: list[list[str]], var_names: GeneNameSource) -> dict[str, Any]:
    """Return names and columns of the genes from a features file: id, symbol and type."""
    ids = [row[0] for row in rows]
    symbols = [row[1] if len(row) > 1 and row[1] else row[0] for row in rows]
    types = [row[2] if len(row) > 2 else "" for row in rows]
    return _name_genes(ids, symbols, var_names) | ({"feature_types": types} if any(types) else {})


def _name_genes(ids: Any, symbols: Any, var_names: GeneNameSource) -> dict[str, Any]:
    if var_names == "gene_ids":
        return {"names": ids, "gene_symbols": symbols}
    return {"names": symbols, "gene_ids": ids}


def _read_h5_counts(group: h5py.Group, shape: tuple[int, int], path: Path) -> csr_matrix:
    """Return the matrix of a 10x HDF5 file, cells x genes, which must have a shape."""
    n_genes, n_cells = group["shape"][:]
    if (n_cells, n_genes) != shape:
        problem = f"the matrix has {n_cells:,} cells and {n_genes:,} genes, but"
        raise InputError(f"{path}: {problem} {shape[0]:,} and {shape[1]:,} names: copy it again")
    parts = (group["data"][:], group["indices"][:], group["indptr"][:])
    check_compressed(*parts, shape, f"{path} cannot be read as a 10x HDF5 file: its matrix")
    return csr_matrix(parts, shape=shape)


def _read_text(values: h5py.Dataset) -> Any:
    return values.asstr(errors="replace")[:].astype(object)


def _read_h5_genes(group: h5py.Group, var_names: GeneNameSource) -> dict[str, Any]:
    """Return names and columns of the genes from a file of either version."""
    if "features" not in group:
        return _name_genes(_read_text(group["genes"]), _read_text(group["gene_names"]), var_names)
    features = group["features"]
    columns = _name_genes(_read_text(features["id"]), _read_text(features["name"]), var_names)
    for key, column in (("feature_type", "feature_types"), ("genome", "genome")):
        if key in features:
            columns[column] = _read_text(features[key])
    return columns


def _check_length(matrix: Path, axis: str, length: int, path: Path, names: list[str]) -> None:
    if len(names) != length:
        n_names = f"{len(names):,}" if len(names) < length else f"more than {length:,}"
        actual = f"{n_names} names (the first is '{names[0] if names else ''}')"
        raise InputError(f"{matrix} has {length:,} {axis}, but {path.name} has {actual}")


def _filter_feature_type(adata: AnnData, feature_type: str, path: Path) -> AnnData:
    """Return the features of a type, if the file has types."""
    if not feature_type or "feature_types" not in adata.var:
        return adata
    mask = (adata.var["feature_types"] == feature_type).to_numpy()
    if mask.all():
        return adata
    available = ", ".join(sorted(set(adata.var["feature_types"])))
    if not mask.any():
        advice = f"set feature_type to one of {available}"
        raise InputError(f"{path} has no features of type '{feature_type}': {advice}")
    fraction = f"{mask.sum():,} of {len(mask):,} features"
    log.info(f"{path}: keeping {fraction}, those of type '{feature_type}' (of {available})")
    return select_genes(adata, mask)
