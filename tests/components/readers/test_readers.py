"""Readers of AnnData and loom files, detection of formats, and the simulated demo."""

from __future__ import annotations

import gzip
import shutil
import warnings

import h5py
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from example_files import (
    COUNTS,
    GENE_SYMBOLS,
    assert_is_example,
    assert_same_data,
    find_zarr_metadata,
    ignore_duplicate_names,
    make_example,
    truncate_file,
    write_every_format,
    write_file,
    write_loom,
    write_tenx_h5,
    write_without_warnings,
)
from scgnn.components.readers import (
    H5AD,
    Demo,
    Loom,
    Reader,
    Zarr,
    detect_reader,
)
from scgnn.components.transforms import Filter, Log1p, NormalizeTotal
from scgnn.data.layers import select_counts
from scgnn.data.validation import validate
from scgnn.errors import InputError


@pytest.mark.parametrize(
    "form", [np.asarray, np.int64, np.float64, sparse.csr_matrix, sparse.csc_matrix]
)
def test_h5ad_returns_the_values_of_any_matrix(tmp_path, form):
    adata = make_example()
    adata.X = form(COUNTS)
    adata.write_h5ad(tmp_path / "x.h5ad")
    assert_is_example(H5AD(str(tmp_path / "x.h5ad"))())
    assert_same_data(H5AD(str(tmp_path / "x.h5ad"))(), sc.read_h5ad(tmp_path / "x.h5ad"))


@pytest.mark.parametrize("reader", [H5AD, Zarr])
def test_counts_are_read_from_a_layer_or_raw(tmp_path, reader):
    adata = make_example()
    adata.layers["counts"] = sparse.csc_matrix(COUNTS)
    adata.raw = make_example()
    adata.X = np.log1p(adata.X)
    adata = adata[:, :4].copy()
    path = tmp_path / "x"
    write_without_warnings(adata.write_h5ad if reader is H5AD else adata.write_zarr, path)
    file = reader(str(path))
    assert_is_example(select_counts(*file.read_counts("counts")), columns=slice(0, 4))
    assert_is_example(select_counts(*file.read_counts("raw")))
    with pytest.raises(
        InputError, match=r"has no layer 'x', it has X, raw, counts: set data.layer"
    ):
        file.read_counts("x")
    with pytest.raises(InputError, match=r"X does not hold counts, but raw, counts do: set data.l"):
        file.read_counts()


@ignore_duplicate_names
def test_duplicate_names_in_a_file_raise_no_warning(tmp_path):
    adata = make_example()
    adata.var_names = GENE_SYMBOLS
    adata.write_h5ad(tmp_path / "x.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_is_example(H5AD(str(tmp_path / "x.h5ad"))(), GENE_SYMBOLS)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_loom_file_reads_as_in_scanpy(tmp_path):
    pytest.importorskip("loompy")
    file = write_loom(tmp_path / "x.loom")
    actual = Loom(str(file))()
    assert_is_example(actual)
    assert list(actual.obs["age"]) == [0, 1, 2, 3]
    assert list(actual.var["chromosome"]) == list("abcdef")
    assert_same_data(actual, sc.read_loom(file, X_name=""))
    spliced = select_counts(*Loom(str(file)).read_counts("spliced"))
    assert_same_data(spliced, sc.read_loom(file, X_name="spliced"))


def test_loom_layers_are_listed_and_unnamed_cells_numbered(tmp_path, caplog):
    file = write_loom(tmp_path / "x.loom")
    with pytest.raises(InputError, match="has no layer 'unspliced', it has X, spliced: set"):
        Loom(str(file)).read_counts("unspliced")
    with h5py.File(file, "a") as opened:
        del opened["col_attrs/CellID"]
    assert list(Loom(str(file))().obs_names[:2]) == ["cell_1", "cell_2"]
    assert "has no cell names (CellID), using cell_1, cell_2, …" in caplog.text


def test_formats_are_detected_from_content_not_names(tmp_path):
    for name, path in write_every_format(tmp_path).items():
        reader = detect_reader(str(path))
        assert reader.name == name
        assert reader().shape in ((4, 6), (4, 5))
    assert detect_reader(str(write_tenx_h5(tmp_path / "v2.h5", version=2))).name == "tenx_h5"
    assert detect_reader(str(tmp_path / "five" / "matrix.mtx.gz")).name == "tenx_mtx"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.h5ad", None, "x.h5ad does not exist$"),
        ("x.csv", b"", "x.csv is an empty file$"),
        (
            "x.bin",
            b"\x00\x01\x02" * 99,
            "has an unknown format; supported: h5ad, h5mu, zarr, loom, 10x .h5",
        ),
        (
            "x.rds",
            gzip.compress(b"X\n\x00\x00\x00\x03" * 9, mtime=0),
            r"is an R object \(.rds\): export the counts from R",
        ),
        ("x.mtx", b"1 11 1\n1 33 1\n", "is not a Matrix Market file, which begins with %%Matr"),
        ("x.md", b"# words\n\nand more\n", "has an unknown format; supported: h5ad"),
        (
            "x.csv",
            b"\xff\xfe\x00i\x00d",
            "is not a table with names in its first line .*: it has one line",
        ),
        ("x.tsv", b"words\nwithout order here\n", "is not a table with names in its first line"),
        ("x.h5ad", b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "x.h5ad cannot be read as HDF5: "),
        (
            "x.csv.gz",
            gzip.compress(b"id,b\n" + b"c,1\n" * 9999, mtime=0)[:-9],
            "is damaged or incomplete",
        ),
        ("x.gz", gzip.compress(bytes(range(256)) * 9, mtime=0)[:12], "is damaged or incomplete"),
    ],
)
def test_unusable_file_raises_one_line(tmp_path, name, content, message):
    if content is not None:
        write_file(tmp_path / name, content)
    with pytest.raises(InputError, match=message) as caught:
        detect_reader(str(tmp_path / name))()
    assert "\n" not in str(caught.value)


