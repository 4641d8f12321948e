"""Invalid data on the command line: one line, exit code 2, no file written."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from anndata import read_h5ad
from scipy import sparse

pytestmark = pytest.mark.usefixtures("work_dir")


def test_a_missing_file(reject_run):
    assert reject_run("--data", "gone.h5ad") == "gone.h5ad does not exist"
    assert reject_run("--set", "data.reader={name: h5ad, path: gone.h5ad}", "--out", "out") == (
        "gone.h5ad does not exist"
    )
    assert reject_run("--set", "data.reader=h5ad", "--out", "out") == (
        "the reader has no path: set data.reader.path, or use --data FILE"
    )


def test_check_names_every_missing_file(run_cli):
    reader = "data.reader={name: h5ad, path: gone.h5ad}"
    done = run_cli("check", "scgnn", "--set", reader, "--set", "data.truth_path=true.h5ad")
    assert (done.exit_code, done.stderr.splitlines()) == (
        2,
        [
            f"--set {reader}: data.reader.path: gone.h5ad does not exist",
            "--set data.truth_path=true.h5ad: data.truth_path: true.h5ad does not exist",
        ],
    )


def test_a_truncated_gz_file(reject_run, make_counts):
    full = gzip.compress(make_counts().to_df().to_csv().encode())
    Path("cut.csv.gz").write_bytes(full[: len(full) // 2])
    reader = "{name: csv, path: cut.csv.gz, orientation: cells_by_genes}"
    for words in (["--data", "cut.csv.gz"], ["--set", f"data.reader={reader}", "--out", "new/out"]):
        message = reject_run(*words)
        assert message.startswith("cut.csv.gz is damaged or incomplete: ")
        assert message.endswith("; copy it again")


def test_a_truncated_h5ad(reject_run, make_counts):
    make_counts().write_h5ad("cut.h5ad")
    Path("cut.h5ad").write_bytes(Path("cut.h5ad").read_bytes()[:3000])
    assert reject_run("--data", "cut.h5ad").startswith("cut.h5ad ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cells.h5ad is an empty file"),
        (
            b"hello\nworld\n",
            "cells.h5ad has an unknown format; supported: h5ad, h5mu, zarr, loom, 10x .h5",
        ),
        (
            os.urandom(500),
            "cells.h5ad has an unknown format; supported: h5ad, h5mu, zarr, loom, 10x .h5",
        ),
    ],
    ids=["empty", "text", "noise"],
)
def test_a_file_of_another_kind(reject_run, content, message):
    Path("cells.h5ad").write_bytes(content)
    assert reject_run("--data", "cells.h5ad").startswith(message)


def corrupt(make, change):
    adata = make()
    change(adata)
    adata.write_h5ad("cells.h5ad")


def set_value(value):
    def change(adata):
        adata.X[3, 2] = value

    return change


def scale(adata):
    adata.layers["counts"] = adata.X.copy()
    adata.X = (adata.X - adata.X.mean(0)) / (adata.X.std(0) + 1)


def scale_all(adata):
    scale(adata)
    del adata.layers["counts"]


def empty(adata):
    adata.X[:] = 0


WRONG_VALUES = {
    "nan": (
        set_value(np.nan),
        "cells.h5ad: nan in cell 'cell_3', gene 'gene_2' (1 value not ",
    ),
    "infinite": (set_value(np.inf), "cells.h5ad: inf in cell 'cell_3', gene 'gene_2' (1 value "),
    "negative": (set_value(-1), "cells.h5ad: counts cannot be negative, -1 in cell 'cell_3', gene"),
    "scaled": (scale_all, "cells.h5ad: X is already centered or scaled, "),
    "only zeros": (
        empty,
        "cells.h5ad has 40 cells and 30 genes and only zeros: at least one count ",
    ),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_values_that_are_not_counts(reject_run, make_counts, case):
    change, message = WRONG_VALUES[case]
    corrupt(make_counts, change)
    assert reject_run("--data", "cells.h5ad", "--out", "out").startswith(message)


def test_scaled_data_with_counts_in_a_layer(reject_run, run_cli, run_args, make_counts):
    corrupt(make_counts, scale)
    message = reject_run("--data", "cells.h5ad", "--set", "data.layer=X")
    assert message.endswith(": set data.layer to one of counts, or provide raw counts")
    done = run_cli(*run_args, "--data", "cells.h5ad", "--out", "out")
    assert done.exit_code == 0
    assert "X does not hold counts, so 'counts' is used, which holds counts" in done.stderr
    result, came = read_h5ad("out/result.h5ad"), read_h5ad("cells.h5ad")
    same = came[result.obs_names, result.var_names]
    np.testing.assert_array_equal(_dense(result.X), _dense(same.X))
    np.testing.assert_array_equal(_dense(result.layers["counts"]), _dense(same.layers["counts"]))


def _dense(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def test_counts_where_ltmg_expects_logarithms(reject_run, make_counts):
    adata = make_counts()
    adata.X = adata.X * 1000
    adata.write_h5ad("cells.h5ad")
    message = reject_run("--data", "cells.h5ad", "--set", "data.transforms=[]", "--out", "out")
    assert "is too large for log(count + 1)" in message
    assert message.endswith("add log1p to the transforms, or set input: counts")


def test_log_transformed_data(reject_run, make_counts):
    adata = make_counts()
    adata.X = np.log1p(adata.X)
    adata.uns["log1p"] = {"base": None}
    adata.write_h5ad("cells.h5ad")
    assert reject_run("--data", "cells.h5ad", "--out", "out") == (
        "log1p: the values are already log-transformed (uns['log1p']): choose a layer with "
        "counts (data.layer), or remove log1p (--set data.transforms.log1p=null)"
    )


def test_transposed_matrix(reject_run, make_counts):
    adata = make_counts(n_cells=4, n_genes=5)
    adata.obs_names = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1", "CCACCTGAGAAACCTA-1", "TTTG" * 4]
    adata.var_names = ["MT-CO1", "RPL13", "GAPDH", "ACTB", "ENSG00000141510"]
    adata.T.write_h5ad("cells.h5ad")
    message = reject_run("--data", "cells.h5ad", "--out", "out")
    assert message.startswith("cells.h5ad looks transposed, rows look like genes and columns like")
    assert message.endswith(": provide cells x genes")


def test_table_with_ambiguous_orientation(reject_run):
    Path("cells.csv").write_text("x,a,b\nc,1,2\nd,3,4\n")
    assert reject_run("--data", "cells.csv", "--out", "out").endswith(
        "; set data.reader.orientation to cells_by_genes or genes_by_cells"
    )


def test_duplicate_names_are_made_unique_and_logged(run_cli, run_args, make_counts):
    adata = make_counts()
    adata.obs_names = ["same"] * 2 + list(adata.obs_names[2:])
    adata.write_h5ad("cells.h5ad")
    done = run_cli(*run_args, "--data", "cells.h5ad", "--out", "out")
    assert done.exit_code == 0
    for message in (done.stderr, Path("out/log.txt").read_text()):
        (line,) = [line for line in message.splitlines() if "'same' is now 'same-1'" in line]
        assert "cells.h5ad: 1 " in line
    assert list(read_h5ad("out/result.h5ad").obs_names[:2]) == ["same", "same-1"]


@pytest.mark.parametrize("threshold", ["min_cell_fraction", "min_gene_fraction"])
def test_nothing_left_after_filtering(reject_run, make_counts, threshold):
    adata = make_counts()
    adata.X *= np.random.default_rng(0).random(adata.shape) < 0.3
    adata.write_h5ad("cells.h5ad")
    message = reject_run(
        "--data", "cells.h5ad", "--set", f"data.transforms.filter.{threshold}=0.99", "--out", "out"
    )
    assert message.startswith("filter keeps ")
    assert message.endswith(": lower min_cell_fraction or min_gene_fraction")


def test_unknown_or_empty_labels(reject_run, make_counts):
    adata = make_counts()
    adata.obs["nobody"] = np.nan
    adata.write_h5ad("cells.h5ad")
    assert reject_run("--data", "cells.h5ad", "--labels-key", "grup", "--out", "out") == (
        "data.labels_key: unknown column 'grup'. Did you mean 'group'? Known: group, nobody "
        "(columns of obs)"
    )
    assert reject_run("--data", "cells.h5ad", "--labels-key", "nobody", "--out", "out") == (
        "data.labels_key: column 'nobody' of obs is empty"
    )


def test_unknown_layer(reject_run, make_counts):
    make_counts().write_h5ad("cells.h5ad")
    message = reject_run("--data", "cells.h5ad", "--set", "data.layer=raw", "--out", "out")
    assert "has no layer 'raw', it has X: set data.layer to one of these" in message


def test_a_training_that_diverges_is_one_line(run_cli, run_args, make_counts):
    make_counts().write_h5ad("cells.h5ad")
    steep = "pipeline.graph_training.learning_rate=1e9"
    done = run_cli(*run_args, "--data", "cells.h5ad", "--set", steep)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("training diverged: ")
    assert "Traceback" not in done.stderr
