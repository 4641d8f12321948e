"""What a run will take, said before it runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scgnn.components.readers import H5AD, Demo
from scgnn.data import validated
from scgnn.estimate import Size, duration, estimate, expected
from scgnn.recipe import load_recipe


@pytest.mark.parametrize("dense", [False, True])
def test_a_file_says_its_size_without_being_read(tmp_path, dense):
    adata = validated(Demo(cells=40, genes=30)(), "demo")
    adata.layers["counts"] = adata.X.copy()
    if dense:
        adata.X = adata.X.toarray()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    stored = 40 * 30 if dense else adata.X.nnz
    assert H5AD(path=str(tmp_path / "cells.h5ad")).shape() == (40, 30, stored)
    in_layer = H5AD(path=str(tmp_path / "cells.h5ad"), layer="counts").shape()
    assert in_layer == (40, 30, sparse.csr_matrix(adata.X).nnz)


def test_demo_says_about_how_much_is_not_zero():
    cells, genes, nonzeros = Demo().shape()
    counts = Demo()().X
    assert (cells, genes) == counts.shape
    assert 0.5 < nonzeros / counts.nnz < 2


def whole(recipe, cells, changes=None):
    found = estimate(load_recipe(recipe, changes or {}), Size(cells, 2000, cells * 200))
    return sum(each.times * each.seconds for each in found.values()), found


def test_more_cells_and_epochs_take_longer_and_more_memory():
    few, some = whole("scgnn", 1000)[1], whole("scgnn", 4000)[1]
    assert few.keys() == some.keys()
    assert all(some[name].seconds > few[name].seconds for name in few)
    assert all(some[name].megabytes > few[name].megabytes for name in few)
    longer = whole("scgnn", 1000, {"pipeline.feature_training.epochs": 1000})[0]
    assert longer > whole("scgnn", 1000)[0]


def test_what_a_recipe_leaves_out_costs_nothing():
    assert set(whole("pca_kmeans", 1000)[1]) == {"cell graph", "clustering", "scores"}
    quick = whole("scgnn", 1000, {"pipeline.cluster_autoencoders": False})[1]
    assert "cluster autoencoders" not in quick
    assert "imputation" not in whole("scgnn", 1000, {"pipeline.impute": False})[1]
    assert whole("scgnn", 1000)[1]["cluster autoencoders"].times == 10


def test_check_says_it(command, tmp_path):
    done = command("check", "scgnn")
    assert done.out.splitlines()[-1] == "no mistakes found; nothing was run"
    assert "estimate    roughly " in done.out
    (tmp_path / "counts.csv").write_text("cell,a,b\nx,1,2\ny,0,3\n")
    read = {"data.reader": {"name": "csv", "path": str(tmp_path / "counts.csv")}}
    assert expected(load_recipe("scgnn", read)) == "estimate    known once the data are read\n"


def test_durations_are_in_the_unit_that_fits():
    assert [duration(s) for s in (0.2, 12, 240, 7200)] == ["under 1 s", "12 s", "4 min", "2.0 h"]
    assert np.isfinite(whole("scgnn2", 1000)[0])
