"""What every component keeps to, whatever its kind."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np

from scgnn.recipe.build import INVALID, Problems, build
from scgnn.recipe.describe import parse_parameter_docs
from scgnn.recipe.yaml_tree import Node, SourceLocation, dump_yaml, parse_yaml
from scgnn.registry.component import Component
from scgnn.registry.introspection import extract_summary, to_dict
from scgnn.registry.kinds import kinds, registered_components
from scgnn.state import State
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import make_cells
from scgnn.testing.exercise import collect_arrays, exercise, seed_global_generators

SOURCE = "recipe"


def _class_name(component: Component) -> str:
    return type(component).__name__


@register_check()
def check_is_registered(component: Component) -> None:
    """It is found under its name among the components of its kind."""
    name = getattr(component, "name", None)
    kind = kinds()[component.kind]
    advice = f'decorate it with @{kind.__name__}.register("name")'
    require(name is not None, f"{_class_name(component)} has no name; {advice}")
    found = registered_components()[kind].get(str(name))
    require(
        found is type(component),
        f"the {component.kind} '{name}' is {found.__name__ if found else 'none'}, not "
        f"{_class_name(component)}; {advice}",
    )


@register_check()
def check_is_frozen_dataclass(component: Component) -> None:
    """It is a frozen dataclass of its own, equal to its like and usable as a key."""
    parameters = getattr(type(component), "__dataclass_params__", None)
    require(
        parameters is not None and parameters.frozen,
        f"{_class_name(component)} is not frozen; decorate it with @dataclass(frozen=True)",
    )
    own = vars(type(component)).get("__annotations__", {})
    known = {field.name for field in dataclasses.fields(component)}  # type: ignore[arg-type]
    plain = sorted(n for n, t in own.items() if n not in known and "ClassVar" not in str(t))
    require(
        not plain,
        f"{', '.join(plain)}: no field, for {_class_name(component)} itself is not decorated with "
        "@dataclass(frozen=True)",
    )
    twin = copy.deepcopy(component)
    require(component == twin, "it is not equal to its copy; its fields must be plain data")
    try:
        hash(component)
    except TypeError as error:
        require(False, f"it cannot be a key ({error}); use tuples instead of lists")


@register_check()
def check_is_documented(component: Component) -> None:
    """Its docstring has a first line that is a sentence, and says what each parameter is."""
    said = extract_summary(type(component))
    require(said, f"{_class_name(component)} has no docstring")
    # a dataclass without a docstring gets its signature for one
    signature = said.startswith(f"{_class_name(component)}(")
    require(not signature, f"{_class_name(component)} has no docstring")
    require(said.endswith("."), f"the first line of the docstring is no sentence: '{said}'")
    docs = parse_parameter_docs(type(component))
    silent = [f.name for f in dataclasses.fields(component) if not docs.get(f.name)]  # type: ignore[arg-type]
    require(not silent, f"not in the docstring's Parameters: {', '.join(silent)}")


@register_check()
def check_has_default_parameters(component: Component) -> None:
    """Every field has a default, so that its name alone is a recipe."""
    bare = [
        field.name
        for field in dataclasses.fields(component)  # type: ignore[arg-type]
        if field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    require(not bare, f"without a default: {', '.join(bare)}")
    type(component)()


@register_check()
def check_requires_known_state_fields(component: Component) -> None:
    """What it requires are fields of State."""
    wrong = component.requires - {field.name for field in dataclasses.fields(State)}
    require(not wrong, f"requires {', '.join(sorted(wrong))}: no field of State")


@register_check()
def check_round_trips_through_recipe(component: Component) -> None:
    """Written into a recipe and read back, it is the same."""
    try:
        text = dump_yaml({"component": to_dict(component)})
    except Exception as error:  # a value that YAML does not have
        require(False, f"its fields are not plain data: {str(error).splitlines()[0]}")
    problems = Problems()
    back = build(_parse_component_node(text), kinds()[component.kind], problems)
    require(back is not INVALID, "; ".join(problems.format_lines()))
    require(back == component, f"it comes back as {back}, not {component}")


def _parse_component_node(text: str) -> Node:
    node: Node = parse_yaml(text, SOURCE).value["component"]
    return node


@register_check()
def check_is_picklable(component: Component) -> None:
    """Pickled and unpickled, it is the same."""
    try:
        back = pickle.loads(pickle.dumps(component))
    except Exception as error:  # pickle raises anything
        require(False, f"it cannot be pickled ({error}); define its class at the top of a module")
    require(back == component, f"it comes back as {back}, not {component}")


@register_check()
def check_rejects_misspelled_parameters(component: Component) -> None:
    """A parameter that it does not have is refused, with the nearest suggested."""
    known = [field.name for field in dataclasses.fields(component) if field.init]  # type: ignore[arg-type]
    for name in known or ["parameter"]:
        wrong = name + name[-1]
        problems = Problems()
        given = Node(
            {
                "name": Node(component.name, SourceLocation(SOURCE)),
                wrong: Node(1, SourceLocation(SOURCE)),
            },
            SourceLocation(SOURCE),
        )
        build(given, kinds()[component.kind], problems)
        suggestion = f"Did you mean '{name}'?" if known else "Known: none"
        require(
            any(suggestion in line for line in problems.format_lines()),
            f"the misspelling '{wrong}' does not get \"{suggestion}\"",
        )
        try:
            type(component)(**{wrong: 1})
        except TypeError:
            continue
        require(False, f"the misspelling '{wrong}' is accepted; let @dataclass write __init__")


@register_check()
def check_is_deterministic_given_seed(component: Component) -> None:
    """One seed gives one answer, whatever the random generators of the process are doing."""
    answers = []
    for other in (1, 2):
        with seed_global_generators(other):
            answers.append(exercise(component, make_cells(), seed=1))
    same = len(answers[0]) == len(answers[1]) and all(
        np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
        for one, two in zip(*answers, strict=True)
    )
    require(same, "two calls with one seed differ; draw from np.random.default_rng(seed)")


@register_check()
def check_does_not_modify_inputs(component: Component) -> None:
    """What it is given keeps every value."""
    given = make_cells()
    held = collect_arrays(given)
    with seed_global_generators(1):
        exercise(component, given, seed=1)
    after = collect_arrays(given)
    same = all(np.array_equal(one, two) for one, two in zip(held, after, strict=True))
    require(same, "it writes into its input; work on a copy")
