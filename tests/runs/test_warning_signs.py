"""Warnings of runs that look bad, and the baseline beside a run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import scgnn
from scgnn.evaluation.clustering import score_against_labels
from scgnn.execution.cache import StageCache
from scgnn.recipe.load import load_recipe
from scgnn.report import run as run_report
from scgnn.runs import baseline, run
from scgnn.runs.warning_signs import compare_with_baseline, list_warnings
from study_pages import ParsedPage

SIZE = ["--set", "data.reader.n_cells=60", "--set", "data.reader.n_genes=50"]


@pytest.fixture
def computes_baseline():
    return True


def make_state(n_units=10, stop_reason="converged"):
    return SimpleNamespace(embedding=np.ones((4, n_units)), stop_reason=stop_reason)


def warn(recipe="scgnn", changes=None, n_clusters=3, n_dead=0, **state):
    metrics = {"n_clusters": n_clusters, "dead_units": n_dead}
    return list_warnings(metrics, make_state(**state), load_recipe(recipe, changes or {}).pipeline)


def test_a_run_that_looks_good_has_no_warning():
    assert warn() == ()
    assert list_warnings({"n_clusters": 2}, make_state(), load_recipe("pca_leiden").pipeline) == ()


@pytest.mark.parametrize(
    ("n_dead", "n_units", "start"),
    [(5, 10, None), (6, 10, "6 of 10 units"), (1, 1, "1 of 1 units"), (1_025, 2_048, "1,025 of")],
)
def test_more_than_half_of_the_units_are_dead(n_dead, n_units, start):
    warnings = warn(n_dead=n_dead, n_units=n_units)
    assert [w[: len(start)] for w in warnings] == [start] if start else warnings == ()
    assert all(w.endswith("; try the recipe scgnn_no_dead_units") for w in warnings)


@pytest.mark.parametrize("recipe", ["pca_leiden", "pca_kmeans"])
def test_empty_principal_components_are_no_dead_units(recipe):
    assert warn(recipe, n_dead=45, n_units=50) == ()


@pytest.mark.parametrize(
    ("changes", "reason", "is_warned"),
    [
        ({}, "max_iterations (10) reached", True),
        ({}, "ARI of 0.96 between iterations", False),
        ({"pipeline.stop": "never"}, "max_iterations (10) reached", False),
        ({"pipeline.max_iterations": 0}, "max_iterations (0) reached", False),
        ({"pipeline.max_iterations": 1_000}, "max_iterations (1000) reached", True),
    ],
)
def test_the_limit_of_iterations_is_no_convergence(changes, reason, is_warned):
    warnings = warn(changes=changes, stop_reason=reason)
    limit = f"{changes.get('pipeline.max_iterations', 10):,}"
    expected = (
        f"the iterations ended at their limit, {limit}, without convergence: more of them may "
        "change the clusters; raise pipeline.max_iterations"
    )
    assert warnings == ((expected,) if is_warned else ())


def test_one_cluster_and_several_warnings_at_once():
    one = "all cells are in one cluster; check the counts and the settings of pipeline.clusterer"
    assert warn(n_clusters=1) == (one,)
    several = warn(n_clusters=1, n_dead=10, stop_reason="max_iterations (10) reached")
    assert len(several) == 3 and several[-1] == one


@pytest.mark.parametrize(
    ("ari", "reference", "is_warned"),
    [
        (0.2, 0.41, True),
        (0.2, 0.4, False),
        (-0.1, 0.1, True),
        (0.0, 0.09, False),  # the labels are not those of clusters
        (0.9, 0.5, False),
        (None, 0.5, False),
        (0.5, None, False),
    ],
)
def test_less_than_half_of_the_ari_of_the_baseline(ari, reference, is_warned):
    warning = compare_with_baseline({"ari": ari}, {"recipe": "pca_leiden", "ari": reference})
    assert bool(warning) == is_warned
    if (ari, reference) == (0.2, 0.41):
        assert warning == (
            "the ARI of 0.20 is less than half of 0.41, that of the baseline pca_leiden: these "
            "clusters fit the labels badly; try another recipe"
        )


def test_warnings_are_logged_in_python_and_written(make_counts, reduced_budget, tmp_path, caplog):
    changes = {path.replace(".", "__"): value for path, value in reduced_budget.items()}
    changes["pipeline__clusterer"] = {"name": "kmeans", "n_clusters": 1}
    scgnn.run("scgnn", make_counts(), out=tmp_path / "out", **changes)
    logged = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["recipe"] == "scgnn"
    assert "baseline" not in metrics  # of the command only
    assert metrics["warnings"] and metrics["warnings"] == logged
    assert metrics["warnings"][-1].startswith("all cells are in one cluster; ")
    page = ParsedPage((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text
    assert all(f"Warning: {warning}." in page for warning in logged)


@pytest.fixture
def run_small(run_cli, work_dir, run_args):
    """Return a function that runs a small recipe, and its output, metrics, page and log."""

    def start(*args):
        done = run_cli(*run_args, *SIZE, "--out", "out", *args)
        assert done.exit_code == 0, done.stderr
        metrics = json.loads(Path("out/metrics.json").read_text())
        page = ParsedPage(Path("out/report.html").read_text(encoding="utf-8")).text
        return done, metrics, page, Path("out/log.txt").read_text()

    return start


def test_the_command_prints_and_writes_the_baseline_and_the_warnings(run_small, monkeypatch):
    pages = []
    draw = run_report._draw_figures
    monkeypatch.setattr(run_report, "_draw_figures", lambda r: pages.append(r) or draw(r))
    done, metrics, page, log = run_small("--labels-key", "group")
    assert metrics["baseline"].keys() == {"recipe", "n_clusters", "ari", "ami", "nmi", "seconds"}
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["baseline", "this", "run", "pca_leiden"] in lines
    n_clusters = str(metrics["n_clusters"]), str(metrics["baseline"]["n_clusters"])
    assert ["clusters", *n_clusters] in lines
    assert sum(line[:1] == ["ARI"] for line in lines) == 2  # this run's, and both
    assert " baseline this run pca_leiden clusters " in page
    for warning in metrics["warnings"]:
        assert f"warning: {warning}\n" in done.stdout
        assert f"Warning: {warning}." in page
        assert f" WARNING {warning}\n" in log
        assert warning not in done.stderr  # the summary is enough
    assert f"baseline pca_leiden: {n_clusters[1]} clusters, ARI " in log
    assert len(pages) == 1  # although the page is written again with the baseline


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--no-baseline"], "the option"),
        (["--set", "seed=2"], "many cells"),
    ],
)
def test_no_baseline(run_small, monkeypatch, args, reason):
    if reason == "many cells":
        monkeypatch.setattr(run, "MAX_BASELINE_CELLS", 59)
    done, metrics, page, log = run_small(*args)
    assert "baseline" not in metrics
    assert not any("baseline" in text for text in (done.stdout, done.stderr, log))
    assert "pca_leiden" not in page


@pytest.mark.parametrize(
    ("recipe", "has_it"),
    [
        ("pca_leiden", False),
        ("pca_kmeans", False),
        ("pca_consensus", False),
        ("scgnn", True),
        ("scgnn_pca", True),  # PCA as the feature encoder of scGNN
        ("gae", True),
    ],
)
def test_recipes_that_cluster_principal_components_have_none(recipe, has_it):
    result = SimpleNamespace(recipe=load_recipe(recipe), data="of a small run")
    assert baseline.has_baseline(result) == has_it
    assert not baseline.has_baseline(SimpleNamespace(recipe=load_recipe(recipe), data=None))


def test_the_baseline_is_pca_leiden_on_the_cells_of_the_run(make_counts, reduced_budget, tmp_path):
    adata = make_counts(n_cells=80, n_genes=60)
    adata.X[:9, 5:] = 0  # dropped from the run
    changes = reduced_budget | {"data.labels_key": "group", "seed": 3}
    changes |= {"data.transforms.filter.min_gene_fraction": 0.2}
    recipe = load_recipe("scgnn", changes)
    result = run.execute(recipe, adata, to_file=True)
    cells = result.state.cells
    assert len(cells) == 71
    cache = StageCache(tmp_path / "cache")
    cache.prepare()
    scored = baseline.compute_baseline(result, cache).baseline
    alone = {"data.transforms.filter.min_gene_fraction": 0.0, "seed": 3}
    expected = scgnn.run(
        "pca_leiden",
        adata[cells].copy(),
        **{path.replace(".", "__"): value for path, value in alone.items()},
    )
    scores = score_against_labels(
        adata[cells].obs["group"].to_numpy(object), expected.obs["scgnn"].cat.codes.to_numpy()
    )
    assert scored["ari"] == scores["ari"] and scored["nmi"] == scores["nmi"]
    assert scored["n_clusters"] == expected.obs["scgnn"].nunique()
    n_files = len(list(tmp_path.rglob("*.npz")))
    assert n_files and baseline.compute_baseline(result, cache).baseline["ari"] == scored["ari"]
    assert len(list(tmp_path.rglob("*.npz"))) == n_files  # all stages were cached


def test_a_baseline_that_fails_or_is_interrupted_leaves_the_results(
    run_cli, work_dir, run_args, monkeypatch
):
    def fail(*_):
        raise scgnn.UserError("its data have one gene")

    monkeypatch.setattr("scgnn.runs.baseline.compute", fail)
    done = run_cli(*run_args, *SIZE, "--out", "out")
    assert done.exit_code == 0
    assert "the baseline could not be computed: its data have one gene\n" in done.stderr
    monkeypatch.setattr("scgnn.runs.baseline.compute", interrupt)
    done = run_cli(*run_args, *SIZE, "--out", "again")
    assert done.exit_code == 130
    message = "interrupted: the results in again are complete, without the baseline"
    assert done.stderr.splitlines()[-1] == message
    metrics = json.loads(Path("again/metrics.json").read_text())
    assert "baseline" not in metrics and metrics["seconds"].keys() >= {"reading", "writing"}
    assert sorted(p.name for p in Path("again").iterdir()) == sorted(
        p.name for p in Path("out").iterdir()
    )


def interrupt(*_):
    raise KeyboardInterrupt


def test_studies_refuse_the_option(run_rejected):
    assert run_rejected("run", "components", "--no-baseline") == [
        "--no-baseline: only for recipes; studies compute no baseline beside their runs"
    ]
