"""Recipes that are saved or shown, and loaded again."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from scgnn.components.decoders import ExactInnerProductDecoder
from scgnn.components.decoders import MLPDecoder as MLPDecoder
from scgnn.components.encoders import MLPEncoder
from scgnn.components.graph_builders import KNN
from scgnn.components.readers import Demo
from scgnn.components.regularizers import DegreeWeightedError, LTMGWeightedError
from scgnn.components.transforms import Filter, Transform
from scgnn.pipelines.scgnn import ScGNN
from scgnn.pipelines.single_pass import SinglePass
from scgnn.recipe import Data, diff_recipes
from scgnn.recipe.describe import (
    describe,
    describe_component,
    format_inline,
    list_parameters,
)
from scgnn.recipe.load import list_bundled_recipes, load_recipe
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.registry.component import Component
from scgnn.registry.introspection import to_dict
from scgnn.training.settings import Training


@pytest.mark.parametrize("name", list_bundled_recipes())
def test_a_bundled_recipe_survives_being_saved(load_recipe_text, name):
    recipe = load_recipe(name)
    assert load_recipe_text(to_yaml(recipe)) == recipe


@pytest.mark.parametrize("name", list_bundled_recipes())
def test_what_show_prints_is_the_same_recipe(load_recipe_text, name):
    assert load_recipe_text(describe(load_recipe(name))) == load_recipe(name)


def test_the_default_recipe_says_what_the_defaults_are():
    assert load_recipe("scgnn") == Recipe()


def test_a_saved_recipe_names_every_setting():
    text = to_yaml(Recipe())
    for part in (Recipe(), Data(), ScGNN(), Demo(), Filter(), KNN(), Training()):
        for field in fields(part):
            assert f"{field.name}:" in text


READABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


def any_value(hint):
    """Any value that the type of a setting allows, in a recipe's range of numbers."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of([any_value(option) for option in args])
    if origin is Annotated:
        return any_number(*args) if get_origin(args[0]) is None else any_value(args[0])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(any_value(args[0]), min_size=1, max_size=2).map(tuple)
    if isinstance(hint, type) and issubclass(hint, Component):
        return st.sampled_from(hint.names()).flatmap(lambda name: any_settings(hint.get(name)))
    if is_dataclass(hint):
        return any_settings(hint)
    plain = {bool: st.booleans(), str: READABLE, type(None): st.none()}
    return plain[hint] if hint in plain else any_number(hint)


def any_number(kind, *ranges):
    low = max((getattr(r, "gt", getattr(r, "ge", -1e9)) for r in ranges), default=-1e9)
    high = min((getattr(r, "lt", getattr(r, "le", 1e9)) for r in ranges), default=1e9)
    if kind is int:
        return st.integers(int(low) + 1, int(high) - 1)
    return st.floats(low, high, exclude_min=True, exclude_max=True)


def any_settings(cls, **fitting):
    types = get_type_hints(cls, include_extras=True)
    drawn = {f.name: fitting.get(f.name, any_value(types[f.name])) for f in fields(cls) if f.init}
    return st.fixed_dictionaries(drawn).map(lambda values: if_valid(cls, values))


def if_valid(cls, values):
    try:
        return cls(**values)
    except ValueError:  # settings that do not go together
        reject()


FITTING = {
    "feature_encoder": any_settings(MLPEncoder),
    "feature_decoder": any_settings(MLPDecoder),
    "graph_decoder": any_settings(ExactInnerProductDecoder),
    "feature_regularizers": any_settings(LTMGWeightedError).map(lambda regularizer: (regularizer,)),
    "imputation_regularizers": any_settings(DegreeWeightedError).map(
        lambda regularizer: (regularizer,)
    ),
}

ANY_DATA = st.sampled_from(["thinning_fraction", "holdout_fraction"]).flatmap(  # not both
    lambda idle: any_settings(
        Data,
        **{idle: st.just(0.0)},
        transforms=st.lists(any_value(Transform), max_size=3).map(tuple),
    )
)
ANY_PIPELINE = st.sampled_from([ScGNN, SinglePass]).flatmap(lambda p: any_settings(p, **FITTING))


@given(pipeline=ANY_PIPELINE, data=ANY_DATA, seed=st.integers(0, 2**32 - 1))
@settings(
    max_examples=20, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck)
)
def test_any_valid_settings_survive_being_saved(load_recipe_text, pipeline, data, seed):
    recipe = if_valid(Recipe, {"seed": seed, "data": data, "pipeline": pipeline})
    assert load_recipe_text(to_yaml(recipe)) == recipe
    assert load_recipe_text(describe(recipe)) == recipe


@pytest.mark.parametrize("text", ["1e3", "1e-5", "0.5", "null", "yes", "a: b", "# no", "", "é\t"])
def test_text_that_looks_like_something_else_stays_text(load_recipe_text, text):
    recipe = load_recipe("scgnn", {"data": {"labels_key": text}})
    assert recipe.data.labels_key == text
    assert load_recipe_text(to_yaml(recipe)) == recipe
    assert load_recipe_text(describe(recipe)) == recipe


def test_a_number_may_be_written_without_a_point(load_recipe_text):
    recipe = load_recipe_text(
        "pipeline: {feature_training: {learning_rate: 1e-3}, reconstruction_weight: 1}"
    )
    assert recipe.pipeline.feature_training.learning_rate == 1e-3
    assert type(recipe.pipeline.reconstruction_weight) is float


def test_a_field_with_an_underscore_is_a_key_without_it(load_recipe_text):
    recipe = load_recipe("scgnn_gcn2", {"pipeline.graph_encoder.lambda": 0.7})
    encoder = recipe.pipeline.graph_encoder
    assert encoder.lambda_ == 0.7
    assert to_dict(encoder)["lambda"] == 0.7
    assert "lambda_" not in to_yaml(recipe) + describe(recipe) + describe_component("encoder.gcn2")
    assert load_recipe_text(to_yaml(recipe)) == load_recipe_text(describe(recipe)) == recipe
    assert diff_recipes(load_recipe("scgnn_gcn2"), recipe) == [
        ("pipeline.graph_encoder.lambda", 0.5, 0.7)
    ]
    assert "lambda 0.7" in format_inline(encoder)
    (parameter,) = [p for p in list_parameters(type(encoder)) if p.name == "lambda"]
    assert parameter.default == 0.5 and parameter.description


def test_a_key_with_an_underscore_is_unknown(collect_errors):
    (line,) = collect_errors("pipeline: {graph_encoder: {name: gcn2, lambda_: 0.7}}")
    assert "unknown parameter 'lambda_' of encoder 'gcn2'. Did you mean 'lambda'?" in line


def test_descriptions_are_whole_sentences():
    assert "(Wang et al. 2021)\n" in describe(load_recipe("scgnn"))
