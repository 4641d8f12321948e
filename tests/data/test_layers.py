"""Where the counts are: X, raw or a layer."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scgnn
from scgnn.data.layers import find_counts, holds_counts, select_counts
from scgnn.errors import InputError

COUNTS = np.random.default_rng(0).poisson(1.0, (30, 20))
LOGS = np.log1p(COUNTS).astype(np.float32)
OTHER = COUNTS + 1


def build(x, raw=None, **layers):
    names = [f"gene_{i}" for i in range(20)]
    obs = pd.DataFrame(index=[f"cell_{i}" for i in range(30)])
    var = pd.DataFrame(index=names)
    adata = ad.AnnData(x, obs, var, layers=layers)
    if raw is not None:
        genes = pd.DataFrame(index=names + [f"more_{i}" for i in range(raw.shape[1] - 20)])
        adata.raw = ad.AnnData(raw, obs, genes)
    return adata


MORE = np.hstack([COUNTS, OTHER])  # genes
FOUND = {
    "X": (build(COUNTS, OTHER, other=OTHER), "X"),
    "X of whole floats": (build(COUNTS.astype(np.float64), other=OTHER), "X"),
    "raw": (build(LOGS, COUNTS), "raw"),
    "raw with more genes": (build(LOGS, MORE, logs=LOGS), "raw"),
    "a layer": (build(LOGS, counts=sparse.csr_matrix(COUNTS)), "counts"),
    "a layer beside logs in raw": (build(LOGS - 1, LOGS, counts=COUNTS), "counts"),
    "a layer, twice": (build(LOGS, a=COUNTS, b=sparse.csc_matrix(COUNTS.astype("f8"))), "a"),
    "raw, again as a layer": (build(LOGS, COUNTS, counts=COUNTS), "raw"),
    "a layer without X": (build(None, spliced=COUNTS, ratio=LOGS), "spliced"),
    "a part of the counts": (build(LOGS, spliced=LOGS, ambiguous=COUNTS), "X"),
    "logs alone": (build(LOGS, LOGS, tpm=COUNTS * 1.5), "X"),
    "a mask beside counts": (build(LOGS, mask=COUNTS > 0, counts=COUNTS), "counts"),
    "zeros beside counts": (build(LOGS, empty=COUNTS * 0, counts=COUNTS), "counts"),
    "negative whole numbers": (build(COUNTS - 1, counts=COUNTS), "counts"),
    "missing values": (build(np.where(COUNTS == 1, np.nan, COUNTS), counts=COUNTS), "counts"),
    "infinite values": (build(np.where(COUNTS == 1, np.inf, COUNTS), counts=COUNTS), "counts"),
}


@pytest.mark.parametrize("case", FOUND)
def test_counts_are_found(case, caplog):
    adata, expected = FOUND[case]
    assert find_counts(adata, "auto", "x.h5ad") == expected
    is_said = f"'{expected}' is used, which holds counts" in caplog.text
    assert is_said == (expected != "X")


@pytest.mark.parametrize(
    ("adata", "message"),
    [
        (build(LOGS, OTHER, counts=COUNTS), "X does not hold counts, but raw, counts do: set da"),
        (build(LOGS, MORE, counts=COUNTS), "X does not hold counts, but raw, counts do"),
        (build(None, a=COUNTS, b=OTHER), "there is no X, but a, b do: set data.layer to one of th"),
        (build(None, a=LOGS, b=LOGS), r"no layer holds counts \(a, b\): set data.layer to the one"),
        (build(None), r"there is no X, and no layer holds counts \(none\): provide counts"),
        (build(None, unspliced=COUNTS), r"no layer holds counts \(unspliced\): set data.layer"),
    ],
)
def test_several_matrices_or_none_are_refused(adata, message):
    with pytest.raises(InputError, match=message):
        find_counts(adata, "auto", "x.h5ad")


@pytest.mark.parametrize("layer", ["x", "RAW", "counts ", ""])
def test_an_unknown_layer_lists_all(layer):
    adata = build(COUNTS, COUNTS, counts=COUNTS)
    with pytest.raises(InputError, match=f"no layer '{layer}', it has X, raw, counts: set data."):
        find_counts(adata, layer, "x.h5ad")


def test_a_named_layer_is_used_as_it_is():
    adata = build(COUNTS, raw=LOGS, mine=LOGS)
    adata.uns["log1p"] = {"base": None}
    for layer in ("mine", "raw"):
        assert find_counts(adata, layer, "x") == layer
        chosen = select_counts(adata, layer)
        np.testing.assert_array_equal(chosen.X, LOGS)
        assert "log1p" in adata.uns and "log1p" not in chosen.uns
    assert select_counts(adata, "X") is adata


def test_a_layer_called_raw_can_be_used():
    adata = build(LOGS)
    adata.layers["raw"] = COUNTS
    assert find_counts(adata, "auto", "x") == "raw"
    np.testing.assert_array_equal(select_counts(adata, "raw").X, COUNTS)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1, 2]], True),
        ([[0, 0]], False),
        ([[1.0, 2.5]], False),
        ([[1, -1]], False),
        ([[True, False]], False),
        (np.zeros((0, 3)), False),
        (np.asfortranarray([[1.0, 2], [3, 4]]), True),
        (np.array([[1, 2]], dtype="uint8"), True),
        (np.array([["1", "2"]]), False),
        (np.array([[1 + 0j]]), False),
        (np.array([[1, 2]], dtype="float16"), True),
    ],
)
def test_what_holds_counts(values, expected):
    assert holds_counts(np.asarray(values)) == expected
    if np.asarray(values).dtype.kind in "uif" and np.asarray(values).dtype != np.float16:
        assert holds_counts(sparse.csr_matrix(values)) == expected


FORMS = {
    "int64": lambda x: x,
    "uint16 csc": lambda x: sparse.csc_matrix(x.astype(np.uint16)),
    "float64 csr": lambda x: sparse.csr_matrix(x.astype(np.float64)),
    "fortran": lambda x: np.asfortranarray(x.astype(np.float32)),
}


def dense(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["X", "raw", "counts"])
def test_the_result_has_the_values_and_types_that_came(form, place):
    counts = FORMS[form](COUNTS)
    adata = {
        "X": build(counts, LOGS, more=LOGS),
        "raw": build(LOGS, counts, more=LOGS),
        "counts": build(LOGS, LOGS, counts=counts),
    }[place]
    adata.uns["log1p"] = {"base": None}
    result = scgnn.run("pca_leiden", adata, data__transforms=["log1p"])
    assert result.shape == adata.shape and result.uns["log1p"] == {"base": None}
    pairs = [(result.X, adata.X), (result.raw.X, adata.raw.X)]
    pairs += [(result.layers[name], adata.layers[name]) for name in adata.layers]
    for actual, expected in pairs:
        assert type(actual) is type(expected) and actual.dtype == expected.dtype
        np.testing.assert_array_equal(dense(actual), dense(expected))


def test_raw_brings_its_own_genes(caplog):
    adata = build(LOGS, MORE, mine=LOGS)
    with caplog.at_level("INFO", logger="scgnn"):
        result = scgnn.run("pca_leiden", adata, data__transforms=["log1p"])
    assert list(result.var_names) == list(adata.raw.var_names)
    np.testing.assert_array_equal(result.X, MORE)
    assert "the result has the genes of raw, without matrices of other genes" in caplog.text


def test_names_of_the_result_are_unique_and_its_values_in_place():
    adata = build(COUNTS)
    adata.var_names = ["a"] * 20
    adata.obs_names = ["c"] * 30
    result = scgnn.run("pca_leiden", adata, data__transforms=["filter", "log1p"])
    assert result.var_names.is_unique and result.obs_names.is_unique
    np.testing.assert_array_equal(result.X, COUNTS[:, (COUNTS > 0).any(0)])
