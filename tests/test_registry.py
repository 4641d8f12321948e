"""Kinds, names, and what components say about themselves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from scgnn.components.encoders import GAT, Encoder, MLPEncoder
from scgnn.components.regularizers import DegreeWeightedError, LTMGWeightedError
from scgnn.components.transforms import Filter, Log1p
from scgnn.pipelines.scgnn import ScGNN
from scgnn.recipe.describe import describe_component
from scgnn.registry.component import Component, format_unknown_name
from scgnn.registry.introspection import collect_requirements, extract_summary, iter_components
from scgnn.registry.kinds import kinds

MEMBERS = [(kind, name) for kind, cls in kinds().items() for name in cls.names()]


@pytest.fixture
def colour():
    """A kind of its own, so that the built-in ones stay as they are."""

    class Colour(Component, kind="colour"):
        """What a colour is."""

    yield Colour
    from scgnn.registry import component

    del component._KINDS["colour"]


def made(kind: str, name: str) -> type[Component]:
    return kinds()[kind].get(name)


def test_every_kind_of_the_design_is_there():
    design = "clusterer decoder encoder graph_builder pipeline pruner reader regularizer transform"
    assert set(design.split()) <= set(kinds())
    assert list(kinds()) == sorted(kinds())


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_a_component_is_described_from_its_docstring(kind, name):
    said = describe_component(f"{kind}.{name}")
    assert said.startswith(f"{kind}.{name}\n\n{extract_summary(made(kind, name))}")


def test_names_are_sorted_and_found(colour):
    for name in ("red", "blue"):
        colour.register(name)(type(name.title(), (colour,), {}))
    assert colour.names() == ["blue", "red"]
    assert colour.named("red").name == "red"
    assert colour.named("red").kind == "colour"


def test_an_unknown_name_gets_the_nearest_and_the_list():
    with pytest.raises(ValueError, match=r"^unknown encoder 'gattt'. Did you mean 'gat'\? Known: "):
        Encoder.get("gattt")
    assert format_unknown_name("kind", "x", []) == "unknown kind 'x'. Known: none"
    assert format_unknown_name("key", "kk", ["k"], context=" of knn") == (
        "unknown key 'kk' of knn. Did you mean 'k'? Known: k"
    )


def test_a_component_never_takes_the_name_of_another(colour):
    first = colour.register("red")(type("Red", (colour,), {}))
    another = type("Red", (colour,), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match=r"^colour 'red' is already .*Red; choose another name$"):
        colour.register("red")(another)
    assert colour.named("red") is first


def test_a_module_that_is_loaded_again_registers_again(colour):
    colour.register("red")(type("Red", (colour,), {}))
    again = colour.register("red")(type("Red", (colour,), {}))
    assert colour.named("red") is again


def test_a_default_that_a_recipe_cannot_hold_is_refused(colour):
    @dataclass(frozen=True)
    class Odd(colour):
        rule: object = print

    with pytest.raises(ValueError, match="the default of 'rule' is a builtin_function_or_method"):
        colour.register("odd")(Odd)
    assert "odd" not in colour.names()


def test_parts_are_a_component_and_all_that_is_inside_it():
    assert [part.name for part in iter_components((Filter(), Log1p()))] == ["filter", "log1p"]
    names = [part.name for part in iter_components(ScGNN())]
    assert names[0] == "scgnn"
    assert {"mlp", "ltmg", "knn", "mean_std", "gcn", "kmeans", "louvain", "degree"} <= set(names)


def test_requirements_are_those_of_all_parts():
    assert collect_requirements(MLPEncoder()) == set()
    assert collect_requirements(GAT()) == {"graph"}
    assert collect_requirements((LTMGWeightedError(), DegreeWeightedError())) == {
        "ltmg_states",
        "graph",
    }
