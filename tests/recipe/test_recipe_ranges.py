"""Ranges of numbers: every field of every component has one, and its ends are usable."""

from __future__ import annotations

from typing import get_args

import pytest

import scgnn
from scgnn.errors import RecipeError, UserError
from scgnn.field_types import MAX_NUMBER, MIN_POSITIVE, DatasetSize
from scgnn.recipe.build import INVALID, Problems, build
from scgnn.recipe.data import Data
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.recipe.yaml_tree import Node, SourceLocation
from scgnn.registry.annotations import resolve_type_hints
from scgnn.registry.introspection import recipe_fields
from scgnn.registry.kinds import kinds, registered_components
from scgnn.runs.cost_model import estimate_stages, peak_memory_mb
from scgnn.runs.preflight import check_all_fit_memory, check_fits_memory
from scgnn.training.settings import Training

TOO_FAR = [2**63, 2**64, 10**10, -(10**10), 1e308, -1e308, 1e10]


def accepts(annotation, value) -> bool:
    return build(Node(value, SourceLocation("x")), annotation, Problems()) is not INVALID


def list_number_fields():
    kinds()
    members = [c for group in registered_components().values() for c in group.values()]
    for cls in (*members, Training, Data, Recipe):
        for field in recipe_fields(cls).values():
            yield cls, field.name, resolve_type_hints(cls)[field.name]


def test_no_field_accepts_numbers_beyond_any_use():
    wide = [
        f"{cls.__name__}.{name}={value}"
        for cls, name, annotation in list_number_fields()
        for value in TOO_FAR
        if accepts(annotation, value) or accepts(annotation, [Node(value, SourceLocation("x"))])
    ]
    assert wide == []


def test_all_fields_of_a_kind_accept_its_ends():
    for cls, name, annotation in list_number_fields():
        texts = str(annotation)
        if "Literal" in texts or "tuple" in texts:
            continue
        if "Ge(ge=1e-15)" in texts and "Lt(" not in texts:
            assert accepts(annotation, MIN_POSITIVE), (cls, name)
            assert not accepts(annotation, 5e-324), (cls, name)
        if f"Le(le={MAX_NUMBER})" in texts and get_args(annotation):
            assert accepts(annotation, MAX_NUMBER), (cls, name)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pipeline.feature_encoder.hidden", [2**63]),
        ("pipeline.feature_training.batch_size", 2**64),
        ("pipeline.feature_training.l1", 1e308),
        ("pipeline.graph_builder.n_neighbors", 2**64),
        ("data.reader.n_cells", 10**10),
        ("pipeline.feature_training.learning_rate", 1e-300),
    ],
)
def test_the_message_has_the_range_where_it_matters(path, value):
    with pytest.raises(RecipeError, match=r"at most 10{9}|at least 1e-15"):
        load_recipe("scgnn", {path: value})
    with pytest.raises(RecipeError) as error:
        load_recipe("scgnn", {path: -1})
    assert "at most 1" not in str(error.value) and "1e-15" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pipeline.max_clusters", 1),
        ("pipeline.graph_encoder", {"name": "tag", "hops": 10**6}),
        ("pipeline.graph_encoder", {"name": "gat", "heads": 10**6}),
        ("pipeline.clusterer", {"name": "kmeans", "n_init": 10**6}),
        ("pipeline.clusterer", {"name": "leiden", "n_iterations": 10**9}),
        ("data.reader.marker_strength", 1e6),
    ],
)
def test_counts_of_copies_have_a_narrower_range(path, value):
    with pytest.raises(RecipeError, match=r"must be|at most|at least"):
        load_recipe("scgnn", {path: value})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pipeline.feature_encoder.hidden", [10**9]),
        ("pipeline.feature_encoder.hidden", [10**6, 10**6]),
        ("pipeline.feature_decoder", {"name": "mlp", "hidden": [10**9]}),
        ("pipeline.graph_encoder.hidden", [10**9]),
        ("pipeline.graph_encoder", {"name": "gat", "hidden": [10**6], "heads": 10_000}),
        ("pipeline.graph_encoder", {"name": "tag", "hidden": [10**5], "hops": 10_000}),
    ],
)
def test_networks_that_cannot_fit_are_refused(path, value):
    recipe = load_recipe("scgnn", {path: value})
    with pytest.raises(UserError, match=r"but only [\d,]+ MB are available"):
        check_fits_memory(recipe, DatasetSize(40, 30, 600))


def test_ordinary_networks_need_no_more_than_before():
    size = DatasetSize(5_000, 2_000, 10**6)
    narrow = load_recipe("scgnn", {"pipeline.feature_encoder.hidden": [128, 64]})
    default = load_recipe("scgnn")
    estimates = [peak_memory_mb(estimate_stages(recipe, size)) for recipe in (narrow, default)]
    assert estimates[0] == estimates[1]


@pytest.mark.parametrize(("n_cells", "n_genes"), [(40, 10**9), (10**9, 30), (10**9, 10**9)])
def test_simulated_data_that_cannot_fit_are_refused_before_they_are_made(n_cells, n_genes):
    recipe = load_recipe("scgnn", {"data.reader.n_cells": n_cells, "data.reader.n_genes": n_genes})
    with pytest.raises(UserError, match=r"but only [\d,]+ MB are available"):
        check_all_fit_memory([recipe])


@pytest.mark.parametrize("n_neighbors", [40, 10**9])
def test_a_graph_has_no_more_neighbors_than_cells(n_neighbors):
    builder = load_recipe("scgnn", {"pipeline.graph_builder.n_neighbors": n_neighbors}).pipeline
    assert builder.graph_builder.estimate_n_edges(40) == 1.6 * 40 * 39


@pytest.mark.parametrize(
    ("data", "pipeline"),
    [
        ({}, {"feature_encoder": {"name": "pca", "n_components": 1}}),
        ({"dispersion": 1e9, "library_size": 1e9, "library_size_log_std": 10}, {}),
        ({"marker_strength": 10, "dispersion": 1e-15, "dropout": 1e9}, {"max_clusters": 2}),
        ({"n_groups": 10_000}, {"graph_builder": {"name": "knn", "n_neighbors": 10**9}}),
    ],
)
def test_runs_at_the_ends_of_ranges_are_runs_or_one_sentence(data, pipeline):
    reader = {"name": "demo", "n_cells": 40, "n_genes": 30, "n_groups": 2} | data
    settings = {"name": "single_pass", "clusterer": "kmeans"} | pipeline
    problems = []
    try:
        scgnn.run({"data": {"reader": reader}, "pipeline": settings})
    except UserError as error:
        problems = str(error).splitlines()
    assert len(problems) <= 1
