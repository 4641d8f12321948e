"""Mutated recipes, studies, ``--set`` options and Python mappings: each is loaded or refused.

    python benchmarks/fuzz_recipes.py --n 5000 --seed 1

Mutates the bundled recipes and studies: bytes, lines, tags, nesting, aliases, numbers, keys and
types of values. Prints every input that ends in another exception than ``UserError`` (of which
``RecipeError`` is a kind) or takes more than ``--seconds`` of processor time, and exits with code 1
if there is one. Nothing is run.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from scgnn.cli.options import load_recipe_from_options
from scgnn.errors import UserError
from scgnn.recipe.load import build_recipe, list_bundled_recipes, load_recipe, resolve_base
from scgnn.recipe.yaml_tree import parse_yaml, to_plain
from scgnn.registry.introspection import to_dict
from scgnn.study.load import list_bundled_studies, load_study

TOKENS = [
    *["!!bool x", "!!int ''", "!!timestamp x", "!!float .", "!!binary =", "!!set {a}", "!x y"],
    *["&a [*a]", "*b", "<<: *a", "? [1]\n: 2", "- - - -", "{{", "[[", "]", "}", ":", "|", ">", "%"],
    *["1:1:1", "0x" + "f" * 3_000, "9" * 5_000, "1e400", "-1e-400", ".inf", "-.nan", "~", "null"],
    *["²", "٣", "１", "\u2028", "\ud800", "\0", "\t", "\r", "\ufeff", "'", '"', "#", "---", "..."],
    *["true", "off", "none", "s3://b/x.h5ad", "~nobody/x", "x" * 5_000, "../" * 50, "/dev/zero"],
]
VALUES: list[Any] = [
    *[None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, 5e-324, -0.0],
    *[float("nan"), float("inf"), "", "none", "²", "x" * 300, "\ud800", "a\0b", "s3://b", "/"],
    *[[], {}, [None], [[]], {"name": None}, {"name": "gat"}, {"": 1}, {"name": []}, [1, "a"]],
]
OBJECTS: list[Any] = [
    *[
        np.int64(3),
        np.float32(0.5),
        np.bool_(True),
        np.str_("gat"),
        np.array([1, 2]),
        np.array("a"),
    ],
    *[
        b"gat",
        {1, 2},
        1j,
        Decimal(1),
        len,
        dict,
        object(),
        Path("x"),
        range(3),
        np.datetime64(1, "s"),
    ],
    *[{1: 2}, {None: 1}, {(1,): 2}, {b"a": 1}, {"1": 1, 1: 2}, (1, 2), bytearray(b"x")],
]


def mutate_bytes(text: str, rng: random.Random) -> str:
    """Insert, remove, repeat or replace pieces of a text."""
    for _ in range(rng.randint(1, 4)):
        i = rng.randrange(len(text) + 1)
        j = min(i + rng.randint(0, 12), len(text))
        piece = rng.choice(["", chr(rng.randrange(0x250)), text[i:j] * 2, rng.choice(TOKENS)])
        text = text[:i] + piece + text[j:]
    return text


def mutate_lines(text: str, rng: random.Random) -> str:
    """Repeat, remove, indent or swap lines, or replace the value of one."""
    lines = text.splitlines()
    for _ in range(rng.randint(1, 3)):
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        change = rng.randrange(5)
        if change == 0:
            lines.insert(i, lines[j])
        elif change == 1 and len(lines) > 1:
            del lines[i]
        elif change == 2:
            lines[i] = " " * rng.randint(1, 4) + lines[i]
        elif change == 3:
            lines[i], lines[j] = lines[j], lines[i]
        else:
            lines[i] = f"{lines[i].partition(':')[0]}: {rng.choice(TOKENS)}"
    return "\n".join(lines)


def expand(text: str, rng: random.Random) -> str:
    """Append deep nesting, or aliases of aliases."""
    depth = rng.choice([10, 50, 1_000, 20_000])
    bomb = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    nested = rng.choice(["[" * depth, "{a: " * depth, "- " * depth, "[" * depth + "]" * depth])
    return f"{text}\n{rng.choice([f'a0: &a0 [x]{chr(10)}{bomb}', f'data: {nested}'])}\n"


def iter_paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Yield the path of each value inside plain data."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in list(items):
            yield from iter_paths(item, (*path, key))


def mutate_tree(value: Any, rng: random.Random, values: list[Any]) -> Any:
    """Replace, remove, add or rename values of plain data."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(iter_paths(value)))
        if not path:
            continue
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        change, last = rng.randrange(4), path[-1]
        if change == 0 and isinstance(parent, dict):
            parent[rng.choice(["", "name", "x" * 300, "²", 1, None, f"{last}s"])] = parent.pop(last)
        elif change == 1:
            del parent[last]
        else:
            parent[last] = copy.deepcopy(rng.choice(values))
    return value


