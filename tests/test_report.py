"""The pages and tables of studies and runs."""

from __future__ import annotations

import csv
import json
import logging
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scgnn
from scgnn.recipe import to_yaml
from scgnn.report import write_report
from scgnn.report.clusters import cluster_picture, matched
from scgnn.report.forest import forest
from scgnn.report.picture import picture
from scgnn.report.text import latex, latex_escaped, markdown
from scgnn.report.words import Sheet, number
from scgnn.stages import Cost
from scgnn.study.engine import Finished, Outcome
from scgnn.study.load import load_study
from scgnn.study.run import StudyResult
from scgnn.study.tables import Answer

SECTIONS = (
    *("question", "answer", "effects", "factors", "ranking", "scores", "clusters", "iterations"),
    *("losses", "recipes", "failures", "cost", "versions"),
)
RUN_SECTIONS = (
    "answer",
    "clusters",
    "scores",
    "iterations",
    "losses",
    "cost",
    "recipe",
    "versions",
)
AWKWARD = "a <b>bold</b> & naïve 变体"
VOID = {"meta", "link", "br", "wbr", "img", "hr", "input"}
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class Page(HTMLParser):
    """Reads a page: its ids, its words, its addresses; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.ids, self.addresses, self.words, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def study_of(**parts):
    """A study of the quick recipe, its runs yet to be made up."""
    return load_study({"base": "scgnn_quick", "controls": [], "seeds": 8} | parts)


def made_up(study, folder: Path, *, failed=(), labelled=True, cells=40) -> StudyResult:
    """A finished study whose runs never ran: changes lie .1 above the base, controls .3 below."""
    rng = np.random.default_rng(0)
    outcome = Outcome()
    shift = {"base": 0.0, "change": 0.1, "control": -0.3}
    for run in study.runs:
        if run.variant in failed:
            outcome.failed[run.label] = "training diverged: <nan> & more"
            continue
        score = 0.5 + shift[run.role] + 0.01 * run.place["seed"] * (1 + shift[run.role])
        metrics = {"n_cells": cells, "n_clusters": 3, "silhouette": score}
        metrics |= {"ari": score} if labelled else {}
        metrics |= {"seconds": {"clustering": 1.0 + rng.random()}, "peak_memory_mb": 100.0}
        costs = {run.label: Cost("clustering", 1.0, 100.0)}
        outcome.finished[run.label] = Finished(metrics, costs)
        write_run(folder / "runs" / run.label, run.recipe, metrics, rng, cells)
    return StudyResult(study, folder, Answer(study, outcome), outcome)


def write_run(folder: Path, recipe, metrics, rng, cells: int, epochs: int = 5) -> None:
    folder.mkdir(parents=True)
    labels = np.sort(rng.integers(0, 3, cells))
    names = [f"cell_{i}" for i in range(cells)]
    tables = {
        "cells.csv": [("cell", "cluster"), *zip(names, labels, strict=True)],
        "iterations.csv": [
            ("cell", "iteration_0", "iteration_1"),
            *zip(names, rng.permutation(labels), labels, strict=True),
        ],
        "history.csv": [
            ("iteration", "stage", "quantity", "epoch", "value"),
            *(
                (i, "graph autoencoder", "loss", e + 1, 1 / (e + 1))
                for i in (0, 1)
                for e in range(epochs)
            ),
        ],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    np.savez_compressed(folder / "embedding.npz", clustered=rng.normal(size=(cells, 4)))
    (folder / "recipe.yaml").write_text(to_yaml(recipe), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def page_of(result: StudyResult) -> tuple[Page, str]:
    text = write_report(result).read_text(encoding="utf-8")
    return Page(text), text


@pytest.fixture
def study():
    return study_of(
        vary={"pipeline.graph_encoder": ["gat", None], AWKWARD: {"pipeline.graph_builder.k": 7}},
        controls=["pca_leiden"],
    )


def test_every_section_is_there_and_every_picture_drawn(study, tmp_path, caplog):
    page, text = page_of(made_up(study, tmp_path))
    assert set(SECTIONS) <= set(page.ids)
    assert not caplog.records
    assert "could not be drawn" not in text
    assert "Imputed values are for looking at" in page.text
    assert "40 = (1 base + 3 changes + 1 control) × 8 blocks" in page.text
    for how in ("better by .1", "worse by .3"):
        assert how in page.text


def test_ids_are_unique_and_links_lead_somewhere(study, tmp_path):
    page, text = page_of(made_up(study, tmp_path))
    sections = [id for id in page.ids if id in SECTIONS]
    assert sorted(sections) == sorted(SECTIONS)
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    assert links | set(re.findall(r"url\(#([\w-]+)\)", text)) <= set(page.ids)


def test_a_page_fetches_nothing(study, tmp_path):
    page, text = page_of(made_up(study, tmp_path))
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "@import" not in text and not re.search(r"url\((?!#)", text)


def test_names_are_escaped_everywhere(study, tmp_path):
    page, text = page_of(made_up(study, tmp_path))
    assert "<b>bold" not in text
    assert AWKWARD in page.text
    assert r"a \<b\>bold\</b\> \& naïve" in (tmp_path / "effects.md").read_text(encoding="utf-8")
    latex_table = (tmp_path / "effects.tex").read_text(encoding="utf-8")
    assert r"\textless{}b\textgreater{}bold" in latex_table and r"\& naïve" in latex_table


def test_pictures_say_in_words_what_they_show(study, tmp_path):
    _, text = page_of(made_up(study, tmp_path))
    drawn = re.findall(r"<svg[^>]*role=\"img\"[^>]*>", text)
    assert len(drawn) > 10
    assert all(re.search(r'aria-label="[^"]{20,}"', tag) for tag in drawn)


def test_failures_are_at_the_top_and_with_their_reasons(study, tmp_path):
    page, text = page_of(made_up(study, tmp_path, failed=["graph_encoder=gat"]))
    assert "8 of 40 runs failed" in page.text
    assert "8 runs: training diverged: <nan> & more" in page.text
    assert "graph_encoder=gat without a block to compare" in page.text
    assert text.index("runs failed") < text.index('id="answer"')


def test_a_study_in_which_everything_failed_has_a_page(study, tmp_path, caplog):
    page, _ = page_of(made_up(study, tmp_path, failed=study.variants))
    assert "No run has finished" in page.text
    assert not caplog.records


def test_missing_and_broken_run_folders_are_said(study, tmp_path, caplog):
    result = made_up(study, tmp_path)
    runs = [tmp_path / "runs" / run.label for run in study.runs]
    shutil.rmtree(runs[0])
    (runs[1] / "embedding.npz").write_bytes(b"PK broken")
    (runs[1] / "history.csv").write_bytes(b"\xff\xfe")
    page, _ = page_of(result)
    assert "no history.csv in 1 run folders" in page.text
    assert not caplog.records


def test_a_study_of_the_base_alone_without_labels(tmp_path, caplog):
    page, _ = page_of(made_up(study_of(seeds=1), tmp_path, labelled=False))
    assert "There is only the base" in page.text
    assert "silhouette of the base" in page.text
    assert not caplog.records


def test_factors_and_their_interactions(tmp_path, caplog):
    cross = {"pipeline.graph_builder.k": [5, 9], "pipeline.clusterer": ["leiden", "kmeans"]}
    page, _ = page_of(made_up(study_of(cross=cross, controls=["random"]), tmp_path))
    assert "graph_builder.k=9 against 5" in page.text
    assert "graph_builder.k=9 with clusterer=kmeans" in page.text
    assert "40 = ((1 base) × 2 × 2 + 1 control) × 8 blocks" in page.text
    assert not caplog.records


def test_a_page_that_cannot_be_made_does_not_fail_the_study(study, tmp_path, caplog, monkeypatch):
    result = made_up(study, tmp_path)
    monkeypatch.setattr("scgnn.report.study.rendered", lambda *_: 1 / 0)
    with caplog.at_level(logging.WARNING):
        write_report(result)
    assert "report.html could not be written: ZeroDivisionError" in caplog.text


def test_a_large_study_stays_a_small_page(tmp_path):
    study = study_of(vary={"pipeline.graph_builder.k": [*range(3, 10), *range(11, 28)]}, seeds=10)
    result = made_up(study, tmp_path)
    assert len(study.runs) == 250
    page, text = page_of(result)
    assert len(text) < 10e6
    assert "Not drawn, to keep the page small: graph_builder.k=27" in page.text


def test_tables_for_papers(study, tmp_path):
    write_report(made_up(study, tmp_path))
    scores = (tmp_path / "scores.md").read_text(encoding="utf-8").splitlines()
    assert scores[2].startswith("| variant | runs | ARI | silhouette | clusters | seconds |")
    assert scores[4].startswith(r"| base | 8 of 8 | .54 ± .02 |")
    assert any(line.startswith(r"| pca\_leiden (control) |") for line in scores)
    for name in ("effects.tex", "scores.tex"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") > 0
        for line in text.splitlines():
            assert not line.endswith("\\\\") or "&" in line


def test_letters_that_mean_something_are_escaped():
    sheet = Sheet("50 % | _x_", ("a", "b"), (("x|y", "1_000 − 2"),))
    assert markdown(sheet) == (
        "## 50 % \\| \\_x\\_\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1\\_000 − 2 |\n"
    )
    assert r"x|y & 1\_000 $-$ 2 \\" in latex(sheet)
    assert (
        latex_escaped("\\ {~^} ±")
        == r"\textbackslash{} \{\textasciitilde{}\textasciicircum{}\} $\pm$"
    )


@pytest.mark.parametrize(
    ("value", "size", "text"),
    [
        (0.1234, 0.1, ".12"),
        (-0.5, 1, "−.5"),
        (1234.5, 400, "1,234"),
        (None, None, "–"),
        (float("nan"), 1, "–"),
        (float("inf"), 1, "∞"),
        (0.0, None, "0"),
        (-1e-9, 0.1, ".00"),
    ],
)
def test_numbers_have_the_digits_that_matter(value, size, text):
    assert number(value, size) == text


def test_forest_marks_stand_where_the_numbers_are():
    row = {"name": "x", "score": "ari", "difference": 0.5, "low": 0.0, "high": 1.0, "p_holm": 0.9}
    rows = pd.DataFrame([row | {"n_blocks": 5, "verdict": "none"}])
    plot = forest(rows, "title")
    assert plot is not None
    (line,) = plot.lines
    assert (plot.zero, line.point, line.ends) == (4.0, 50.0, (4.0, 96.0))
    assert (line.sign, plot.better) == ("none", "better →")


def test_a_forest_of_zeros_has_them_in_the_middle():
    row = {"name": "x", "score": "ari", "difference": 0.0, "low": 0.0, "high": 0.0, "p_holm": 1.0}
    plot = forest(pd.DataFrame([row | {"n_blocks": 5, "verdict": "none"}]), "title")
    assert plot is not None and plot.zero == 50.0
    assert len({word for _, word in plot.ticks}) == len(plot.ticks)


def test_clusters_take_the_numbers_of_those_they_share_most_cells_with():
    like = pd.Series([0, 0, 0, 1, 1, 1])
    assert matched(pd.Series([7, 7, 7, 2, 2, 3]), like) == {2: 1, 3: 2, 7: 0}


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (2, 2)])
def test_awkward_embeddings_are_drawn(shape):
    drawn = cluster_picture(np.zeros(shape), pd.Series(range(shape[0])), "x")
    assert drawn.svg.startswith("<svg")


def test_a_drawing_that_fails_says_so_in_its_place():
    def draw(ax):
        raise ValueError("<no> numbers")

    assert "could not be drawn: &lt;no&gt; numbers" in picture("x", (100, 100), draw).svg


def test_the_page_of_a_run(tmp_path, counts, budget, caplog):
    changes = {path.replace(".", "__"): value for path, value in budget.items()}
    scgnn.run("scgnn_quick", counts(n_cells=60), labels="group", out=tmp_path / "out", **changes)
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert set(RUN_SECTIONS) <= set(page.ids)
    assert "could not be drawn" not in text and not caplog.records
    assert "ltmg" in page.ids
    for word in (
        "found, PCA",
        "clusters by iteration",
        "max_iterations: 2",
    ):
        assert word in page.text
    assert "true, group" not in page.text  # true labels are for scores alone
    assert len(text) < 2e6


def test_the_page_of_a_run_in_one_pass(tmp_path, counts):
    scgnn.run("pca_leiden", counts(n_cells=60), out=tmp_path / "out")
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "None: one pass over the cells." in page.text
    assert "Nothing in it is trained." in page.text
    assert "Imputed values" not in page.text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome here")
def test_a_browser_shows_the_page_without_complaint(study, tmp_path):
    path = write_report(made_up(study, tmp_path))
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    folder = f"--user-data-dir={tmp_path / 'browser'}"
    done = subprocess.run(
        [CHROMIUM, *words, folder, path.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert "better by .1" in Page(done.stdout).text
    assert "CONSOLE" not in done.stderr
