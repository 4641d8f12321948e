"""What every component keeps to, whatever its kind."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np

from scgnn.recipe.build import MISSING, Problems, build
from scgnn.recipe.describe import parameter_docs
from scgnn.recipe.yaml_tree import Node, Place, parse, write
from scgnn.registry.component import Component
from scgnn.registry.introspection import dump, summary
from scgnn.registry.kinds import kinds, registered
from scgnn.state import State
from scgnn.testing.check import check, demand
from scgnn.testing.edge_cases import cells
from scgnn.testing.exercise import arrays, global_seed, use

SOURCE = "recipe"


def _class(component: Component) -> str:
    return type(component).__name__


@check()
def check_registered(component: Component) -> None:
    """It is found under its name among the components of its kind."""
    name = getattr(component, "name", None)
    kind = kinds()[component.kind]
    advice = f'decorate it with @{kind.__name__}.register("name")'
    demand(name is not None, f"{_class(component)} has no name; {advice}")
    found = registered()[kind].get(str(name))
    demand(
        found is type(component),
        f"the {component.kind} '{name}' is {found.__name__ if found else 'none'}, not "
        f"{_class(component)}; {advice}",
    )


@check()
def check_frozen(component: Component) -> None:
    """It is a frozen dataclass of its own, equal to its like and usable as a key."""
    parameters = getattr(type(component), "__dataclass_params__", None)
    demand(
        parameters is not None and parameters.frozen,
        f"{_class(component)} is not frozen; decorate it with @dataclass(frozen=True)",
    )
    own = vars(type(component)).get("__annotations__", {})
    known = {field.name for field in dataclasses.fields(component)}  # type: ignore[arg-type]
    plain = sorted(n for n, t in own.items() if n not in known and "ClassVar" not in str(t))
    demand(
        not plain,
        f"{', '.join(plain)}: no field, for {_class(component)} itself is not decorated with "
        "@dataclass(frozen=True)",
    )
    twin = copy.deepcopy(component)
    demand(component == twin, "it is not equal to its copy; its fields must be plain data")
    try:
        hash(component)
    except TypeError as error:
        demand(False, f"it cannot be a key ({error}); use tuples instead of lists")


@check()
def check_documented(component: Component) -> None:
    """Its docstring has a first line that is a sentence, and says what each parameter is."""
    said = summary(type(component))
    demand(said, f"{_class(component)} has no docstring")
    # a dataclass without a docstring gets its signature for one
    signature = said.startswith(f"{_class(component)}(")
    demand(not signature, f"{_class(component)} has no docstring")
    demand(said.endswith("."), f"the first line of the docstring is no sentence: '{said}'")
    docs = parameter_docs(type(component))
    silent = [f.name for f in dataclasses.fields(component) if not docs.get(f.name)]  # type: ignore[arg-type]
    demand(not silent, f"not in the docstring's Parameters: {', '.join(silent)}")


@check()
def check_works_without_parameters(component: Component) -> None:
    """Every field has a default, so that its name alone is a recipe."""
    bare = [
        field.name
        for field in dataclasses.fields(component)  # type: ignore[arg-type]
        if field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    demand(not bare, f"without a default: {', '.join(bare)}")
    type(component)()


@check()
def check_requires_what_is_there(component: Component) -> None:
    """What it requires are fields of State."""
    wrong = component.requires - {field.name for field in dataclasses.fields(State)}
    demand(not wrong, f"requires {', '.join(sorted(wrong))}: no field of State")


@check()
def check_survives_a_recipe(component: Component) -> None:
    """Written into a recipe and read back, it is the same."""
    try:
        text = write({"component": dump(component)})
    except Exception as error:  # a value that YAML does not have
        demand(False, f"its fields are not plain data: {str(error).splitlines()[0]}")
    problems = Problems()
    back = build(_node(text), kinds()[component.kind], problems)
    demand(back is not MISSING, "; ".join(problems.lines()))
    demand(back == component, f"it comes back as {back}, not {component}")


def _node(text: str) -> Node:
    node: Node = parse(text, SOURCE).value["component"]
    return node


@check()
def check_survives_a_pickle(component: Component) -> None:
    """Pickled and unpickled, it is the same."""
    try:
        back = pickle.loads(pickle.dumps(component))
    except Exception as error:  # pickle raises anything
        demand(False, f"it cannot be pickled ({error}); define its class at the top of a module")
    demand(back == component, f"it comes back as {back}, not {component}")


@check()
def check_refuses_a_misspelling(component: Component) -> None:
    """A parameter that it does not have is refused, with the nearest suggested."""
    known = [field.name for field in dataclasses.fields(component) if field.init]  # type: ignore[arg-type]
    for name in known or ["parameter"]:
        wrong = name + name[-1]
        problems = Problems()
        given = Node(
            {"name": Node(component.name, Place(SOURCE)), wrong: Node(1, Place(SOURCE))},
            Place(SOURCE),
        )
        build(given, kinds()[component.kind], problems)
        suggestion = f"Did you mean '{name}'?" if known else "Known: none"
        demand(
            any(suggestion in line for line in problems.lines()),
            f"the misspelling '{wrong}' does not get \"{suggestion}\"",
        )
        try:
            type(component)(**{wrong: 1})
        except TypeError:
            continue
        demand(False, f"the misspelling '{wrong}' is accepted; let @dataclass write __init__")


@check()
def check_same_seed_same_answer(component: Component) -> None:
    """One seed gives one answer, whatever the random generators of the process are doing."""
    answers = []
    for other in (1, 2):
        with global_seed(other):
            answers.append(use(component, cells(), seed=1))
    same = len(answers[0]) == len(answers[1]) and all(
        np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
        for one, two in zip(*answers, strict=True)
    )
    demand(same, "two calls with one seed differ; draw from np.random.default_rng(seed)")


@check()
def check_leaves_inputs_alone(component: Component) -> None:
    """What it is given keeps every value."""
    given = cells()
    held = arrays(given)
    with global_seed(1):
        use(component, given, seed=1)
    after = arrays(given)
    same = all(np.array_equal(one, two) for one, two in zip(held, after, strict=True))
    demand(same, "it writes into its input; work on a copy")
