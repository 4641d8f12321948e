"""Kinds, names and descriptions of components."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from scgnn.components.clusterers import Clusterer
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
def color():
    """A new kind, removed afterwards."""

    class Color(Component, kind="color"):
        """A color."""

    yield Color
    from scgnn.registry import component

    del component._KINDS["color"]


def get_member(kind: str, name: str) -> type[Component]:
    return kinds()[kind].get(name)


def test_every_kind_of_the_design_is_there():
    design = "clusterer decoder encoder graph_builder pipeline pruner reader regularizer transform"
    assert set(design.split()) <= set(kinds())
    assert list(kinds()) == sorted(kinds())


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_a_component_is_described_from_its_docstring(kind, name):
    description = describe_component(f"{kind}.{name}")
    assert description.startswith(f"{kind}.{name}\n\n{extract_summary(get_member(kind, name))}")


def test_names_are_sorted_and_found(color):
    for name in ("red", "blue"):
        color.register(name)(type(name.title(), (color,), {}))
    assert color.names() == ["blue", "red"]
    assert color.get("red").name == "red"
    assert color.get("red").kind == "color"


def test_an_unknown_name_gets_the_nearest_and_the_list():
    advice = "If it is your own, import its module first"
    with pytest.raises(
        ValueError, match=rf"^unknown encoder 'gattt'. Did you mean 'gat'\? {advice}. Known: "
    ):
        Encoder.get("gattt")
    assert format_unknown_name("kind", "x", []) == "unknown kind 'x'. Known: none"
    assert format_unknown_name("key", "kk", ["k"], context=" of knn") == (
        "unknown key 'kk' of knn. Did you mean 'k'? Known: k"
    )


def test_a_component_never_takes_the_name_of_another(color):
    first = color.register("red")(type("Red", (color,), {}))
    another = type("Red", (color,), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match=r"^color 'red' is already .*Red; choose another name$"):
        color.register("red")(another)
    assert color.get("red") is first


def test_a_module_that_is_loaded_again_registers_again(color):
    color.register("red")(type("Red", (color,), {}))
    again = color.register("red")(type("Red", (color,), {}))
    assert color.get("red") is again


def test_a_default_that_a_recipe_cannot_hold_is_refused(color):
    @dataclass(frozen=True)
    class Odd(color):
        rule: object = print

    with pytest.raises(ValueError, match="the default of 'rule' is a builtin_function_or_method"):
        color.register("odd")(Odd)
    assert "odd" not in color.names()


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


def test_a_component_without_its_method_names_the_method():
    @dataclass(frozen=True)
    class Empty(Clusterer):
        """Nothing."""

    with pytest.raises(NotImplementedError, match=r"Empty must define fit_predict\(\)"):
        Empty().fit_predict(None, None, 0)
