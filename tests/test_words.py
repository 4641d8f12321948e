"""The check of names and prose against the vocabulary."""

from __future__ import annotations

import pytest

from words import check_markdown, check_python, check_yaml


def find(checker, text, path="scgnn/components/clusterers/mine.py"):
    return [f"{f.line}: {f.word} -> {f.replacement}" for f in checker(path, text)]


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("class Awake:\n    pass", "1: Awake -> ActiveSubnetwork"),
        ("def foresee():\n    pass", "1: foresee -> preflight"),
        ("def _foresee():\n    pass", "1: _foresee -> preflight"),
        ("class A:\n    k: int = 1", "2: k -> n_clusters"),
        ("class A:\n    fidelity: float", "2: fidelity -> reconstruction_weight"),
        ("run(fidelity=1)", "1: fidelity -> reconstruction_weight"),
        ("x.stopped_because", "1: stopped_because -> stop_reason"),
        ("found = 1", "1: found -> result"),
        ("[each for each in x]", "1: each -> item"),
        ("@Decoder.register('mean_sd')\nclass A:\n    pass", "1: mean_sd -> mean_std"),
        ("'pipeline.impute=true'", "1: pipeline.impute -> pipeline.imputation"),
        ("x = '--store'", "1: --store -> --cache-dir"),
        ("def f():\n    '''Draw anew.'''", "2: anew -> again, re-initialized"),
        ("x = 1  # a cell hears its neighbors", "1: hears -> receives messages from"),
        ("raise ValueError(f'{x} is no recipe')", "1: is no recipe -> is not a"),
        ("'''What a run leaves.'''", "1: What -> (noun phrase)"),
    ],
)
def test_replaced_words_of_python_are_found(source, finding):
    assert finding in find(check_python, source)


@pytest.mark.parametrize(
    "source",
    [
        "size = rank(share)",  # ordinary words outside their old role
        "seed_for(seed, 'held_out', 'signal')",  # seeds are hashes of these words
        "x = 'all cells share one embedding'",
        "x = 'k is no larger than n'",
        "k = 1",
        "import signal\nsignal.signal(1, 2)",
    ],
)
def test_other_uses_of_the_words_are_accepted(source):
    assert find(check_python, source) == []


def test_columns_are_looked_up_where_tables_are_made():
    assert find(check_python, "t['spread']", "scgnn/stats/x.py") == ['1: "spread" -> sd_difference']
    assert find(check_python, "t['spread']") == []


def test_replaced_words_of_yaml_and_markdown_are_found():
    yaml = "pipeline:\n  fidelity: 1  # drawn anew\n"
    assert sorted(find(check_yaml, yaml, "recipes/x.yaml")) == [
        "2: anew -> again, re-initialized",
        "2: fidelity -> reconstruction_weight",
    ]
    assert "3: fidelity -> reconstruction_weight" in find(
        check_markdown, f"# Title\n```yaml\n{yaml[11:]}```\n", "README.md"
    )
    assert find(check_markdown, "Pass `--labels group`.") == ["1: --labels -> --labels-key"]
