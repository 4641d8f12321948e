"""Input graph of Louvain, its communities, and the number of clusters derived from them."""

from __future__ import annotations

import igraph
import numpy as np
import pytest
from scipy import sparse

from scgnn.components.clusterers import KMeans, Louvain, relabel_by_size
from scgnn.components.clusterers.community_detection import to_igraph
from scgnn.components.clusterers.n_clusters import scale_n_clusters
from scgnn.components.graph_builders import KNN
from scgnn.components.graph_builders.edges import symmetrize

from . import assert_near

ARRAYS = {
    r"python_seeds|[ab]_edges|[ab]_weight|krule_n_cells|krule_louvain_count": "input",
    r"[ab]_node_order_published": "test_rows_of_the_published_graph_are_in_order_of_appearance",
    r"[ab]_W_published": "test_rows_of_the_published_graph_are_in_order_of_appearance",
    r"[ab]_W_published_cell_order": "test_last_written_edge_wins",
    r"[ab]_W_described": "test_union_keeps_what_either_cell_kept",
    r"[ab]_n_clusters_\w+": "test_number_of_communities_is_one_of_the_published",
    r"[ab]_labels_published": "test_published_labels_belong_to_other_cells",
    r"[ab]_labels_described": "test_published_labels_belong_to_other_cells",
    r"[ab]_labels_Wdescribed": "test_modularity_of_labels_in_cell_order_is_the_same",
    r"[ab]_modularity_published": "test_published_labels_belong_to_other_cells",
    r"[ab]_modularity_W?described": "test_modularity_of_labels_in_cell_order_is_the_same",
    r"krule_resolution|krule_K": "test_the_number_of_clusters_follows_the_rule",
    r"krule_K_user_resolution_1p5": "test_user_defined_factor_is_applied",
    r"[ab]_K_published": "test_the_published_counts_give_the_published_numbers",
}

both_graphs = pytest.mark.parametrize("name", ["a", "b"])
both_rules = pytest.mark.parametrize("rule", ["published", "Wdescribed"])


