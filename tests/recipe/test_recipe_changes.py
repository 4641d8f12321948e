"""Changes at dotted paths, and differences between two recipes."""

from __future__ import annotations

import pytest

from scgnn.cli.options import load_recipe_from_options, parse_changes
from scgnn.components.clusterers import Clusterer, KMeans, Leiden, Louvain
from scgnn.components.encoders import GAT, GCN2
from scgnn.components.transforms import Log1p, Scale, TopGenes
from scgnn.errors import RecipeError
from scgnn.recipe import diff_recipes
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("seed=7", "seed", 7),
        ("data.labels_key=type", "data.labels_key", "type"),
        ("data.labels_key=a=b", "data.labels_key", "a=b"),
        ("data.labels_key=null", "data.labels_key", None),
        ("pipeline.reconstruction_weight=1e-2", "pipeline.reconstruction_weight", 0.01),
        ("pipeline.imputation=null", "pipeline.imputation", None),
        ("pipeline.graph_builder.n_neighbors=7", "pipeline.graph_builder.n_neighbors", 7),
        ("pipeline.graph_builder.prune.n_std=2", "pipeline.graph_builder.prune.n_std", 2.0),
        ("pipeline.graph_encoder=null", "pipeline.graph_encoder", None),
        ("pipeline.graph_encoder=gat", "pipeline.graph_encoder", GAT()),
        ("pipeline.graph_encoder.name=gat", "pipeline.graph_encoder", GAT()),
        ("pipeline.graph_encoder={name: gat, heads: 4}", "pipeline.graph_encoder", GAT(heads=4)),
        (
            "pipeline.graph_encoder={name: gcn2, lambda: 0.7}",
            "pipeline.graph_encoder",
            GCN2(lambda_=0.7),
        ),
        ("pipeline.feature_encoder.hidden=[8, 4]", "pipeline.feature_encoder.hidden", (8, 4)),
        ("pipeline.feature_encoder.hidden.1=4", "pipeline.feature_encoder.hidden", (512, 4)),
        ("pipeline.clusterer.n_clusters=7", "pipeline.clusterer.n_clusters", 7),
        ("pipeline.clusterer.n_clusters=leiden", "pipeline.clusterer.n_clusters", Leiden()),
        (
            "pipeline.clusterer.n_clusters.resolution=2",
            "pipeline.clusterer.n_clusters",
            Louvain(resolution=2.0),
        ),
        ("pipeline.feature_regularizers=[]", "pipeline.feature_regularizers", ()),
        (
            "pipeline.feature_regularizers.ltmg.weight=2",
            "pipeline.feature_regularizers.0.weight",
            2,
        ),
        ("data.transforms.top_genes.n_top_genes=5", "data.transforms.1", TopGenes(n_top_genes=5)),
        ("data.transforms.1.n_top_genes=5", "data.transforms.1", TopGenes(n_top_genes=5)),
        ("data.transforms.1=log1p", "data.transforms.1", Log1p()),
        ("data.transforms.top_genes.name=scale", "data.transforms.1", Scale()),
    ],
)
def test_a_change_reaches_its_setting(assignment, path, value):
    changed = load_recipe("scgnn", parse_changes([assignment]))
    assert get_setting(changed, path) == value
    assert all(p.startswith(path) or path.startswith(p) for p in list_differences(changed))


def get_setting(value, path):
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else getattr(value, step)
    return value


def list_differences(recipe):
    return [path for path, _, _ in diff_recipes(Recipe(), recipe)]