def load_text(text: str) -> None:
    """Load the text of a recipe file."""
    build_recipe(resolve_base(parse_yaml(text, "fuzz.yaml")))


def make_case(
    rng: random.Random, recipes: list[str], studies: list[str], complete: dict[str, Any]
) -> tuple[str, Any, Any]:
    """Return the kind of a case, its input and the function that loads it."""
    text = rng.choice(recipes + studies * 3)
    is_study = text in studies
    tree = to_plain(parse_yaml(text, "seed"))
    load_tree: Callable[[Any], Any] = load_study if is_study else load_recipe
    kind = rng.choice(["bytes", "lines", "tree", "objects", "set", "changes"] * 3 + ["expanded"])
    if kind in ("bytes", "lines", "expanded"):
        mutate = {"bytes": mutate_bytes, "lines": mutate_lines, "expanded": expand}[kind]
        return kind, mutate(text, rng), load_text
    if kind in ("tree", "objects"):
        values = VALUES if kind == "tree" else VALUES + OBJECTS * 2
        source = reduce_study(tree) if is_study else rng.choice([tree, complete])
        mutated = mutate_tree(source, rng, values)
        return kind, mutated, load_tree
    paths = [".".join(map(str, path)) for path in iter_paths(complete) if path]
    path = rng.choice(paths)
    if rng.random() < 0.3:
        path = mutate_bytes(path, rng)
    if kind == "set":
        value = rng.choice([rng.choice(TOKENS), str(rng.choice(VALUES[:9] + VALUES[10:]))[:999]])
        return kind, f"{path}={value}", lambda word: load_recipe_from_options("scgnn", [word])
    changes = {path: rng.choice(VALUES + OBJECTS)}
    return kind, changes, lambda changes: load_recipe("scgnn", changes)


def reduce_study(study: dict[str, Any]) -> dict[str, Any]:
    """Return a study with few runs, whose loading takes little time."""
    few: dict[str, Any] = {"seeds": 2, "controls": []}
    for key in ("vary", "cross"):
        few[key] = dict(list(study.get(key, {}).items())[:1])
    return {**study, **{key: value for key, value in few.items() if study.get(key)}}


def run_cases(n: int, seed: int, seconds: float) -> tuple[Counter[str], list[str]]:
    """Load mutated inputs; return the number of each outcome, and a description of each fault."""
    rng = random.Random(seed)
    recipes = [path.read_text(encoding="utf-8") for path in list_bundled_recipes().values()]
    studies = [path.read_text(encoding="utf-8") for path in list_bundled_studies().values()]
    complete = to_dict(load_recipe("scgnn_quick"))
    outcomes: Counter[str] = Counter()
    faults = []
    for i in range(n):
        kind, value, load = make_case(rng, recipes, studies, complete)
        start = time.process_time()
        outcome = "loaded"
        try:
            load(value)
        except UserError as error:
            outcome = "refused"
            if len(str(error)) > 20_000 or not str(error).strip():
                faults.append(f"case {i} ({kind}): message of {len(str(error)):,} characters")
        except Exception as error:  # what this script looks for
            outcome = "fault"
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            shown = ascii(value)[:300] if kind != "objects" else repr(type(value))
            name = type(error).__name__
            faults.append(
                f"case {i} ({kind}): {name} {ascii(str(error))[:200]} at {where}: {shown}"
            )
        if (duration := time.process_time() - start) > seconds:
            faults.append(f"case {i} ({kind}): {duration:.1f} s: {ascii(value)[:200]}")
        outcomes[f"{kind}: {outcome}"] += 1
    return outcomes, faults


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="limit of each input")
    args = parser.parse_args()
    outcomes, faults = run_cases(args.n, args.seed, args.seconds)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:6,} {outcome}")
    print("\n".join(faults) or "no fault")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
