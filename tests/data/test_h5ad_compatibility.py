"""Annotation that an .h5ad file cannot hold as it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgnn
from scgnn.data.h5ad_compatibility import make_h5ad_compatible
from scgnn.errors import InputError

NAMES = ["a", "b", "c"]
COLUMNS = {
    "strings": pd.array(["x", "y", "x"], dtype="string"),
    "strings, one missing": pd.array(["x", None, "y"], dtype="string"),
    "text, one missing": np.array(["x", None, "y"], object),
    "text, one nan": np.array(["x", np.nan, "y"], object),
    "categories of strings": pd.Categorical(pd.array(["x", "y", None], dtype="string")),
    "categories of intervals": pd.cut([1, 2, 3], 2),
    "dates": pd.to_datetime(["2020-01-01 10:00:01", None, "2022-02-02 20:10:01"]),
    "durations": pd.to_timedelta([1, 2, 3], unit="h"),
    "months": pd.period_range("2020-01", periods=3, freq="M"),
    "true, false, missing": np.array([True, None, False], object),
    "nullable booleans": pd.array([True, None, False], dtype="boolean"),
    "nullable integers": pd.array([1, None, 3], dtype="Int64"),
    "nullable floats": pd.array([1.5, None, 3], dtype="Float64"),
    "sparse": pd.arrays.SparseArray([0.0, 0, 1]),
    "float16": np.array([1, 2, 3], "f2"),
}


def build(**columns):
    obs = pd.DataFrame(columns, index=NAMES)
    return ad.AnnData(np.eye(3, dtype="f4"), obs=obs, var=pd.DataFrame(index=NAMES))


def as_text(values):
    return ["" if pd.isna(value) else str(value) for value in values]


@pytest.mark.parametrize("case", COLUMNS)
@pytest.mark.parametrize("slot", ["obs", "raw", "obsm", "uns"])
def test_columns_keep_their_values(tmp_path, case, slot):
    adata = build()
    table = pd.DataFrame({"column": COLUMNS[case]}, index=NAMES)
    if slot == "raw":
        adata.raw = ad.AnnData(np.eye(3), var=table)
    elif slot == "obs":
        adata.obs = table
    else:
        getattr(adata, slot)["table"] = table
    before = adata.copy()
    make_h5ad_compatible(adata, "x").write_h5ad(tmp_path / "x.h5ad")
    read = ad.read_h5ad(tmp_path / "x.h5ad")
    where = {"obs": lambda a: a.obs, "raw": lambda a: a.raw.var}
    get = where.get(slot, lambda a: getattr(a, slot)["table"])
    actual, expected = get(read)["column"], table["column"]
    if expected.dtype.kind in "biuf":
        np.testing.assert_array_equal(actual.to_numpy(float), expected.to_numpy(float))
    else:
        assert as_text(actual) == as_text(expected)
    pd.testing.assert_frame_equal(get(adata), get(before))  # not modified


@pytest.mark.parametrize("dtype", ["string", object])
def test_names_are_kept(tmp_path, dtype):
    adata = build(group=["x", "y", "y"])
    adata.obs.index = pd.Index(pd.array(NAMES, dtype=dtype), name="barcode")
    make_h5ad_compatible(adata, "x").write_h5ad(tmp_path / "x.h5ad")
    read = ad.read_h5ad(tmp_path / "x.h5ad")
    assert list(read.obs_names) == NAMES and read.obs.index.name == "barcode"


def test_two_threads_check_annotation_at_once(monkeypatch):
    both_files_are_open = Barrier(2)
    monkeypatch.setattr("anndata.io.write_elem", lambda *_: both_files_are_open.wait(10))
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(make_h5ad_compatible, build(x=[1, 2, 3]), "x") for _ in range(2)]
        assert all(list(future.result().obs["x"]) == [1, 2, 3] for future in futures)


def test_reserved_and_repeated_names(tmp_path, caplog):
    adata = build(_index=[1, 2, 3], barcode=["p", "q", "r"])
    adata.obs.index.name = "barcode"
    adata.raw = ad.AnnData(np.eye(3), var=pd.DataFrame({"_index": NAMES}, index=NAMES))
    make_h5ad_compatible(adata, "x").write_h5ad(tmp_path / "x.h5ad")
    read = ad.read_h5ad(tmp_path / "x.h5ad")
    assert list(read.obs.columns) == ["index_", "barcode"] and list(read.obs["index_"]) == [1, 2, 3]
    assert list(read.obs_names) == NAMES and not list(read.raw.var.columns)
    assert "column '_index' of obs is called 'index_' in .h5ad files" in caplog.text


@pytest.mark.parametrize("name", [5, ("a", "b"), None, "barcode"])
def test_any_name_of_an_index_is_written(tmp_path, name):
    adata = build(x=[1, 2, 3])
    adata.obs.index.name = name
    make_h5ad_compatible(adata, "x").write_h5ad(tmp_path / "x.h5ad")
    assert list(ad.read_h5ad(tmp_path / "x.h5ad").obs_names) == NAMES


def test_numbers_as_column_names_become_text():
    new = make_h5ad_compatible(build(**{"x": [1, 2, 3]}), "x")
    adata = build()
    adata.obs = pd.DataFrame({0: [1, 2, 3]}, index=NAMES)
    assert list(new.obs.columns) == ["x"]
    assert list(make_h5ad_compatible(adata, "x").obs.columns) == ["0"]


def set_uns(value):
    def change(adata):
        adata.uns["mine"] = value

    return change


def set_obs(**columns):
    def change(adata):
        for name, values in columns.items():
            adata.obs[name] = values

    return change


def repeat_column(adata):
    adata.obs = pd.DataFrame([[1, 2]] * 40, columns=["a", "a"], index=adata.obs_names)


def contain_itself(adata):
    adata.uns["self"] = adata.uns


NOT_WRITABLE = {
    "a number as a key": (set_uns({3: 4}), "uns['mine'] has the key 3, of type int"),
    "no key": (set_uns({"": 4}), "uns['mine'] has the key '', which no .h5ad file can hold"),
    "a dot": (set_uns({".": 4}), "uns['mine'] has the key '.', which"),
    "half a character": (set_uns({"\ud800": 4}), "uns['mine'] has the key '\\ud800', which"),
    "itself": (contain_itself, "uns['self']['self']"),
    "a set": (set_uns({1, 2}), "uns['mine'] cannot be written"),
    "an object in a mapping": (set_uns({"a": {"b": object()}}), "uns['mine']['a']['b'] cannot be"),
    "text and numbers": (set_obs(mixed=["a", 1] * 20), "obs['mixed'] cannot be written"),
    "lists": (set_obs(lists=[[1]] * 40), "obs['lists'] cannot be written"),
    "two columns of a name": (repeat_column, "obs has two columns 'a': rename one of them"),
    "a null character": (set_obs(nul=["a\0b", "c"] * 20), "obs['nul'] cannot be written"),
}


@pytest.mark.parametrize("case", NOT_WRITABLE)
def test_the_culprit_is_named_before_anything_is_computed(make_counts, tmp_path, caplog, case):
    change, message = NOT_WRITABLE[case]
    adata = make_counts()
    change(adata)
    with pytest.raises(InputError) as error:
        scgnn.run("pca_leiden", adata, out=tmp_path / "out")
    assert str(error.value).startswith(f"the given AnnData: {message}")
    assert "feature autoencoder" not in caplog.text
    assert not (tmp_path / "out").exists()


def test_a_file_is_converted_too(make_counts, tmp_path):
    adata = make_counts()
    adata.obs["donor"] = pd.array([None, "a"] * 20, dtype="string")
    with ad.settings.override(allow_write_nullable_strings=True):
        adata.write_h5ad(tmp_path / "x.h5ad")
    reader = {"name": "h5ad", "path": str(tmp_path / "x.h5ad")}
    scgnn.run("pca_leiden", out=tmp_path / "out", data__reader=reader)
    read = ad.read_h5ad(tmp_path / "out" / "result.h5ad")
    assert as_text(read.obs["donor"]) == ["", "a"] * 20
