"""Errors of the published code (METHOD, section 2), corrected here: seeds (row 18)."""

from __future__ import annotations

import random
import subprocess
import sys

import igraph
import numpy as np
import pytest
from scipy import sparse

from scgnn.components.clusterers import Leiden, Louvain
from scgnn.execution.stages import Stages

from .small_scgnn import make_random_graph, run_pipeline

# imports pipelines first, which once failed before recipes were imported
FRESH = """
import sys
from scgnn import Pipeline
from scipy import sparse
from scgnn.components.clusterers import Leiden, Louvain
graph = sparse.load_npz(sys.argv[1])
for clusterer in (Louvain(), Leiden()):
    print(*clusterer.fit_predict(None, graph, 7))
"""


def test_row_18_a_seed_gives_the_same_clusters_in_another_process(tmp_path):
    graph = make_random_graph(0, n=150)
    sparse.save_npz(tmp_path / "graph.npz", graph)
    command = [sys.executable, "-c", FRESH, str(tmp_path / "graph.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line, clusterer in zip(done.stdout.splitlines(), (Louvain(), Leiden()), strict=True):
        assert line == " ".join(map(str, clusterer.fit_predict(None, graph, 7)))


@pytest.mark.parametrize("clusterer", [Louvain(), Leiden(), Leiden(objective="rber")])
def test_row_18_global_generators_do_not_affect_the_clusters(clusterer):
    graph = make_random_graph(0, n=150)
    before = clusterer.fit_predict(None, graph, 7)
    random.seed(5)
    np.random.default_rng().random(10)
    igraph.Graph.Erdos_Renyi(n=50, p=0.1).community_multilevel()
    np.testing.assert_array_equal(clusterer.fit_predict(None, graph, 7), before)
    others = [clusterer.fit_predict(None, graph, seed) for seed in range(10)]
    assert any(not np.array_equal(labels, before) for labels in others)


def test_row_18_clustering_does_not_affect_global_generators():
    graph = make_random_graph(0)
    random.seed(3)
    undisturbed = random.random()
    random.seed(3)
    Louvain().fit_predict(None, graph, 7)
    assert random.random() == undisturbed


def test_row_18_a_run_depends_on_its_seed_only(cells):
    first = run_pipeline(cells, Stages())
    random.random()
    np.random.default_rng().random()
    for name, value in run_pipeline(cells, Stages()).items():
        np.testing.assert_array_equal(value, first[name], err_msg=name)
