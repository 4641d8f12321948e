"""Answers of studies in sentences, and tables whose columns have equal decimals."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from scgnn.cli.summary import print_study_summary
from scgnn.evaluation.scores import get_direction
from scgnn.execution.formatting import count_decimals
from scgnn.plotting.forest import build_forest_plot
from scgnn.plotting.formatting import shorten_names
from scgnn.report.answers import describe_answers, describe_factor
from scgnn.report.study import write_report
from scgnn.report.tables import add_row_names, build_effect_tables, build_score_tables
from scgnn.report.text_table import allow_latex_breaks, make_label
from scgnn.stats.factorial import estimate_main_effects
from scgnn.study.plan import describe_study
from study_pages import make_study, make_study_result, render_page

VARY = {"pipeline.graph_encoder": ["gat", None]}
CROSS = {"pipeline.graph_builder.n_neighbors": [5, 9, 15], "pipeline.clusterer": ["leiden"]}
N_NEIGHBORS = {"5": 0.0, "9": 0.03, "15": 0.05}


def make_factor(scores, score="ari", n_blocks=8, noise=0.004):
    """Main effects of a factor ``k`` with these mean scores of its levels."""
    rng = np.random.default_rng(0)
    rows = [
        {"data": "d", "seed": seed, "k": level, score: mean + noise * rng.normal()}
        for seed in range(n_blocks)
        for level, mean in scores.items()
    ]
    directions = {score: get_direction(score)}
    axes = {"k": list(scores)}
    return estimate_main_effects(pd.DataFrame(rows), [score], axes, directions=directions), axes[
        "k"
    ]


@pytest.mark.parametrize(
    ("means", "score", "expected"),
    [
        (
            {"5": 0.4, "10": 0.5, "15": 0.6},
            "ari",
            r"best 15, better by 0.20\d* \(.*\) than 5; ARI r",
        ),
        (
            {"5": 0.6, "10": 0.5, "15": 0.4},
            "ari",
            r"best 5; 10 worse by .*, 15 .* than 5; ARI falls",
        ),
        ({"10": 0.5, "5": 0.4, "15": 0.6}, "ari", r"best 15, .* than 10; ARI rises with k\.$"),
        ({"5": 0.4, "10": 0.6, "15": 0.5}, "ari", r"best 10, better by 0.20\d* \(.*\) than 5\.$"),
        ({"none": 0.4, "some": 0.6, "all": 0.8}, "ari", r"best all, .* than none\.$"),
        (
            {"1e-3": 3.0, "1e-2": 2.0},
            "thinning.mse",
            r"best 1e-2, better .*; held-out .* falls with k",
        ),
        (
            {"5": 3.0, "10": 4.0},
            "n_clusters",
            r"highest 10, higher by 1.00\d* .*clusters rises with",
        ),
        (
            {"5": 0.4, "10": 0.4},
            "ari",
            r"10 compared with 5: no difference detected with 8 blocks; ",
        ),
        ({"5": 0.4, "6": 0.4, "7": 0.4}, "ari", r"no level differs significantly from 5"),
    ],
)
def test_a_factor_has_a_best_level_and_numbers_a_trend(means, score, expected):
    answer = describe_factor(*make_factor(means, score))
    assert re.search(rf" by k: {expected}", answer), answer


def test_with_few_blocks_a_factor_has_the_reason_why_nothing_is_significant():
    rows, levels = make_factor({"5": 0.4, "10": 0.5, "15": 0.6}, n_blocks=3)
    reason = "too few blocks to tell: at least 7 are needed"
    assert describe_factor(rows, levels) == (
        f"ARI by k: no level differs significantly from 5 ({reason})."
    )


def test_intervals_of_the_answer_are_those_of_the_table():
    rows, levels = make_factor({"5": 0.4, "10": 0.5})
    row = rows.iloc[0]
    low, high = (f"{value:.3f}" for value in (row.ci_low, row.ci_high))
    assert f"better by {row.difference:.3f} ({low} to {high}) than 5" in describe_factor(
        rows, levels
    )


def shift_by_levels(run):
    if run.role == "control":
        return 0.0
    n = run.levels["graph_builder.n_neighbors"]
    return N_NEIGHBORS[n] + 0.002 * ((run.levels["seed"] * 7 + int(n)) % 5)


def test_a_crossed_study_is_answered_in_the_terminal_and_at_the_top_of_the_page(tmp_path, capsys):
    study = make_study(cross=CROSS, controls=["random"])
    result = make_study_result(study, tmp_path, shift_run=shift_by_levels)
    page, text = render_page(result)
    print_study_summary(result)
    output = capsys.readouterr().out
    answer = "ARI by graph_builder.n_neighbors: best 15, better by 0.050 (0.050 to 0.050) than 5"
    assert answer in output and answer in page.text
    trend = "ARI rises with graph_builder.n_neighbors."
    assert trend in output and trend in page.text
    assert text.index("ARI by graph") < text.index("<nav")
    assert "Main effects on ARI\n\nvariant" in output
    assert "Best control: random with 0.225 (base, averaged over the factors: 0." in output


def test_a_study_of_two_factors_has_a_best_combination_and_interactions(tmp_path):
    cross = CROSS | {"pipeline.clusterer": ["leiden", "kmeans"]}

    def shift(run):
        is_both = run.levels["clusterer"] == "kmeans" and run.levels[FACTOR] == "15"
        return shift_by_levels(run) + 0.1 * is_both

    FACTOR = "graph_builder.n_neighbors"
    result = make_study_result(make_study(cross=cross), tmp_path, shift_run=shift)
    answers = describe_answers(result)
    assert answers[2].startswith(
        f"Highest mean ARI: {FACTOR}=15, clusterer=kmeans with 0.689 (first levels: 0.539)."
    )
    assert answers[3].startswith(
        f"Interactions: {FACTOR}=15 with clusterer=kmeans together better by 0.10 (0.10 to 0.10)"
    )


def test_without_labels_nothing_is_ranked(tmp_path, capsys):
    study = make_study(vary=VARY)
    result = make_study_result(study, tmp_path, labeled=False)
    page, _ = render_page(result)
    print_study_summary(result)
    output = capsys.readouterr().out
    sentence = "Nothing comparable is scored: without labels, silhouette, Calinski-Harabasz and "
    assert sentence in output and sentence in page.text
    assert sentence[1:] in describe_study(study)
    assert result.tables.ranking is None and result.tables.main_score is None
    assert "No score that is comparable between variants." in page.text
    assert "Effects on silhouette\n" not in output and not (tmp_path / "summary.tex").exists()
    silhouette = result.tables.effects.query("score == 'silhouette'")
    assert silhouette["verdict"].str.startswith("higher by 0.1").all()
    assert "▲" not in page.text.partition("no mark: not significant")[2]


@pytest.mark.parametrize(
    ("scores", "main", "direction"),
    [(["silhouette"], "silhouette", 1), (["seconds", "silhouette"], "seconds", -1)],
)
def test_scores_that_are_listed_are_compared_and_ranked(scores, main, direction, tmp_path):
    study = make_study(vary=VARY, scores=scores)
    tables = make_study_result(study, tmp_path, labeled=False).tables
    assert (tables.main_score, tables.scores) == (main, scores)
    assert tables.ranking.score == main
    assert set(tables.effects["score"]) == set(scores)
    assert tables.effects["direction"].iloc[0] == direction


def test_a_listed_score_that_no_run_has(tmp_path, capsys):
    result = make_study_result(make_study(vary=VARY, scores=["ari"]), tmp_path, labeled=False)
    page, _ = render_page(result)
    print_study_summary(result)
    sentence = "No run has a score that this study lists (ari)."
    assert sentence in page.text and sentence in capsys.readouterr().out


def test_the_base_alone_needs_no_comparable_score(tmp_path):
    result = make_study_result(make_study(seeds=2), tmp_path, labeled=False)
    assert describe_answers(result) == []


def test_check_and_page_have_the_same_number_of_comparisons(tmp_path):
    study = make_study(vary=VARY, cross=CROSS, controls=["random"])
    page, _ = render_page(make_study_result(study, tmp_path, shift_run=shift_by_levels))
    numbers = "2 changes, 1 control and 2 main effects per score (Holm's correction within each"
    assert f"comparisons {numbers}" in describe_study(study)
    assert page.text.count(numbers) == 2


def test_comparisons_without_a_result_are_named(tmp_path):
    study = make_study(vary=VARY)
    page, _ = render_page(make_study_result(study, tmp_path, failed=["graph_encoder=gat"]))
    assert "Comparisons: 2 changes per score (Holm's correction), less 1 without a" in page.text


def test_the_reference_of_compared_recipes_has_its_name(tmp_path):
    study = make_study(base=None, compare=["scgnn_quick", "gae"])
    answers = describe_answers(make_study_result(study, tmp_path))
    assert answers == ["ARI of 1 change compared with the base (scgnn_quick): gae better."]


@pytest.mark.parametrize(
    ("values", "uncertainties", "n"),
    [
        ([0.5, 0.25], [0.1, 0.01], 3),
        ([0.5, None, float("nan")], None, 3),
        ([1234.5, 0.01], [400, 0.001], 2),  # six digits of the largest number
        ([0.0, 0.0], None, 0),
        ([], None, 0),
        ([1e6, 1e-6], None, 0),
    ],
)
def test_a_column_has_the_decimals_of_its_most_precise_number(values, uncertainties, n):
    assert count_decimals(values, uncertainties) == n


def list_decimals(cell):
    return {len(number) for number in re.findall(r"\d\.(\d+)", cell)}


def test_numbers_of_a_column_have_the_same_decimals(tmp_path):
    wide = {"graph_encoder=gat": 0.03, "graph_encoder=null": 0.0003}

    def shift(run):
        return wide.get(run.variant, 0) * (run.levels["seed"] % 3)

    study = make_study(vary=VARY, controls=["pca_leiden"])
    result = make_study_result(study, tmp_path, shift_run=shift)
    tables = build_effect_tables(add_row_names(result.tables.effects))
    tables += build_score_tables(result.tables.runs, result.tables.scores, {})
    for table in tables:
        for name, *cells in zip(table.header, *table.rows, strict=True):
            if name not in ("variant", "p", "p (Holm)"):
                assert len(set.union(*map(list_decimals, cells))) <= 1, (table.title, name, cells)


def test_estimates_of_a_forest_have_the_same_decimals():
    rows, _ = make_factor({"5": 0.4, "9": 0.5, "15": 0.6})
    rows.loc[1, ["ci_low", "ci_high"]] = rows.loc[1, "difference"]  # an interval of width 0
    plot = build_forest_plot(add_row_names(rows), "main effect")
    assert [list_decimals(row.estimate) for row in plot.rows] == [{3}, {3}]


def test_a_narrow_latex_table_has_a_label_and_three_columns(tmp_path):
    study = make_study(vary=VARY, controls=["pca_leiden"])
    write_report(make_study_result(study, tmp_path))
    text = (tmp_path / "summary.tex").read_text(encoding="utf-8")
    assert text.startswith("% requires \\usepackage{array,booktabs}\n\\begin{table}\n")
    assert r"\label{tab:scgnn-study}" in text
    assert r"\caption{Difference in ARI [95\% interval]}" in text
    assert (
        r"graph\_\allowbreak{}encoder=\allowbreak{}gat & +0.103 [+0.101, +0.106] & 0.016 \\" in text
    )
    assert r"pca\_\allowbreak{}leiden (control) & $-$0.310 [$-$0.317, $-$0.304] & 0.008 \\" in text
    assert all(line.count("&") == 2 for line in text.splitlines() if line.endswith(r"\\"))


def test_every_latex_table_has_a_label(tmp_path):
    write_report(make_study_result(make_study(vary=VARY), tmp_path))
    for name, first in (("effects", "effects-on-ari"), ("scores", "demo")):
        text = (tmp_path / f"{name}.tex").read_text(encoding="utf-8")
        labels = re.findall(r"\\label\{(.*?)\}", text)
        assert labels[0] == f"tab:scgnn-{name}-{first}"
        assert len(set(labels)) == len(labels) == text.count(r"\begin{table}")


def test_labels_are_plain_and_names_break():
    assert make_label("Effects on peak memory (MB)") == "effects-on-peak-memory-mb"
    assert make_label("变体") == ""
    assert allow_latex_breaks("a_b=c.d") == (r"a\_\allowbreak{}b=\allowbreak{}c.\allowbreak{}d")


@pytest.mark.parametrize(
    "names",
    [
        [f"graph_builder.a_long_name_of_a_parameter={i}" for i in (5, 10, 15)],
        [f"clusterer=leiden{{resolution: {r}, n_iterations: 10, seed: 1}}" for r in (0.5, 1.0)],
        [f"feature_regularizers=[{{name: ltmg{s}, weight: 0.9}}]" for s in ("", "_binary")],
        ["linear bottleneck, softplus output, first", "linear bottleneck, softplus output, second"],
        [f"{'x' * 40}{i}{'y' * 40}" for i in range(3)],
        ["base", "short", "a" * 200, "a" * 201],
    ],
)
def test_short_names_are_as_different_as_long_ones(names):
    texts = shorten_names(names, 30)
    assert len(set(texts)) == len(names)
    assert all(len(text) <= 30 for text in texts)
    for name, text in zip(names, texts, strict=True):
        assert len(name) > 30 or text == name


def test_a_shortened_change_keeps_its_value():
    names = [f"graph_builder.a_long_name_of_a_parameter={i}" for i in (5, 10)]
    assert [text.partition("=")[2] for text in shorten_names(names, 30)] == ["5", "10"]
    names = [f"clusterer=leiden{{resolution: {r}, n_iterations: 10, seed: 1}}" for r in (0.5, 1.0)]
    first, second = shorten_names(names, 30)
    assert "resolution: 0.5" in first and "resolution: 1.0" in second
