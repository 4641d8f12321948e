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

CELLS = [f"{barcode}-1" for barcode in ("AAACCTGA", "AAACGGGC", "CCATTGAA", "TTTGCGCT")]
IDS = [f"ENSG0000000000{i}" for i in range(6)]
SYMBOLS = ["MT-CO1", "TBCE", "TBCE", "NA", "RPL13", "ERCC-00002"]
KINDS = ["Gene Expression"] * 5 + ["Antibody Capture"]
COUNTS = np.array([[7, 0, 1, 0, 2, 3], [0, 5, 0, 0, 1, 0], [1, 0, 0, 9, 0, 4], [0, 0, 6, 0, 8, 0]])
REPEATED = pytest.mark.filterwarnings("ignore:Variable names are not unique")  # by anndata


def example() -> ad.AnnData:
    genes = pd.DataFrame(index=IDS)
    return ad.AnnData(COUNTS.astype(np.float32), pd.DataFrame(index=CELLS), genes)


def dense(adata: ad.AnnData) -> np.ndarray:
    return adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)


def is_the_example(adata: ad.AnnData, genes=IDS, columns=slice(None)) -> None:
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.float32
    assert list(adata.obs_names) == CELLS
    assert list(adata.var_names) == list(genes)[columns]
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS[:, columns])


def same(ours: ad.AnnData, theirs: ad.AnnData) -> None:
    np.testing.assert_array_equal(dense(ours), dense(theirs))
    assert list(ours.obs_names) == list(theirs.obs_names)
    assert list(ours.var_names) == list(theirs.var_names)


def written(path: Path, text: str | bytes, packed: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def cut(path: Path) -> Path:
    """The file with its last third missing."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


def tenx_folder(
    folder: Path,
    version=3,
    packed=True,
    prefix="",
    header="",
    columns=3,
    cells=CELLS,
    ids=IDS,
    symbols=SYMBOLS,
) -> Path:
    names = folder / f"{prefix}matrix.mtx"
    folder.mkdir(exist_ok=True)
    mmwrite(names, sparse.coo_matrix(COUNTS.T), field="integer")
    banner, _, body = names.read_text().partition("\n")
    body = "".join(line + "\n" for line in body.splitlines() if not line.startswith("%"))
    names.unlink()
    ending = ".gz" if packed else ""
    written(folder / f"{prefix}matrix.mtx{ending}", f"{banner}\n{header}{body}", packed)
    rows = zip(ids, symbols, KINDS, strict=False)
    lines = ["\t".join(row[: min(columns, version)]) for row in rows]
    table = "features.tsv" if version == 3 else "genes.tsv"
    written(folder / f"{prefix}{table}{ending}", "\n".join(lines) + "\n", packed)
    written(folder / f"{prefix}barcodes.tsv{ending}", "\n".join(cells) + "\n", packed)
    return folder


def tenx_h5(path: Path, genomes=("GRCh38",), version=3) -> Path:
    x = sparse.csr_matrix(COUNTS.astype(np.int32))
    with h5py.File(path, "w") as file:
        for genome in genomes if version == 2 else ["matrix"]:
            group = file.create_group(genome)
            group["barcodes"] = np.array(CELLS, dtype="S")
            for key in ("data", "indices", "indptr"):
                group[key] = getattr(x, key)
            group["shape"] = COUNTS.shape[::-1]
            if version == 2:
                group["genes"] = np.array(IDS, dtype="S")
                group["gene_names"] = np.array(SYMBOLS, dtype="S")
                continue
            features = group.create_group("features")
            for key, column in (("id", IDS), ("name", SYMBOLS), ("feature_type", KINDS)):
                features[key] = np.array(column, dtype="S")
            features["genome"] = np.resize(np.array(genomes, dtype="S"), len(IDS))
    return path


def quietly(write, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(path)


def loom_file(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["matrix"] = COUNTS.T
        file["layers/spliced"] = COUNTS.T * 2
        file["col_attrs/CellID"] = np.array(CELLS, dtype=object)
        file["row_attrs/Gene"] = np.array(IDS, dtype=object)
        file["col_attrs/age"] = np.arange(4)
        file["row_attrs/chromosome"] = np.array(list("abcdef"), dtype=object)
        file["attrs/LOOM_SPEC_VERSION"] = "3.0.0"
        for group in ("col_graphs", "row_graphs"):
            file.create_group(group)
    return path


def table(
    path: Path, sep=",", genes_in_rows=False, corner: str | None = "", packed=False, quote=""
) -> Path:
    rows, columns, x = (IDS, CELLS, COUNTS.T) if genes_in_rows else (CELLS, IDS, COUNTS)
    lines = [sep.join(([] if corner is None else [corner]) + [quote + c + quote for c in columns])]
    lines += [sep.join([quote + r + quote, *map(str, v)]) for r, v in zip(rows, x, strict=True)]
    return written(path, "\n".join(lines) + "\n", packed)


def every_file(folder: Path) -> dict[str, Path]:
    quietly(example().write_h5ad, folder / "one")
    quietly(example().write_zarr, folder / "two")
    return {
        "h5ad": folder / "one",
        "zarr": folder / "two",
        "loom": loom_file(folder / "three.h5"),
        "tenx_h5": tenx_h5(folder / "four.h5ad"),
        "tenx_mtx": tenx_folder(folder / "five"),
        "csv": table(folder / "six.gz", sep="\t", packed=True),
    }