def test_changes_come_one_after_the_other():
    assignments = [
        "pipeline.clusterer=leiden",
        "pipeline.clusterer.resolution=2",
        "seed=1",
        "seed=4",
    ]
    recipe = load_recipe("scgnn", parse_changes(assignments))
    assert (recipe.seed, recipe.pipeline.clusterer) == (4, Leiden(resolution=2.0))


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        ("seed", "--set seed: expected PATH=VALUE, e.g. --set seed=2"),
        ("=3", "--set =3: expected PATH=VALUE, e.g. --set seed=2"),
        ("seed=[1", "--set seed=[1: not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "data.labels_key=a: b",
            "--set data.labels_key=a: b: not YAML: mapping values are not allowed here",
        ),
        (
            "data.transforms.scale.n_top_genes=1",
            "--set data.transforms.scale.n_top_genes=1: no entry 'scale' in the list "
            "(filter, top_genes, log1p)",
        ),
        (
            "data.transforms.3=log1p",
            "--set data.transforms.3=log1p: no entry '3' in the list (filter, top_genes, log1p)",
        ),
        (
            "pipeline.feature_encoder.hidden.last=4",
            "--set pipeline.feature_encoder.hidden.last=4: no entry 'last' in the list (512, 128)",
        ),
        (
            "clusterer=leiden",
            "--set clusterer=leiden: clusterer: unknown key 'clusterer'. There is "
            "pipeline.clusterer. Known: seed, data, pipeline",
        ),
        (
            "pipeline.clusterer={leiden: {resolution: 2}}",
            "--set pipeline.clusterer={leiden: {resolution: 2}}: pipeline.clusterer.leiden: "
            "unknown parameter 'leiden' of clusterer 'kmeans'. To select the clusterer 'leiden', "
            "write 'name: leiden'. Known: n_clusters, n_clusters_factor, n_init",
        ),
        (
            "pipline.seed=3",
            "--set pipline.seed=3: pipline: unknown key 'pipline'. Did you mean 'pipeline'? "
            "Known: seed, data, pipeline",
        ),
        (
            "pipeline.imputation=maybe",
            "--set pipeline.imputation=maybe: pipeline.imputation: must be one of autoencoder, "
            'reconstruction or null, not "maybe"',
        ),
        (
            "pipeline.clusterer.n_clusters=0",
            "--set pipeline.clusterer.n_clusters=0: pipeline.clusterer.n_clusters: must be a "
            "positive integer or one of silhouette, eigengap or a clusterer, not 0",
        ),
        (
            "pipeline.clusterer.n_clusters=leidn",
            "--set pipeline.clusterer.n_clusters=leidn: pipeline.clusterer.n_clusters.name: "
            "unknown clusterer 'leidn'. Did you mean 'leiden'? If it is your own, import its "
            f"module first. Known: {', '.join(Clusterer.names())}",
        ),
        (
            "seed=null",
            "--set seed=null: seed: must be an integer of at least 0 and below 4294967296, "
            "not null",
        ),
    ],
)
def test_a_wrong_change_is_named_as_it_was_given(assignment, line):
    with pytest.raises(RecipeError) as error:
        load_recipe_from_options("scgnn", [assignment])
    assert error.value.problems == [line]


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ("data.n_top_genes=500", "data.transforms.top_genes.n_top_genes"),
        ("n_init=3", "pipeline.clusterer.n_init"),
        ("pipeline.n_neighbors=5", "pipeline.graph_builder.n_neighbors"),
    ],
)
def test_a_setting_that_is_elsewhere_is_named(assignment, path):
    with pytest.raises(RecipeError) as error:
        load_recipe_from_options("scgnn", [assignment])
    assert f" There is {path}. Known: " in error.value.problems[0]


def test_all_wrong_changes_are_named():
    with pytest.raises(RecipeError) as error:
        parse_changes(["seed", "seed=[", "seed=2"])
    assert [line.split(": ")[0] for line in error.value.problems] == [
        "--set seed",
        "--set seed=[",
    ]
    with pytest.raises(RecipeError) as error:
        load_recipe(
            "scgnn", {"data.transforms.5": "log1p", "seed": -1, "pipeline.graph_encoder": 3}
        )
    assert len(error.value.problems) == 3


def test_a_difference_is_named_by_its_setting():
    changes = {
        "pipeline.graph_builder.n_neighbors": 7,
        "data.transforms.1.n_top_genes": 5,
        "pipeline.clusterer": "leiden",
    }
    assert diff_recipes(Recipe(), load_recipe("scgnn", changes)) == [
        ("data.transforms.1.n_top_genes", 2000, 5),
        ("pipeline.graph_builder.n_neighbors", 10, 7),
        ("pipeline.clusterer", KMeans(), Leiden()),
    ]
    assert diff_recipes(Recipe(), Recipe()) == []


def test_the_gat_leiden_recipe_differs_in_two_parts():
    assert list_differences(load_recipe("scgnn_gat_leiden")) == [
        "pipeline.graph_encoder",
        "pipeline.clusterer",
    ]
