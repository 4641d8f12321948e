"""The pages and tables of studies and runs."""

from __future__ import annotations

import json
import logging
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import scgnn
from scgnn.interface import use_command_line
from scgnn.registry.plugin_files import load_file
from scgnn.report.study import write_report
from scgnn.study.result import StudyResult
from scgnn.study.tables import StudyTables
from study_pages import (
    SPECIAL_CHARACTERS,
    ParsedPage,
    collect_warnings,
    make_study,
    make_study_result,
    render_page,
)

SECTIONS = (
    *("design", "results", "effects", "factors", "ranking", "scores", "clusters", "iterations"),
    *("losses", "recipes", "failures", "cost", "versions"),
)
RUN_SECTIONS = (
    "results",
    "clusters",
    "scores",
    "iterations",
    "losses",
    "cost",
    "recipe",
    "versions",
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module")
def study():
    return make_study(
        vary={
            "pipeline.graph_encoder": ["gat", None],
            SPECIAL_CHARACTERS: {"pipeline.graph_builder.n_neighbors": 7},
        },
        controls=["pca_leiden"],
    )


@pytest.fixture(scope="module")
def page_file(study, tmp_path_factory) -> Path:
    """Write the page and the tables of the study once, for the tests that only read them."""
    return write_report(make_study_result(study, tmp_path_factory.mktemp("study")))


@pytest.fixture
def text(page_file) -> str:
    return page_file.read_text(encoding="utf-8")


@pytest.fixture
def page(text) -> ParsedPage:
    return ParsedPage(text)


def test_every_section_is_there_and_every_picture_drawn(study, tmp_path, caplog):
    page, text = render_page(make_study_result(study, tmp_path))
    assert set(SECTIONS) <= set(page.ids)
    assert not collect_warnings(caplog)
    assert "could not be drawn" not in text
    assert "Imputed values are for visualization" in page.text
    assert "40 = (1 base + 3 changes + 1 control) × 8 blocks" in page.text
    for how in ("better by 0.1", "worse by 0.3"):
        assert how in page.text


def test_ids_are_unique_and_links_lead_somewhere(page, text):
    sections = [id for id in page.ids if id in SECTIONS]
    assert sorted(sections) == sorted(SECTIONS)
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    assert links | set(re.findall(r"url\(#([\w-]+)\)", text)) <= set(page.ids)


def test_a_page_fetches_nothing(page, text):
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "@import" not in text and not re.search(r"url\((?!#)", text)


def test_names_are_escaped_everywhere(page, text, page_file):
    assert "<b>bold" not in text
    assert SPECIAL_CHARACTERS in page.text
    assert r"a \<b\>bold\</b\> \& naïve" in page_file.with_name("effects.md").read_text(
        encoding="utf-8"
    )
    latex_table = page_file.with_name("effects.tex").read_text(encoding="utf-8")
    assert r"\textless{}b\textgreater{}bold" in latex_table and r"\& naïve" in latex_table


def test_pictures_say_in_words_what_they_show(text):
    drawn = re.findall(r"<svg[^>]*role=\"img\"[^>]*>", text)
    assert len(drawn) > 10
    assert all(re.search(r'aria-label="[^"]{20,}"', tag) for tag in drawn)


def test_failures_are_at_the_top_and_with_their_reasons(study, tmp_path):
    page, text = render_page(make_study_result(study, tmp_path, failed=["graph_encoder=gat"]))
    assert "8 of 40 runs failed" in page.text
    assert "8 runs: training diverged: <nan> & more" in page.text
    assert "graph_encoder=gat not comparable (no completed block)" in page.text
    assert text.index("runs failed") < text.index('id="results"')


def test_a_study_in_which_everything_failed_has_a_page(study, tmp_path, caplog):
    page, _ = render_page(make_study_result(study, tmp_path, failed=study.variants))
    assert "No finished run" in page.text
    assert not collect_warnings(caplog)


def test_a_study_without_a_complete_block_has_effects_and_no_ranking(tmp_path):
    study = make_study(vary={"pipeline.graph_encoder": ["gat", None]}, seeds=2)
    outcome = make_study_result(study, tmp_path).outcome
    for run in study.runs:
        if run.levels["seed"] == {"graph_encoder=gat": 0, "graph_encoder=null": 1}.get(run.variant):
            del outcome.summaries[run.label]
    tables = StudyTables(study, outcome)
    assert tables.ranking is None and set(tables.effects["n_blocks"]) == {1}
    page, _ = render_page(StudyResult(study, tmp_path, tables, outcome))
    assert "no block in which all have scores" in page.text


def test_missing_and_broken_run_folders_are_said(study, tmp_path, caplog):
    result = make_study_result(study, tmp_path)
    runs = [tmp_path / "runs" / run.label for run in study.runs]
    shutil.rmtree(runs[0])
    (runs[1] / "embedding.npz").write_bytes(b"PK broken")
    (runs[1] / "history.csv").write_bytes(b"\xff\xfe")
    page, _ = render_page(result)
    assert "no history.csv in 1 run folder" in page.text
    assert not collect_warnings(caplog)


def test_a_study_of_the_base_alone_without_labels(tmp_path, caplog):
    page, _ = render_page(make_study_result(make_study(seeds=1), tmp_path, labeled=False))
    assert "Only the base" in page.text
    assert "silhouette of the base" in page.text
    assert not collect_warnings(caplog)


def test_factors_and_their_interactions(tmp_path, caplog):
    cross = {
        "pipeline.graph_builder.n_neighbors": [5, 9],
        "pipeline.clusterer": ["leiden", "kmeans"],
    }
    page, _ = render_page(make_study_result(make_study(cross=cross, controls=["random"]), tmp_path))
    assert "graph_builder.n_neighbors=9 vs 5" in page.text
    assert "graph_builder.n_neighbors=9 with clusterer=kmeans" in page.text
    assert "40 = ((1 base) × 2 × 2 + 1 control) × 8 blocks" in page.text
    assert not collect_warnings(caplog)


def test_a_page_that_cannot_be_made_does_not_fail_the_study(study, tmp_path, caplog, monkeypatch):
    result = make_study_result(study, tmp_path)
    monkeypatch.setattr("scgnn.report.study.render", lambda *_: 1 / 0)
    with caplog.at_level(logging.WARNING):
        write_report(result)
    assert "report.html could not be written: ZeroDivisionError" in caplog.text


@pytest.mark.slow  # draws 250 runs
def test_a_large_study_stays_a_small_page(tmp_path):
    study = make_study(
        vary={"pipeline.graph_builder.n_neighbors": [*range(3, 10), *range(11, 28)]}, seeds=10
    )
    result = make_study_result(study, tmp_path)
    assert len(study.runs) == 250
    page, text = render_page(result)
    assert len(text) < 10e6
    assert "Omitted to limit the page size: graph_builder.n_neighbors=27" in page.text


def test_tables_for_papers(page_file):
    folder = page_file.parent
    scores = (folder / "scores.md").read_text(encoding="utf-8").splitlines()
    assert scores[2].startswith("| variant | runs | ARI | silhouette | clusters | seconds |")
    assert scores[4].startswith(r"| base | 8 of 8 | 0.535 ± 0.024 |")
    assert any(line.startswith(r"| pca\_leiden (control) |") for line in scores)
    for name in ("effects.tex", "scores.tex"):
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") > 0
        for line in text.splitlines():
            assert not line.endswith("\\\\") or "&" in line


def test_the_page_of_a_run(tmp_path, make_counts, reduced_budget, caplog):
    changes = {path.replace(".", "__"): value for path, value in reduced_budget.items()}
    scgnn.run(
        "scgnn_quick", make_counts(n_cells=60), labels_key="group", out=tmp_path / "out", **changes
    )
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    page = ParsedPage(text)
    assert set(RUN_SECTIONS) <= set(page.ids)
    warnings = [record.getMessage() for record in collect_warnings(caplog)]
    assert "could not be drawn" not in text
    assert [warning.split(": ")[0] for warning in warnings] == [
        "5 of 8 units of the feature embedding are 0 in every cell",
        "the iterations ended at their limit, 2, without convergence",
    ]
    assert "ltmg" in page.ids
    for word in (
        "embedding, PCA",
        "clusters by iteration",
        "max_iterations: 2",
        "scgnn_quick on AnnData in memory",
        "recipe scgnn_quick: scgnn (feature encoder mlp; ",
        "data AnnData in memory date 20",
        "command scgnn.run in Python",
        *(f"Warning: {warning}." for warning in warnings),
    ):
        assert word in page.text
    assert "true, group" not in page.text  # true labels are for scores alone
    assert len(text) < 2e6


@pytest.mark.usefixtures("restore_registry")
def test_the_page_of_a_run_lists_the_versions_of_plug_ins(tmp_path, make_counts, lump_plugin):
    load_file(lump_plugin)
    recipe = {"base": "pca_leiden", "pipeline": {"clusterer": "lump"}}
    scgnn.run(recipe, make_counts(n_cells=60), out=tmp_path / "out")
    page = ParsedPage((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert f"clusterer.lump {lump_plugin.name}, code " in page.text


@pytest.mark.parametrize(
    ("name", "title"),
    [("my cells.h5ad", "my cells.h5ad"), ("a<b>&c.h5ad", "a<b>&c.h5ad"), ("ä.h5ad", "ä.h5ad")],
)
def test_the_page_of_a_command_has_file_recipe_and_command(
    run_cli, make_counts, work_dir, name, title
):
    make_counts(n_cells=60).write_h5ad(name)
    (work_dir / "mine.yaml").write_text("base: pca_leiden")
    assert run_cli("run", "mine.yaml", "--data", name, "--out", "the output").exit_code == 0
    text = (work_dir / "the output" / "report.html").read_text(encoding="utf-8")
    page = ParsedPage(text).text
    path = shlex.quote(name)
    assert f"mine on {title}: scgnn run" in page
    assert "recipe mine: single_pass (" in page
    assert f" data {work_dir / name} date 20" in page
    assert f" command scgnn-recipe run mine.yaml --data {path} --out 'the output'" in page
    metrics = json.loads((work_dir / "the output" / "metrics.json").read_text())
    assert metrics["recipe"] == "mine"


def test_the_page_of_a_study_has_data_date_and_command(study, tmp_path, monkeypatch):
    page, _ = render_page(make_study_result(study, tmp_path / "a"))
    assert re.search(r"data simulated counts date 20\d\d-\d\d-\d\d \d\d:\d\d", page.text)
    assert "command scgnn.run_study in Python" in page.text
    monkeypatch.setattr("sys.argv", ["x", "run", "my study.yaml", "\udcff.h5ad"])
    with use_command_line():
        page, _ = render_page(make_study_result(study, tmp_path / "b"))
    assert "command scgnn-recipe run 'my study.yaml' '\\udcff.h5ad'" in page.text


def test_the_page_of_a_run_in_one_pass(tmp_path, make_counts):
    scgnn.run("pca_leiden", make_counts(n_cells=60), out=tmp_path / "out")
    page = ParsedPage((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "None: this pipeline is a single pass." in page.text
    assert "No trained component." in page.text
    assert "Imputed values" not in page.text


@pytest.mark.slow  # starts a browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome here")
def test_a_browser_shows_the_page_without_complaint(page_file, tmp_path):
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    folder = f"--user-data-dir={tmp_path / 'browser'}"
    done = subprocess.run(
        [CHROMIUM, *words, folder, page_file.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert "better by 0.1" in ParsedPage(done.stdout).text
    assert "CONSOLE" not in done.stderr
