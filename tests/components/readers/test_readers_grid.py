"""Every format with random faults: the right counts, or one sentence."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import input_grid
from scgnn.components.readers import CSV, detect_reader
from scgnn.data.layers import select_counts
from scgnn.data.validation import validate
from scgnn.errors import InputError

FORMATS = {
    "folder": lambda e, p, r: input_grid.make_folder(e, p / "d", r),
    "h5ad": lambda e, p, r: input_grid.make_anndata_file(e, p / "x.h5ad", r, zarr=False),
    "zarr": lambda e, p, r: input_grid.make_anndata_file(e, p / "x.zarr", r, zarr=True),
    "loom": lambda e, p, r: input_grid.make_loom(e, p / "x.loom", r),
    "tenx_h5": lambda e, p, r: input_grid.make_tenx_h5(e, p / "x.h5", r),
}
FAULTS = [fault.__name__ for fault in input_grid.TABLE_FAULTS]
EVERYTHING = int(os.environ.get("SCGNN_GRID_CASES", "0"))


def check(path, example, is_table):
    """Read a file; its counts are the example's, or it is refused in one line."""
    options = dict(example.options)
    is_long = options.pop("is_long", False)
    reader = CSV(str(path), **options) if is_table and options else None
    if example.must_refuse:
        with pytest.raises(InputError) as error:
            read(str(path), reader)
        assert "\n" not in str(error.value)
        return
    adata = read(str(path), reader)
    counts, cells, genes = example.counts, example.cells, example.genes
    x = adata.X.toarray()
    if is_long:
        order = [list(adata.obs_names).index(cell) for cell in cells]
        keep = counts.any(axis=0)
        genes = np.array(genes)[keep]
        columns = [list(adata.var_names).index(gene) for gene in genes]
        x, counts = x[np.ix_(order, columns)], counts[:, keep]
    else:
        assert list(adata.var_names) == list(genes)
        if example.has_cells:
            assert list(adata.obs_names) == list(cells)
    np.testing.assert_array_equal(x, counts)


def read(path, reader=None):
    adata, layer = (reader or detect_reader(path)).read_counts()
    return validate(select_counts(adata, layer, path), path)


def run_table(folder, seed, names):
    example = input_grid.Example(np.random.default_rng(seed))
    check(input_grid.make_table(example, folder / "x.txt", names), example, is_table=True)


def run_format(folder, name, seed):
    rng = np.random.default_rng(seed)
    example = input_grid.Example(rng)
    check(FORMATS[name](example, folder, rng), example, is_table=False)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", range(1))
def test_tables_with_one_fault(tmp_path, name, seed):
    run_table(tmp_path, seed, [name])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_other_formats(tmp_path, name, seed):
    run_format(tmp_path, name, seed)


@given(
    seed=st.integers(0, 2**32),
    names=st.lists(st.sampled_from(FAULTS), min_size=2, max_size=5, unique=True).filter(
        input_grid.are_compatible
    ),
)
@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
def test_tables_with_several_faults(tmp_path_factory, seed, names):
    run_table(tmp_path_factory.mktemp("grid"), seed, names)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table", *FORMATS])
def test_two_thousand_cases(tmp_path_factory, name):
    rng = np.random.default_rng(EVERYTHING)
    n = 1000 if name == "table" else 200
    for _ in range(n):
        seed, folder = int(rng.integers(2**32)), tmp_path_factory.mktemp("grid")
        names = list(rng.choice(FAULTS, rng.integers(1, 6), replace=False))
        if name != "table":
            run_format(folder, name, seed)
        elif input_grid.are_compatible(names):
            run_table(folder, seed, names)
