"""One small experiment, and the files that hold it in every format."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

BARCODES = [f"{barcode}-1" for barcode in ("AAACCTGA", "AAACGGGC", "CCATTGAA", "TTTGCGCT")]
GENE_IDS = [f"ENSG0000000000{i}" for i in range(6)]
GENE_SYMBOLS = ["MT-CO1", "TBCE", "TBCE", "NA", "RPL13", "ERCC-00002"]
FEATURE_TYPES = ["Gene Expression"] * 5 + ["Antibody Capture"]
COUNTS = np.array([[7, 0, 1, 0, 2, 3], [0, 5, 0, 0, 1, 0], [1, 0, 0, 9, 0, 4], [0, 0, 6, 0, 8, 0]])
ignore_duplicate_names = pytest.mark.filterwarnings(
    "ignore:Variable names are not unique"
)  # by anndata


def make_example() -> ad.AnnData:
    genes = pd.DataFrame(index=GENE_IDS)
    return ad.AnnData(COUNTS.astype(np.float32), pd.DataFrame(index=BARCODES), genes)


def to_dense(adata: ad.AnnData) -> np.ndarray:
    return adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)


def assert_is_example(adata: ad.AnnData, genes=GENE_IDS, columns=slice(None)) -> None:

    assert list(adata.obs_names) == BARCODES
    assert list(adata.var_names) == list(genes)[columns]
    np.testing.assert_array_equal(to_dense(adata), COUNTS[:, columns])


def assert_same_data(actual: ad.AnnData, expected: ad.AnnData) -> None:
    np.testing.assert_array_equal(to_dense(actual), to_dense(expected))
    assert list(actual.obs_names) == list(expected.obs_names)
    assert list(actual.var_names) == list(expected.var_names)


def write_file(path: Path, content: str | bytes, compressed: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if compressed else data)
    return path


def truncate_file(path: Path) -> Path:
    """The file with its last third missing."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


def write_tenx_mtx(
    folder: Path,
    version=3,
    compressed=True,
    prefix="",
    header="",
    columns=3,
    barcodes=BARCODES,
    gene_ids=GENE_IDS,
    gene_symbols=GENE_SYMBOLS,
) -> Path:
    names = folder / f"{prefix}matrix.mtx"
    folder.mkdir(exist_ok=True)
    mmwrite(names, sparse.coo_matrix(COUNTS.T), field="integer")
    banner, _, body = names.read_text().partition("\n")
    body = "".join(line + "\n" for line in body.splitlines() if not line.startswith("%"))
    names.unlink()
    ending = ".gz" if compressed else ""
    write_file(folder / f"{prefix}matrix.mtx{ending}", f"{banner}\n{header}{body}", compressed)
    rows = zip(gene_ids, gene_symbols, FEATURE_TYPES, strict=False)
    lines = ["\t".join(row[: min(columns, version)]) for row in rows]
    table = "features.tsv" if version == 3 else "genes.tsv"
    write_file(folder / f"{prefix}{table}{ending}", "\n".join(lines) + "\n", compressed)
    write_file(folder / f"{prefix}barcodes.tsv{ending}", "\n".join(barcodes) + "\n", compressed)
    return folder


def write_tenx_h5(path: Path, genomes=("GRCh38",), version=3) -> Path:
    x = sparse.csr_matrix(COUNTS.astype(np.int32))
    with h5py.File(path, "w") as file:
        for genome in genomes if version == 2 else ["matrix"]:
            group = file.create_group(genome)
            group["barcodes"] = np.array(BARCODES, dtype="S")
            for key in ("data", "indices", "indptr"):
                group[key] = getattr(x, key)
            group["shape"] = COUNTS.shape[::-1]
            if version == 2:
                group["genes"] = np.array(GENE_IDS, dtype="S")
                group["gene_names"] = np.array(GENE_SYMBOLS, dtype="S")
                continue
            features = group.create_group("features")
            for key, column in (
                ("id", GENE_IDS),
                ("name", GENE_SYMBOLS),
                ("feature_type", FEATURE_TYPES),
            ):
                features[key] = np.array(column, dtype="S")
            features["genome"] = np.resize(np.array(genomes, dtype="S"), len(GENE_IDS))
    return path


def find_zarr_metadata(folder: Path) -> Path:
    """Return the file with the metadata of all objects in a zarr store, or of its root."""
    names = ("zarr.json", ".zmetadata", ".zgroup")  # anndata 0.11 writes the last only
    return next(folder / name for name in names if (folder / name).exists())


def write_without_warnings(write, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(path)


def write_loom(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["matrix"] = COUNTS.T
        file["layers/spliced"] = COUNTS.T * 2
        file["col_attrs/CellID"] = np.array(BARCODES, dtype=object)
        file["row_attrs/Gene"] = np.array(GENE_IDS, dtype=object)
        file["col_attrs/age"] = np.arange(4)
        file["row_attrs/chromosome"] = np.array(list("abcdef"), dtype=object)
        file["attrs/LOOM_SPEC_VERSION"] = "3.0.0"
        for group in ("col_graphs", "row_graphs"):
            file.create_group(group)
    return path


def write_table(
    path: Path, sep=",", genes_in_rows=False, corner: str | None = "", compressed=False, quote=""
) -> Path:
    rows, columns, x = (
        (GENE_IDS, BARCODES, COUNTS.T) if genes_in_rows else (BARCODES, GENE_IDS, COUNTS)
    )
    lines = [sep.join(([] if corner is None else [corner]) + [quote + c + quote for c in columns])]
    lines += [sep.join([quote + r + quote, *map(str, v)]) for r, v in zip(rows, x, strict=True)]
    return write_file(path, "\n".join(lines) + "\n", compressed)


def write_every_format(folder: Path) -> dict[str, Path]:
    write_without_warnings(make_example().write_h5ad, folder / "one")
    write_without_warnings(make_example().write_zarr, folder / "two")
    return {
        "h5ad": folder / "one",
        "zarr": folder / "two",
        "loom": write_loom(folder / "three.h5"),
        "tenx_h5": write_tenx_h5(folder / "four.h5ad"),
        "tenx_mtx": write_tenx_mtx(folder / "five"),
        "csv": write_table(folder / "six.gz", sep="\t", compressed=True),
    }