def test_other_folders_and_hdf5_files_are_rejected(tmp_path):
    with pytest.raises(InputError, match=r"is a folder without matrix.mtx and not a zarr store"):
        detect_reader(str(tmp_path))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["picture"] = 1
    problem = "not h5ad, h5mu, 10x or loom: it contains picture; export it in one of these formats"
    with pytest.raises(InputError, match=problem):
        detect_reader(str(tmp_path / "x.h5"))
    write_file(tmp_path / "x.h5.gz", (tmp_path / "x.h5").read_bytes(), compressed=True)
    with pytest.raises(InputError, match=r"compressed HDF5 file: decompress it first \(gunzip\)"):
        detect_reader(str(tmp_path / "x.h5.gz"))


def test_a_mudata_in_zarr_names_its_modalities(tmp_path):
    path = write_every_format(tmp_path)["zarr"]
    for name in ("rna", "atac"):
        shutil.copytree(path, tmp_path / f"x.zarr/mod/{name}")
    write_file(tmp_path / "x.zarr/.zgroup", '{"zarr_format": 2}')
    with pytest.raises(InputError, match=r"MuData in zarr: choose its folder mod/atac or mod/rna$"):
        detect_reader(str(tmp_path / "x.zarr"))
    assert_is_example(detect_reader(str(tmp_path / "x.zarr/mod/rna"))())


@pytest.mark.parametrize("name", ["h5ad", "loom", "tenx_h5", "zarr", "tenx_mtx", "csv"])
def test_damaged_file_raises_one_line(tmp_path, name):
    path = write_every_format(tmp_path)[name]
    if name == "zarr":
        write_file(find_zarr_metadata(path), "{")
    elif name == "tenx_mtx":
        truncate_file(path / "features.tsv.gz")
    else:
        truncate_file(path)
    with pytest.raises(InputError, match=r"cannot be read as|is damaged or incomplete") as caught:
        Reader.get(name)(str(path))()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["h5ad", "zarr", "loom", "tenx_mtx", "tenx_h5", "csv"])
def test_missing_path_names_the_key(name):
    with pytest.raises(InputError, match=r"no path: set data.reader.path, or pass an AnnData"):
        Reader.get(name)()()


@pytest.mark.parametrize("name", ["h5ad", "loom", "tenx_h5", "csv"])
def test_a_folder_where_a_file_is_expected(tmp_path, name):
    with pytest.raises(InputError, match="is a folder, but this reader requires a file"):
        Reader.get(name)(str(tmp_path))()


def test_a_file_where_a_folder_is_expected(tmp_path):
    with pytest.raises(InputError, match="is a file, but a zarr store is a folder"):
        Zarr(str(write_file(tmp_path / "x", "x")))()


def test_the_demo_is_the_same_for_the_same_fields():
    first, again, other = Demo(n_cells=50)(), Demo(n_cells=50)(), Demo(n_cells=50, seed=2)()
    assert (first.X != again.X).nnz == 0
    assert (first.X != other.X).nnz > 0