def graph_of(arrays, name, rule):
    """Build a graph from the directed edges of the reference, k for each cell."""
    edges, weight = arrays[f"{name}_edges"], arrays[f"{name}_weight"]
    n = int(edges.max()) + 1
    np.testing.assert_array_equal(edges[:, 0], np.repeat(np.arange(n), len(edges) // n))
    return symmetrize(edges[:, 1].reshape(n, -1), weight.reshape(n, -1) > 0, rule)


def stored_graph(arrays, name, rule):
    stored = {"published": "W_published_cell_order", "Wdescribed": "W_described"}
    return sparse.csr_matrix(arrays[f"{name}_{stored[rule]}"], dtype=np.float32)


def published_order(arrays, name, rule):
    """Return the graph with its rows in the order that igraph received."""
    stored = {"published": "W_published", "Wdescribed": "W_described"}
    return sparse.csr_matrix(arrays[f"{name}_{stored[rule]}"], dtype=np.float32)


def seeds(arrays):
    return arrays["python_seeds"].tolist()


def modularity(graph, labels):
    return to_igraph(graph).modularity(labels.tolist(), weights="weight")


@both_graphs
def test_last_written_edge_wins(arrays, name):
    ours = graph_of(arrays, name, "last_written").toarray()
    np.testing.assert_array_equal(ours, arrays[f"{name}_W_published_cell_order"])


def test_the_graph_builder_gives_louvain_the_published_graph(arrays, load_arrays):
    embedding = load_arrays("knn")["embedding"]
    ours = KNN(n_neighbors=10, symmetry="last_written")(embedding, seed=0).toarray()
    np.testing.assert_array_equal(ours, arrays["a_W_published_cell_order"])


@both_graphs
def test_rows_of_the_published_graph_are_in_order_of_appearance(arrays, name):
    flat = arrays[f"{name}_edges"].ravel()
    _, first = np.unique(flat, return_index=True)
    order = arrays[f"{name}_node_order_published"]
    np.testing.assert_array_equal(order, flat[np.sort(first)])
    ours = graph_of(arrays, name, "last_written")[order][:, order].toarray()
    np.testing.assert_array_equal(ours, arrays[f"{name}_W_published"])


@both_graphs
def test_union_keeps_what_either_cell_kept(arrays, name):
    ours = graph_of(arrays, name, "union").toarray()
    np.testing.assert_array_equal(ours, arrays[f"{name}_W_described"])


@both_rules
@both_graphs
def test_number_of_communities_is_one_of_the_published(arrays, name, rule):
    """For all seeds, on the graph in the order that igraph received."""
    observed = set(arrays[f"{name}_n_clusters_{rule}"].tolist())
    graph = published_order(arrays, name, rule)
    counts = {int(Louvain().fit_predict(None, graph, seed).max()) + 1 for seed in seeds(arrays)}
    assert counts <= observed


@both_graphs
def test_order_of_cells_hardly_affects_the_count(arrays, name):
    """Another order gives other random numbers, so rare counts may be new."""
    observed = set(arrays[f"{name}_n_clusters_published"].tolist())
    graph = stored_graph(arrays, name, "published")
    counts = [int(Louvain().fit_predict(None, graph, seed).max()) + 1 for seed in seeds(arrays)]
    assert sum(count in observed for count in counts) >= 0.9 * len(counts)


@pytest.mark.skipif(
    igraph.__version__ != "1.0.0", reason="random numbers depend on igraph's version"
)
@both_rules
@both_graphs
def test_seed_gives_the_published_communities(arrays, name, rule):
    graph = published_order(arrays, name, rule)
    for seed, labels in zip(seeds(arrays), arrays[f"{name}_labels_{rule}"], strict=True):
        np.testing.assert_array_equal(
            Louvain().fit_predict(None, graph, seed), relabel_by_size(labels)
        )


@both_rules
@both_graphs
def test_clusters_belong_to_the_cells_of_the_graph(arrays, name, rule):
    """METHOD section 2, row 4: in the wrong order the modularity is about 0."""
    graph = stored_graph(arrays, name, rule)
    which = "Wdescribed" if rule == "Wdescribed" else "described"
    least = arrays[f"{name}_modularity_{which}"].min() - 0.02
    for seed in seeds(arrays):
        assert modularity(graph, Louvain().fit_predict(None, graph, seed)) >= least


@both_graphs
def test_published_labels_belong_to_other_cells(arrays, name):
    published = arrays[f"{name}_labels_published"]
    undone = np.empty_like(published)
    undone[:, arrays[f"{name}_node_order_published"]] = published
    np.testing.assert_array_equal(undone, arrays[f"{name}_labels_described"])
    graph = stored_graph(arrays, name, "published")
    as_read = [modularity(graph, labels) for labels in published]
    assert_near(as_read, arrays[f"{name}_modularity_published"], atol=1e-10)
    assert max(as_read) < 0.05


@pytest.mark.parametrize("which", ["described", "Wdescribed"])
@both_graphs
def test_modularity_of_labels_in_cell_order_is_the_same(arrays, name, which):
    graph = stored_graph(arrays, name, "Wdescribed" if which == "Wdescribed" else "published")
    ours = [modularity(graph, labels) for labels in arrays[f"{name}_labels_{which}"]]
    assert_near(ours, arrays[f"{name}_modularity_{which}"], atol=1e-10)


def test_the_number_of_clusters_follows_the_rule(arrays):
    rows = zip(arrays["krule_n_cells"], arrays["krule_resolution"], arrays["krule_K"], strict=True)
    for n_cells, resolution, expected in rows:
        counted = [int(count) for count in arrays["krule_louvain_count"]]
        assert [scale_n_clusters(count, n_cells, "auto") for count in counted] == expected.tolist()
        assert scale_n_clusters(1000, n_cells, "auto") == 1000 * resolution


def test_user_defined_factor_is_applied(arrays):
    counted = [int(count) for count in arrays["krule_louvain_count"]]
    expected = arrays["krule_K_user_resolution_1p5"].tolist()
    for n_cells in arrays["krule_n_cells"]:
        assert [scale_n_clusters(count, n_cells, 1.5) for count in counted] == expected


@both_graphs
def test_the_published_counts_give_the_published_numbers(arrays, name):
    counts = arrays[f"{name}_n_clusters_published"]
    n_cells = len(arrays[f"{name}_W_published"])
    ours = [scale_n_clusters(int(count), n_cells, "auto") for count in counts]
    assert ours == arrays[f"{name}_K_published"].tolist()


def test_kmeans_makes_that_many_clusters(arrays, load_arrays):
    graph = stored_graph(arrays, "a", "published")
    labels = KMeans().fit_predict(load_arrays("knn")["embedding"], graph, seed=1)
    assert int(labels.max()) + 1 == arrays["a_K_published"][0] == 4
