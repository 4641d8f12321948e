"""Parts of pages: numbers, marks, pictures, escaped letters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scgnn.plotting.forest import forest
from scgnn.plotting.formatting import number
from scgnn.plotting.scatter import cluster_picture, matched
from scgnn.plotting.svg import picture
from scgnn.report.markdown_latex import latex, latex_escaped, markdown
from scgnn.report.wording import Sheet


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
