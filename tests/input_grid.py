"""Random small inputs of every format with random faults, and what reading them may give."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmwrite

SYMBOLS = [
    *("MALAT1", "B2M", "TMSB4X", "ACTB", "GAPDH", "CD3D", "CD3E", "CD4", "CD8A", "MS4A1", "CD79A"),
    *("NKG7", "GNLY", "LYZ", "S100A8", "CST3", "FTL", "RPL3", "RPL5", "RPS2", "MT-CO1", "MT-ND1"),
    *("IL7R", "CCR7", "PTPRC", "HLA-A", "JUN", "FOS", "VIM", "PPBP", "Xkr4", "Sox17", "Gm1992"),
    "EGFP",
]


@dataclass
class Example:
    """Counts, names, and what happens to them on the way into a file."""

    rng: np.random.Generator
    counts: np.ndarray = field(init=False)
    cells: list[str] = field(init=False)
    genes: list[str] = field(init=False)
    must_refuse: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    has_cells: bool = True  # whether the file has their names

    def __post_init__(self) -> None:
        n, m = int(self.rng.integers(11, 30)), int(self.rng.integers(12, 34))
        means = self.rng.gamma(0.7, 2, m) * self.rng.lognormal(0, 0.4, (n, 1)) + 0.05
        self.counts = self.rng.poisson(means)
        self.counts[self.counts.sum(axis=1) == 0, 0] = 1
        style = self.rng.integers(3)
        if style == 0:
            self.genes = self.rng.permutation(SYMBOLS)[:m].tolist()
        else:
            self.genes = [f"ENSG{100000 + 37 * i:011d}" for i in range(m)]
        letters = np.array(list("ACGT"))
        self.cells = ["".join(self.rng.choice(letters, 14)) + "-1" for _ in range(n)]
        if self.rng.integers(3) == 0:
            self.cells = [f"plate{i % 3}_{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in range(n)]


class Table:
    """Lines of a text table that faults change before it is written."""

    def __init__(self, example: Example) -> None:
        rng = example.rng
        self.example, self.turned = example, bool(rng.integers(2))
        self.rows = example.genes if self.turned else example.cells
        self.columns = example.cells if self.turned else example.genes
        counts = example.counts.T if self.turned else example.counts
        self.body = [[name, *map(str, row)] for name, row in zip(self.rows, counts, strict=True)]
        corners = ["", "gene", "symbol", "id"] if self.turned else ["", "cell", "barcode", "index"]
        self.header: list[str] | None = [str(rng.choice(corners)), *self.columns]
        self.sep = str(rng.choice([",", "\t", ";"]))
        self.end, self.encoding, self.before, self.after = "\n", "utf-8", "", ""
        self.pack = False

    def insert_column(self, name: str, values: Any, last: bool) -> None:
        where = len(self.body[0]) if last else 1
        for row, value in zip(self.body, values, strict=True):
            row.insert(where, str(value))
        if self.header is not None:
            self.header.insert(
                where if len(self.header) == len(self.body[0]) - 1 else where - 1, name
            )

    def insert_row(self, name: str, values: Any, last: bool) -> None:
        row = [name, *map(str, values)]
        self.body.insert(len(self.body) if last else 0, row)

    def write(self, path: Path) -> Path:
        lines = [*([self.header] if self.header else []), *self.body]
        text = self.before + "".join(self.sep.join(row) + self.end for row in lines) + self.after
        data = text.encode(self.encoding)
        path.write_bytes(gzip.compress(data) if self.pack else data)
        return path


def _width(table: Table) -> int:
    return len(table.body[0]) - 1


def quote(table: Table) -> None:
    table.body = [[f'"{row[0]}"', *row[1:]] for row in table.body]
    if table.header:
        table.header = [f'"{name}"' for name in table.header]


def short_header(table: Table) -> None:
    if table.header:
        table.header = table.header[1:]


def trailing_separators(table: Table) -> None:
    n = int(table.example.rng.integers(1, 3))
    for row in table.body:
        row += [""] * n
    if table.header and table.example.rng.integers(2):
        table.header += [""] * n


def comments(table: Table) -> None:
    table.before = "# made by a program\n#second line, with commas\n"


def blank_lines(table: Table) -> None:
    table.end = "\n\n"


def text_column(table: Table) -> None:
    rng = table.example.rng
    values = rng.choice(["T cell", "B cell", "Mono"], len(table.body))
    table.insert_column("celltype", values, bool(rng.integers(2)))


def annotation_column(table: Table) -> None:
    rng = table.example.rng
    names = (
        ["Length", "entrez"] if table.turned else ["n_counts", "percent_mito", "cluster", "batch"]
    )
    table.insert_column(
        str(rng.choice(names)), rng.integers(1, 3000, len(table.body)), bool(rng.integers(2))
    )


def annotation_row(table: Table) -> None:
    rng = table.example.rng
    names = ["n_counts", "sample", "age"] if table.turned else ["Length"]
    table.insert_row(
        str(rng.choice(names)), rng.integers(1, 3000, _width(table)), bool(rng.integers(2))
    )


def text_row(table: Table) -> None:
    rng = table.example.rng
    values = rng.choice(["T", "B", "M"], _width(table))
    table.insert_row("group", values, bool(rng.integers(2)))


def summary_rows(table: Table) -> None:
    if table.turned:
        for name in ("__no_feature", "__ambiguous"):
            table.insert_row(name, table.example.rng.integers(1, 99999, _width(table)), last=True)


def no_header(table: Table) -> None:
    table.header = None
    table.example.has_cells = not table.turned
    if not table.turned:
        table.example.options["orientation"] = "cells_by_genes"
        table.example.genes = [f"gene_{i + 1}" for i in range(len(table.example.genes))]


def decimal_commas(table: Table) -> None:
    q = '"' if table.sep == "," else ""
    table.body = [[row[0], *(f"{q}{v},0{q}" for v in row[1:])] for row in table.body]


def decimals(table: Table) -> None:
    table.body = [[row[0], *(f"{v}.0" for v in row[1:])] for row in table.body]


def scientific(table: Table) -> None:
    table.body = [[row[0], *(f"{int(v):.6e}" for v in row[1:])] for row in table.body]


def shift(table: Table) -> None:
    rng = table.example.rng
    row = table.body[int(rng.integers(len(table.body)))]
    row.insert(int(rng.integers(1, len(row))), "")
    table.example.must_refuse = True


def drop_value(table: Table) -> None:
    table.body[int(table.example.rng.integers(len(table.body)))].pop()
    table.example.must_refuse = True


def missing_value(table: Table) -> None:
    rng = table.example.rng
    row = table.body[int(rng.integers(len(table.body)))]
    row[int(rng.integers(1, len(row)))] = str(rng.choice(["", "NA", "nan", "NULL"]))
    table.example.must_refuse = True


def broken_value(table: Table) -> None:
    rng = table.example.rng
    row = table.body[int(rng.integers(len(table.body)))]
    row[int(rng.integers(1, len(row)))] = str(
        rng.choice(["x", "1 2", "1-2", "0x1F", "1_0", "-3", "inf"])
    )
    table.example.must_refuse = True


def encode_utf16(table: Table) -> None:
    table.encoding = "utf-16"


def encode_bom(table: Table) -> None:
    table.encoding = "utf-8-sig"


def windows_lines(table: Table) -> None:
    table.end = "\r\n"


def old_mac_lines(table: Table) -> None:
    table.end = "\r"


def pack(table: Table) -> None:
    table.pack = True


def total_column(table: Table) -> None:
    if not table.turned:
        table.insert_column(
            "xyz", table.example.counts.sum(axis=1), bool(table.example.rng.integers(2))
        )


def row_numbers(table: Table) -> None:
    if table.header and len(table.header) == len(table.body[0]):
        table.header = ["", "gene" if table.turned else "cell", *table.header[1:]]
        table.body = [[str(i), *row] for i, row in enumerate(table.body)]


def spaces(table: Table) -> None:
    table.body = [[f" {value} " for value in row] for row in table.body]


def separator_line(table: Table) -> None:
    table.before = f"sep={table.sep}\n"


def gct(table: Table) -> None:
    if table.turned and table.header and table.header[0]:
        table.insert_column("Description", ["na"] * len(table.body), last=False)
        table.sep = "\t"
        table.before = f"#1.2\n{len(table.body)}\t{_width(table) - 1}\n"


def long_format(table: Table) -> None:
    example = table.example
    rows, columns = np.nonzero(example.counts)
    order = example.rng.permutation(len(rows))
    table.header = ["gene", "cell", "count"]
    table.body = [
        [
            example.genes[columns[i]],
            example.cells[rows[i]],
            str(example.counts[rows[i], columns[i]]),
        ]
        for i in order
    ]
    example.options["is_long"] = True


def truncated(table: Table) -> None:
    table.body[-1] = table.body[-1][: len(table.body[-1]) // 2]
    table.example.must_refuse = True


TABLE_FAULTS: list[Callable[[Table], None]] = [
    quote, short_header, trailing_separators, comments, blank_lines, text_column,
    annotation_column, annotation_row, text_row, summary_rows, no_header, decimal_commas, decimals,
    scientific, shift, drop_value, missing_value, broken_value, encode_utf16, encode_bom,
    windows_lines, old_mac_lines, pack, total_column, row_numbers, spaces, separator_line, gct,
    long_format, truncated,
]  # fmt: skip
ANNOTATION = "annotation_column annotation_row total_column text_column text_row summary_rows"
EXCLUSIVE = [  # combinations that give no file that anyone has, or none that can be understood
    set(names.split())
    for names in (
        "no_header short_header row_numbers comments gct separator_line long_format",
        "gct comments separator_line quote text_column annotation_column total_column",
        "decimal_commas decimals scientific spaces broken_value quote",
        "gct missing_value broken_value",
        "shift drop_value missing_value truncated broken_value long_format",
        "trailing_separators short_header shift drop_value truncated missing_value",
        "encode_utf16 encode_bom separator_line",
        "windows_lines old_mac_lines blank_lines",
        f"{ANNOTATION} broken_value missing_value",
        f"{ANNOTATION} no_header",
        f"{ANNOTATION} long_format decimal_commas trailing_separators row_numbers",
    )
]
FIRST = {"decimal_commas", "decimals", "scientific"}
LAST = {"trailing_separators", "short_header", "spaces", "quote", "shift", "drop_value"}
LAST |= {"missing_value", "broken_value", "truncated"}


def make_table(example: Example, path: Path, names: list[str]) -> Path:
    table = Table(example)
    faults = {fault.__name__: fault for fault in TABLE_FAULTS}
    for name in sorted(names, key=lambda name: (name not in FIRST, name in LAST, name)):
        faults[name](table)
    return table.write(path)


def are_compatible(names: list[str]) -> bool:
    return all(len(group & set(names)) < 2 for group in EXCLUSIVE)


def make_folder(example: Example, path: Path, rng: np.random.Generator) -> Path:
    path.mkdir()
    ids = [f"ENSG{i:011d}" for i in range(len(example.genes))]
    symbols = example.genes
    turned, packed = bool(rng.integers(2)), bool(rng.integers(2))
    matrix = sparse.coo_matrix(example.counts if turned else example.counts.T)
    if turned and len(example.cells) == len(example.genes):
        matrix, turned = matrix.T, False
    stream = io.BytesIO()
    mmwrite(stream, matrix, field=str(rng.choice(["integer", "real"])))
    style = int(rng.integers(4))
    names = [
        ("matrix.mtx", "barcodes.tsv", "features.tsv"),
        ("matrix.mtx", "barcodes.tsv", "genes.tsv"),
        ("GSM12_matrix.mtx", "GSM12_barcodes.tsv", "GSM12_genes.tsv"),
        ("counts.mtx", "cells.txt", "gene_names.txt"),
    ][style]
    columns = [ids, symbols]
    third = int(rng.integers(4))
    if third:
        n = len(ids)
        columns.append([["Gene Expression"] * n, list(map(str, range(n))), ["chr1"] * n][third - 1])
    genes = ["\t".join(row) for row in zip(*columns, strict=True)]
    cells = list(example.cells)
    if rng.integers(3) == 0:
        genes.insert(0, "\t".join(["id", "symbol", "x"][: len(columns)]))
        if rng.integers(2):
            cells.insert(0, "barcode")
    end = str(rng.choice(["\n", "\r\n"]))
    fault = int(rng.integers(8))
    if fault == 0:
        cells.pop()
        cells.pop()
        example.must_refuse = True
    if fault == 1:
        genes += genes[-3:]
        example.must_refuse = True
    for name, data in (
        (names[0], stream.getvalue()),
        (names[1], "".join(cell + end for cell in cells).encode()),
        (names[2], "".join(gene + end for gene in genes).encode()),
    ):
        (path / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    return path


def make_anndata_file(example: Example, path: Path, rng: np.random.Generator, zarr: bool) -> Path:
    dtype = str(
        rng.choice(["int8", "uint16", "int32", "int64", "uint64", "float32", "float64", "bool"])
    )
    if dtype == "bool" or (dtype == "int8" and example.counts.max() > 127):
        dtype = "float32"
    form = rng.choice(["csr", "csc", "dense"])
    make = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[str(form)]
    counts = make(example.counts.astype(dtype))
    logs = make(np.log1p(example.counts).astype(np.float32))
    obs, var = pd.DataFrame(index=example.cells), pd.DataFrame(index=example.genes)
    if rng.integers(2):
        obs["type"] = pd.Categorical(rng.choice(["a", "b"], len(obs)))
        obs["x y"] = rng.random(len(obs))
    place = int(rng.integers(5))
    adata = ad.AnnData(counts if place == 0 else logs, obs=obs, var=var)
    if place == 1:
        adata.layers["counts"] = counts
    elif place == 2:
        adata.raw = ad.AnnData(counts, obs=obs, var=var)
    elif place == 3:
        adata.layers["counts"], adata.layers["copy"] = counts, counts.copy()
    elif place == 4:
        adata = ad.AnnData(None, obs=obs, var=var, layers={"spliced": counts})
    if rng.integers(2):
        adata.uns["log1p"] = {"base": None}
        adata.obsm["X_pca"] = rng.random((len(obs), 3))
        adata.uns["neighbors"] = {"params": {"n": 5}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if zarr:
            adata.write_zarr(path)
            return path
    adata.write_h5ad(path, compression=rng.choice(["gzip", None]))
    fault = int(rng.integers(9))
    if fault == 0:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * rng.uniform(0.1, 0.95))])
        example.must_refuse = True
    elif fault == 1:
        data = path.read_bytes()
        path.write_bytes(b"\0" * 512 + data)
    elif fault in (2, 3, 4, 5):
        with h5py.File(path, "a") as file:
            if fault == 2:
                file["uns/odd"] = np.zeros(3, dtype=[("a", "f4")])
                file["uns/odd"].attrs["encoding-type"] = "of-the-future"
                file["uns/odd"].attrs["encoding-version"] = "9.9"
            elif fault == 3:
                file.create_group("__DATA_TYPES__")
            elif fault == 4:
                for key in list(file.attrs):
                    del file.attrs[key]
            else:
                file.require_group("obsp").create_group("broken")
    return path


def make_loom(example: Example, path: Path, rng: np.random.Generator) -> Path:
    with h5py.File(path, "w") as file:
        dtype = str(rng.choice(["int32", "float32", "uint16", "float64", ">i4"]))
        file.create_dataset("matrix", data=example.counts.T.astype(dtype), compression="gzip")
        cell_key = str(rng.choice(["CellID", "obs_names", "barcode"]))
        gene_key = str(rng.choice(["Gene", "var_names", "Accession"]))
        text = "S" if rng.integers(2) else h5py.string_dtype()
        file[f"col_attrs/{cell_key}"] = np.array(example.cells, dtype=text)
        file[f"row_attrs/{gene_key}"] = np.array(example.genes, dtype=text)
        file["col_attrs/clusters"] = rng.integers(0, 3, len(example.cells))
        if rng.integers(2):
            file["col_attrs/embedding"] = np.zeros(len(example.cells), dtype=[("x", "f4")])
            file["layers/spliced"] = example.counts.T
        if rng.integers(6) == 0:
            del file["matrix"]
            file["matrix"] = example.counts.T[:-1]
            example.must_refuse = True
    return path


def make_tenx_h5(example: Example, path: Path, rng: np.random.Generator) -> Path:
    x = sparse.csr_matrix(
        example.counts.astype(str(rng.choice(["int32", "int64", "uint32", "float32"])))
    )
    ids = np.array([f"ENSG{i:011d}" for i in range(len(example.genes))], dtype="S")
    is_v3 = bool(rng.integers(2))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if is_v3 else str(rng.choice(["GRCh38", "hg19_x"])))
        group["barcodes"] = np.array(example.cells, dtype="S")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(x, key)
        group["shape"] = np.array(example.counts.shape[::-1])
        if is_v3:
            group["features/id"], group["features/name"] = ids, np.array(example.genes, dtype="S")
            if rng.integers(2):
                group["features/feature_type"] = np.array(["Gene Expression"] * len(ids), dtype="S")
                group["features/genome"] = np.array(["GRCh38"] * len(ids), dtype="S")
        else:
            group["genes"], group["gene_names"] = ids, np.array(example.genes, dtype="S")
        fault = int(rng.integers(6))
        if fault == 0:
            indices = group["indices"][:]
            indices[int(rng.integers(len(indices)))] = len(ids) + 5
            group["indices"][:] = indices
            example.must_refuse = True
        elif fault == 1:
            del group["barcodes"]
            group["barcodes"] = np.array(example.cells[:-1], dtype="S")
            example.must_refuse = True
    return path
