"""Made-up studies and runs, and a reader of their pages."""

from __future__ import annotations

import csv
import json
import logging
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from scgnn.execution.cache import StageCost
from scgnn.recipe.recipe import to_yaml
from scgnn.report.study import write_report
from scgnn.study.engine import RunSummary, StudyOutcome
from scgnn.study.load import load_study
from scgnn.study.result import StudyResult
from scgnn.study.tables import StudyTables

SPECIAL_CHARACTERS = "a <b>bold</b> & naïve 变体"
VOID_TAGS = {"meta", "link", "br", "wbr", "img", "hr", "input"}


class ParsedPage(HTMLParser):
    """Reads a page: its ids, its words, its addresses; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open_tags, self.ids, self.addresses, self.text_chunks, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open_tags

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID_TAGS:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID_TAGS:
            self.open_tags.pop()

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag

    def handle_data(self, data):
        self.text_chunks.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.text_chunks).split())


def make_study(**settings):
    """A study of the quick recipe, its runs yet to be made up."""
    return load_study({"base": "scgnn_quick", "controls": [], "seeds": 8} | settings)


def make_study_result(
    study, folder: Path, *, failed=(), labeled=True, n_cells=40, shift_run=None
) -> StudyResult:
    """A finished study whose runs never ran: changes lie .1 above the base, controls .3 below.

    ``shift_run`` returns what the levels of a run add to its scores.
    """
    rng = np.random.default_rng(0)
    outcome = StudyOutcome()
    shift = {"base": 0.0, "change": 0.1, "control": -0.3}
    for run in study.runs:
        if run.variant in failed:
            outcome.failures[run.label] = "training diverged: <nan> & more"
            continue
        score = 0.5 + shift[run.role] + 0.01 * run.levels["seed"] * (1 + shift[run.role])
        score += shift_run(run) if shift_run else 0.0
        metrics = {"n_cells": n_cells, "n_clusters": 3, "silhouette": score}
        metrics |= {"ari": score} if labeled else {}
        metrics |= {"seconds": {"clustering": 1.0 + rng.random()}, "peak_memory_mb": 100.0}
        costs = {run.label: StageCost("clustering", 1.0, 100.0)}
        outcome.summaries[run.label] = RunSummary(metrics, costs)
        write_run(folder / "runs" / run.label, run.recipe, metrics, rng, n_cells)
    return StudyResult(study, folder, StudyTables(study, outcome), outcome)


def write_run(folder: Path, recipe, metrics, rng, n_cells: int, n_epochs: int = 5) -> None:
    folder.mkdir(parents=True)
    labels = np.sort(rng.integers(0, 3, n_cells))
    names = [f"cell_{i}" for i in range(n_cells)]
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
                for e in range(n_epochs)
            ),
        ],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    np.savez_compressed(folder / "embedding.npz", clustered=rng.normal(size=(n_cells, 4)))
    (folder / "recipe.yaml").write_text(to_yaml(recipe), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def render_page(result: StudyResult) -> tuple[ParsedPage, str]:
    text = write_report(result).read_text(encoding="utf-8")
    return ParsedPage(text), text


def collect_warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What the log holds above plain information."""
    return [record for record in caplog.records if record.levelno > logging.INFO]
