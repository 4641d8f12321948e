"""Readers of 10x Genomics Cell Ranger output, versions 2 and 3: a folder, or an HDF5 file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scipy.sparse import csr_matrix

from scgnn.components.readers.contract import (
    Contents,
    Reader,
    log,
    make_anndata,
    resolve_file,
    resolve_path,
    select_genes,
    translate_read_errors,
)
from scgnn.components.readers.matrix_folder import (
    find_matrix_file,
    find_name_files,
    name_cells,
    name_genes,
    read_name_tables,
)
from scgnn.components.readers.matrix_market import read_matrix_market
from scgnn.data.containers import open_hdf5
from scgnn.data.orientation import guess_orientation
from scgnn.data.sparse_structure import check_compressed
from scgnn.errors import InputError

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

GeneNameSource = Literal["gene_symbols", "gene_ids"]
FEATURE_TYPE = "Gene Expression"
KEYS = (("id", "name"), ("name", "id"))  # of the ids and symbols of genes, or else of the others
KNOWN_FEATURE_TYPES = {
    FEATURE_TYPE,
    "Antibody Capture",
    "Antigen Capture",
    "CRISPR Guide Capture",
    "Custom",
    "Multiplexing Capture",
    "Peaks",
    "VDJ",
}


@Reader.register("tenx_mtx")
@dataclass(frozen=True)
class TenxMTX(Reader):
    """Folder with a Market matrix and its names, from Cell Ranger, STARsolo, kallisto or alevin.

    These are matrix.mtx, barcodes.tsv and features.tsv or genes.tsv in Cell Ranger output, or files
    with other names, which are detected; all can be .gz. If the features have one column, genes are
    named by their ids. A matrix stored cells x genes is recognized by the lengths of the other
    files, or by the names. Other columns become annotation.

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
    features_file
        Name of the file with the genes; "" detects it.
    barcodes_file
        Name of the file with the cells; "" detects it.
    """

    path: str = ""
    prefix: str = ""
    var_names: GeneNameSource = "gene_symbols"
    feature_type: str = FEATURE_TYPE
    features_file: str = ""
    barcodes_file: str = ""

    def __call__(self) -> AnnData:
        path = resolve_path(self.path)
        matrix, features, barcodes, are_rows = self._find_files(path)
        counts = read_matrix_market(matrix)
        tables = read_name_tables((features, barcodes), counts.shape)
        if are_rows:
            rows, columns = (table.columns[0] for table in tables)
            if guess_orientation(rows, columns).orientation == "cells_by_genes":
                tables, counts = tables[::-1], counts.T
        (ids, symbols, used), (cells, obs) = name_genes(tables[0]), name_cells(tables[1])
        if counts.shape == (len(cells), len(ids)) != counts.shape[::-1]:
            log.info(f"{matrix} is stored cells x genes")
            counts = counts.T
        var = _name_genes(ids, symbols, self.var_names) | _name_types(tables[0].without(used))
        _check_length(matrix, "rows", counts.shape[0], tables[0].path, var["names"])
        _check_length(matrix, "columns", counts.shape[1], tables[1].path, cells)
        adata = make_anndata(counts.T, cells, var.pop("names"), obs, var)
        return _filter_feature_type(adata, self.feature_type, path)

    def peek_contents(self) -> Contents:
        self._find_files(resolve_path(self.path))
        return Contents()

    def _find_files(self, path: Path) -> tuple[Path, Path, Path, bool]:
        """Return the files of the matrix and the names; see :func:`find_name_files`."""
        matrix, prefix = find_matrix_file(path, self.prefix)
        return matrix, *find_name_files(matrix, prefix, self.features_file, self.barcodes_file)


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
    feature_type: str = FEATURE_TYPE

    def __call__(self) -> AnnData:
        path = resolve_file(self.path)
        with translate_read_errors(path, "a 10x HDF5 file"), open_hdf5(path) as file:
            group = file["matrix" if "matrix" in file else self._select_group(file, path)]
            cells, genes = _read_text(group["barcodes"]), _read_h5_genes(group, self.var_names)
            counts = _read_h5_counts(group, (len(cells), len(genes["names"])), path)
            adata = make_anndata(counts, cells, genes.pop("names"), var=genes)
        if "genome" in adata.var:
            adata = self._filter_genome(adata, path)
        return _filter_feature_type(adata, self.feature_type, path)

    def peek_contents(self) -> Contents:
        return Contents([])

    def _select_group(self, file: h5py.File, path: Path) -> str:
        """Return the group of the genome in a file of version 2."""
        genomes: list[str] = [name for name in file if "barcodes" in file[name]]
        if self.genome is None and len(genomes) == 1:
            return genomes[0]
        if self.genome in genomes:
            return str(self.genome)
        problem = f"no genome '{self.genome}'" if self.genome else f"{len(genomes)} genomes"
        available = ", ".join(genomes) or "none"
        raise InputError(f"{path} has {problem}: set data.reader.genome to one of {available}")

    def _filter_genome(self, adata: AnnData, path: Path) -> AnnData:
        genomes = sorted(set(adata.var["genome"]) - {""})
        available = ", ".join(genomes)
        if self.genome is None:
            if len(genomes) > 1:
                problem = f"{path} has genes of several genomes ({available})"
                log.warning(
                    f"{problem}, all of which are kept; set data.reader.genome to select one"
                )
            return adata
        if self.genome not in genomes:
            raise InputError(f"{path} has no genome '{self.genome}': it has {available}")
        return select_genes(adata, (adata.var["genome"] == self.genome).to_numpy())


def _name_types(columns: dict[str, Any]) -> dict[str, Any]:
    """Return the columns with types of features under their usual name."""
    for name, values in columns.items():
        if KNOWN_FEATURE_TYPES & set(values):
            others = {key: column for key, column in columns.items() if key != name}
            return {"feature_types": values, **others}
    return {name: values for name, values in columns.items() if any(values)}


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
    ids, symbols = (_read_text(features[key if key in features else other]) for key, other in KEYS)
    columns = _name_genes(ids, symbols, var_names)
    for key, column in (("feature_type", "feature_types"), ("genome", "genome")):
        if key in features and features[key].shape == ids.shape:
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
        advice = f"set data.reader.feature_type to one of {available}"
        raise InputError(f"{path} has no features of type '{feature_type}': {advice}")
    fraction = f"{mask.sum():,} of {len(mask):,} features"
    log.info(f"{path}: keeping {fraction}, those of type '{feature_type}' (of {available})")
    return select_genes(adata, mask)
