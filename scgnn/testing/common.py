"""Checks of every component, whatever its kind."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import numpy as np

from scgnn.recipe.build import INVALID, Problems, build, get_default
from scgnn.recipe.describe import parse_parameter_docs
from scgnn.recipe.yaml_tree import dump_yaml, parse_yaml
from scgnn.registry.component import Component
from scgnn.registry.introspection import extract_summary, recipe_fields, to_dict
from scgnn.registry.kinds import kinds, registered_components
from scgnn.state import State
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import make_cells
from scgnn.testing.exercise import collect_arrays, exercise, seed_global_generators


def _build(component: Component, data: Any) -> tuple[Any, list[str]]:
    """Build a component of the same kind from plain data, by way of YAML."""
    node = parse_yaml(dump_yaml({"component": data}), "recipe").value["component"]
    problems = Problems()
    return build(node, kinds()[component.kind], problems), problems.format_lines()


@register_check()
def check_is_registered(component: Component) -> None:
    """Check that it is registered under its name among the components of its kind."""
    cls, name, kind = type(component), getattr(component, "name", None), kinds()[component.kind]
    advice = f'decorate it with @{kind.__name__}.register("name")'
    require(name is not None, f"{cls.__name__} has no name; {advice}")
    member = registered_components()[kind].get(str(name))
    require(member is cls, f"{component.kind} '{name}' is {member}, not {cls.__name__}; {advice}")


@register_check()
def check_is_frozen_dataclass(component: Component) -> None:
    """Check that it is a frozen dataclass itself, equal to its copy and hashable."""
    cls, advice = type(component), "decorate it with @dataclass(frozen=True)"
    params = getattr(cls, "__dataclass_params__", None)
    require(params and params.frozen, f"{cls.__name__} is not frozen; {advice}")
    names = {field.name for field in dataclasses.fields(component)}  # type: ignore[arg-type]
    annotations = vars(cls).get("__annotations__", {}).items()
    undeclared = sorted(n for n, t in annotations if n not in names and "ClassVar" not in str(t))
    require(not undeclared, f"not a field of {cls.__name__}: {', '.join(undeclared)}; {advice}")
    require(component == copy.deepcopy(component), "it differs from its copy; use plain data")
    try:
        hash(component)
    except TypeError as error:
        require(False, f"it is not hashable ({error}); use tuples instead of lists")


@register_check()
def check_is_documented(component: Component) -> None:
    """Check that its docstring begins with a sentence and describes every parameter."""
    cls = type(component)
    summary = extract_summary(cls)
    generated = summary.startswith(f"{cls.__name__}(")  # by dataclass: the signature
    require(summary and not generated, f"{cls.__name__} has no docstring")
    require(summary.endswith("."), f"the docstring does not begin with a sentence: '{summary}'")
    docs = parse_parameter_docs(cls)
    missing = [f.name for key, f in recipe_fields(component).items() if not docs.get(key)]
    require(not missing, f"missing in the docstring's Parameters: {', '.join(missing)}")


@register_check()
def check_has_default_parameters(component: Component) -> None:
    """Check that every field has a default, so that a recipe can give the name only."""
    fields = recipe_fields(component).values()
    missing = [field.name for field in fields if get_default(field) is dataclasses.MISSING]
    require(not missing, f"without a default: {', '.join(missing)}")
    type(component)()


@register_check()
def check_requires_known_state_fields(component: Component) -> None:
    """Check that everything it requires is a field of State."""
    unknown = component.requires - {field.name for field in dataclasses.fields(State)}
    require(not unknown, f"requires {', '.join(sorted(unknown))}, which State does not have")


@register_check()
def check_round_trips_through_recipe(component: Component) -> None:
    """Check that it is equal after a round trip through a recipe."""
    try:
        copied, problems = _build(component, to_dict(component))
    except Exception as error:  # of a value that YAML cannot represent
        require(False, f"its fields are not plain data: {str(error).splitlines()[0]}")
    require(copied is not INVALID, "; ".join(problems))
    require(copied == component, f"it is read back as {copied}, not {component}")


@register_check()
def check_is_picklable(component: Component) -> None:
    """Check that it is equal after pickling and unpickling."""
    try:
        copied = pickle.loads(pickle.dumps(component))
    except Exception as error:  # pickle raises many kinds
        require(False, f"it cannot be pickled ({error}); define its class at module level")
    require(copied == component, f"it is unpickled as {copied}, not {component}")


@register_check()
def check_rejects_misspelled_parameters(component: Component) -> None:
    """Check that a misspelled parameter is rejected with a suggestion."""
    names = list(recipe_fields(component))
    for name in names or ["parameter"]:
        typo = name + name[-1]
        _, problems = _build(component, {"name": component.name, typo: 1})
        expected = f"Did you mean '{name}'?" if names else "Known: none"
        require(expected in "\n".join(problems), f"the misspelling '{typo}' gets no \"{expected}\"")
        try:
            type(component)(**{typo: 1})
        except TypeError:
            continue
        require(False, f"the misspelling '{typo}' is accepted; let @dataclass write __init__")


@register_check()
def check_is_deterministic_given_seed(component: Component) -> None:
    """Check that the result depends on the seed, not on the global random generators."""
    results = []
    for state in (1, 2):
        with seed_global_generators(state):
            results.append(exercise(component, make_cells(), seed=1))
    first, second = results
    same = len(first) == len(second) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(first, second, strict=True)
    )
    require(same, "two calls with the same seed differ; draw from np.random.default_rng(seed)")


@register_check()
def check_does_not_modify_inputs(component: Component) -> None:
    """Check that its inputs keep every value."""
    cells = make_cells()
    before = collect_arrays((cells, cells.adata))
    with seed_global_generators(1):
        exercise(component, cells, seed=1)
    same = all(map(np.array_equal, before, collect_arrays((cells, cells.adata))))
    require(same, "it modifies its inputs; work on a copy")
