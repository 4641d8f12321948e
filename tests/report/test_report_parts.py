"""Parts of pages: numbers, marks, pictures, escaped letters."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import pytest

from scgnn.execution.formatting import format_number
from scgnn.plotting.critical_difference import plot_critical_difference
from scgnn.plotting.forest import build_forest_plot
from scgnn.plotting.scatter import match_clusters, plot_clusters
from scgnn.plotting.svg import Margins, render_svg
from scgnn.report.text_table import TextTable, escape_latex
from scgnn.stats.ranking import Ranking


def test_letters_that_mean_something_are_escaped():
    sheet = TextTable("50 % | _x_", ("a", "b"), (("x|y", "1_000 − 2"),))
    assert sheet.to_markdown() == (
        "## 50 % \\| \\_x\\_\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1\\_000 − 2 |\n"
    )
    assert r"x|y & 1\_000 $-$ 2 \\" in sheet.to_latex("tab:x")
    assert (
        escape_latex("\\ {~^} ±")
        == r"\textbackslash{} \{\textasciitilde{}\textasciicircum{}\} $\pm$"
    )


@pytest.mark.parametrize(
    ("value", "size", "text"),
    [
        (0.1234, 0.1, "0.12"),
        (-0.5, 1, "−0.5"),
        (1234.5, 400, "1,234"),
        (None, None, "–"),
        (float("nan"), 1, "–"),
        (float("inf"), 1, "∞"),
        (0.0, None, "0"),
        (-1e-9, 0.1, "0.00"),
        (0.91, None, "0.910"),
        (1326.2, None, "1,326"),
    ],
)
def test_numbers_have_the_digits_that_matter(value, size, text):
    assert format_number(value, size) == text


def test_forest_marks_stand_where_the_numbers_are():
    row = {
        "name": "x",
        "score": "ari",
        "difference": 0.5,
        "ci_low": 0.0,
        "ci_high": 1.0,
        "p_holm": 0.9,
        "direction": 1,
    }
    rows = pd.DataFrame([row | {"n_blocks": 5, "verdict": "none"}])
    plot = build_forest_plot(rows, "title")
    assert plot is not None
    (line,) = plot.rows
    assert (plot.zero_position, line.point, line.interval) == (4.0, 50.0, (4.0, 96.0))
    assert (line.claim, plot.direction_label) == ("none", "better →")


def test_a_forest_of_zeros_has_them_in_the_middle():
    row = {
        "name": "x",
        "score": "ari",
        "difference": 0.0,
        "ci_low": 0.0,
        "ci_high": 0.0,
        "p_holm": 1.0,
        "direction": 1,
    }
    plot = build_forest_plot(pd.DataFrame([row | {"n_blocks": 5, "verdict": "none"}]), "title")
    assert plot is not None and plot.zero_position == 50.0
    assert len({word for _, word in plot.ticks}) == len(plot.ticks)


def test_clusters_take_the_numbers_of_those_they_share_most_cells_with():
    like = pd.Series([0, 0, 0, 1, 1, 1])
    assert match_clusters(pd.Series([7, 7, 7, 2, 2, 3]), like) == {2: 1, 3: 2, 7: 0}


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (2, 2)])
def test_awkward_embeddings_are_drawn(shape):
    drawn = plot_clusters(np.zeros(shape), pd.Series(range(shape[0])), "x")
    assert drawn.svg.startswith("<svg")


def test_a_drawing_that_fails_says_so_in_its_place():
    def draw(ax):
        raise ValueError("<no> numbers")

    assert (
        "could not be drawn: &lt;no&gt; numbers"
        in render_svg("x", (100, 100), draw, Margins(8, 8, 8, 8)).svg
    )


def test_clusters_may_have_names():
    clusters, names = pd.Series([0, 0, 1, 2]), pd.Series(["b", "b", "a", "a"])
    assert match_clusters(clusters, names) == {0: 1, 1: 0, 2: 2}
    figure = plot_clusters(np.eye(4), names, "simulated", noun="group")
    assert "simulated, PCA, 2 groups" in figure.svg + figure.caption


MATH = ["$x$", r"$\frac", "a_$b$_c", "price in $ and $", "[log1p] <b> & [/x]"]


@pytest.mark.parametrize("name", MATH)
def test_names_in_a_diagram_of_ranks_are_not_formulas(name):
    ranks = pd.Series({name: 1.0, "other": 2.0})
    figure = plot_critical_difference(Ranking("ari", ranks, 5, 0, (), 1.0, 0.5, 0.4, ()))
    assert f">{html.escape(name, quote=False)}  1.00<" in figure.svg
