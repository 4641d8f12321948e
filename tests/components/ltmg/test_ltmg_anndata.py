"""LTMG of an AnnData, and the picture of a gene."""

from __future__ import annotations

import inspect

import dask.array
import numpy as np
import pytest
from scipy import sparse

import scgnn
from ltmg_genes import simulate
from scgnn.components.ltmg import LTMG
from scgnn.errors import UserError


def annotated():
    anndata = pytest.importorskip("anndata")
    x, *_ = simulate(5, 400, (1.5, 2.0), (0.3, 0.4))
    adata = anndata.AnnData(sparse.csr_matrix(x))
    adata.layers["log"] = sparse.csr_matrix(np.log1p(x))
    return adata


def test_ltmg_writes_the_documented_fields(tmp_path):
    import anndata

    from scgnn import ltmg

    adata = annotated()
    assert ltmg(adata) is None
    ltmg(adata, layer="log", key_added="again", input="log")
    assert (adata.layers["ltmg"] != adata.layers["again"]).nnz <= 2  # rounding of log1p
    assert adata.uns["ltmg"]["status_counts"] == LTMG().fit(adata.X).status_counts
    assert adata.uns["again"]["params"]["layer"] == "log"
    np.testing.assert_array_equal(adata.var["ltmg_n_active"], LTMG().fit(adata.X).n_active_states)
    adata.write_h5ad(tmp_path / "x.h5ad")
    back = anndata.read_h5ad(tmp_path / "x.h5ad")
    np.testing.assert_array_equal(back.varm["ltmg_mean"], adata.varm["ltmg_mean"])
    assert list(back.var["ltmg_status"]) == list(adata.var["ltmg_status"])


@pytest.mark.parametrize("form", ["backed", "dask"])
def test_counts_that_are_not_in_memory(tmp_path, form):
    import anndata

    from scgnn import ltmg

    expected, adata = annotated(), annotated()
    ltmg(expected)
    if form == "backed":
        adata.write_h5ad(tmp_path / "x.h5ad")
        adata = anndata.read_h5ad(tmp_path / "x.h5ad", backed="r")
    else:
        adata.X = dask.array.from_array(adata.X.toarray()).map_blocks(sparse.csr_matrix)
    ltmg(adata)
    assert (adata.layers["ltmg"] != expected.layers["ltmg"]).nnz == 0


def test_an_anndata_without_x_is_refused():
    import anndata

    adata = anndata.AnnData(obs=annotated().obs, var=annotated().var)
    with pytest.raises(UserError, match="no X: name a layer of counts with 'layer'"):
        scgnn.ltmg(adata)


def test_the_function_is_not_shadowed_by_the_package_of_the_same_name():
    import scgnn.components.ltmg.model
    import scgnn.pl
    import scgnn.plotting.ltmg
    import scgnn.tl

    assert callable(scgnn.ltmg) and scgnn.ltmg is scgnn.tl.ltmg
    assert callable(scgnn.plot_ltmg) and scgnn.plot_ltmg is scgnn.pl.ltmg
    assert inspect.ismodule(scgnn.components.ltmg) and inspect.ismodule(scgnn.plotting.ltmg)


def test_plot_shows_cutoff_censored_cells_and_units():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from scgnn import ltmg
    from scgnn.plotting.ltmg import plot_ltmg

    adata = annotated()
    ltmg(adata)
    ax = plot_ltmg(adata, "1")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "cut-off" in labels and any(label.startswith("censored") for label in labels)
    assert "natural log" in ax.get_xlabel() and "per log unit" in ax.get_ylabel()
    with pytest.raises(ValueError, match="no gene 'nobody'"):
        plot_ltmg(adata, "nobody")
    with pytest.raises(ValueError, match="key_added='other'"):
        plot_ltmg(adata, "1", key="other")
    adata.var_names = ["$\\frac", *adata.var_names[1:]]
    ax = plot_ltmg(adata, "$\\frac")
    ax.figure.canvas.draw()
    assert ax.get_title().startswith("$\\frac: ")
    matplotlib.pyplot.close("all")