def test_demo_has_the_requested_shape_and_groups():
    adata = Demo(n_cells=90, n_genes=40, n_groups=2)()
    assert adata.shape == (90, 40)
    assert adata.obs["group"].value_counts().to_dict() == {"group_1": 60, "group_2": 30}
    assert adata.layers["true_mean"].shape == (90, 40)
    assert validate(adata, "demo").uns["scgnn_input"]["scale"] == "counts"


@pytest.mark.parametrize("cells_per_block", [4000, 1500])
def test_demo_counts_scatter_around_their_true_means(monkeypatch, cells_per_block):
    monkeypatch.setattr("scgnn.components.readers.demo.CELLS_PER_BLOCK", cells_per_block)
    adata = Demo(n_cells=4000, n_genes=50, n_groups=1, dropout=0.0, dispersion=0.3)()
    counts, mean = adata.X.toarray(), adata.layers["true_mean"].astype(float)
    np.testing.assert_allclose(counts.sum(axis=0), mean.sum(axis=0), rtol=0.1, atol=50)
    noise = ((counts - mean) ** 2).sum() / (mean + 0.3 * mean**2).sum()
    assert noise == pytest.approx(1, abs=0.1)
    spread = np.log(mean.sum(axis=1))
    assert spread.std() == pytest.approx(0.2, abs=0.01)
    assert np.median(mean.sum(axis=1)) == pytest.approx(2000, rel=0.02)


def test_demo_without_true_means():
    with_means, without = Demo(n_cells=50)(), Demo(n_cells=50, true_mean=False)()
    assert not without.layers
    assert (with_means.X != without.X).nnz == 0


def test_demo_dropout_loses_half_of_the_counts_at_its_mean():
    fields = {"n_cells": 3000, "n_genes": 60, "n_groups": 1, "dispersion": 0.01}
    adata = Demo(**fields, library_size=6000.0, dropout=20.0)()
    mean = adata.layers["true_mean"]
    around = (mean > 18) & (mean < 22)
    assert (adata.X.toarray()[around] == 0).mean() == pytest.approx(0.5, abs=0.03)


def test_demo_markers_are_higher_in_their_group():
    adata = Demo(dropout=0.0)()
    marked = adata.var["marker_of"] == "group_1"
    inside = adata[adata.obs["group"] == "group_1", marked].X.mean()
    assert inside > 1.8 * adata[adata.obs["group"] != "group_1", marked].X.mean()


def test_demo_groups_are_found_only_after_normalization():
    adata = Filter()(Demo()())
    scores = []
    for steps in ([Log1p()], [NormalizeTotal(), Log1p()]):
        x = adata
        for step in steps:
            x = step(x)
        embedding = PCA(20, random_state=0, svd_solver="full").fit_transform(x.X.toarray())
        result = KMeans(5, n_init=10, random_state=0).fit_predict(embedding)
        scores.append(adjusted_rand_score(adata.obs["group"], result))
    assert 0.4 < scores[0] < 0.9 < scores[1]


def test_readers_are_listed_by_name():
    known = {"csv", "demo", "h5ad", "loom", "tenx_h5", "tenx_mtx", "zarr"}
    assert known <= set(Reader.names())


@pytest.mark.parametrize("place", [".", "alevin"])
@pytest.mark.parametrize("is_file", [True, False])
def test_a_binary_matrix_of_alevin_is_named(tmp_path, place, is_file):
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    for name in ("quants_mat_rows.txt", "quants_mat_cols.txt"):
        (folder / name).write_text("a\nb\n")
    with gzip.open(folder / "quants_mat.gz", "wb") as file:
        file.write(b"\x03\x00\x00\x80?\x00\x00\x00@")
    path = folder / "quants_mat.gz" if is_file else tmp_path
    with pytest.raises(InputError, match=r"quants_mat.gz is a binary matrix of alevin: run alevin"):
        detect_reader(str(path))


def test_files_in_a_folder_are_named(tmp_path):
    for name in ("b.h5ad", "a.csv.gz", "notes.md", "d.loom", "c.h5", ".hidden"):
        (tmp_path / name).touch()
    message = r"zarr store: provide the path of a file in it \(a.csv.gz, b.h5ad, c.h5 and 1 more\)$"
    with pytest.raises(InputError, match=message):
        detect_reader(str(tmp_path))
