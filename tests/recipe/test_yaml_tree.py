"""Properties of the YAML reader: round trips, line numbers, and no other errors than its own."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgnn.errors import RecipeError
from scgnn.recipe.merge import assign, merge
from scgnn.recipe.plain_tree import from_plain
from scgnn.recipe.yaml_tree import (
    Node,
    SourceLocation,
    dump_flow_yaml,
    dump_yaml,
    parse_yaml,
    to_plain,
)

# PyYAML reads Unicode's line breaks in a plain scalar as spaces
text = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | text
    | st.sampled_from(["1e-3", "1.5", "null", "yes", "0x1", "1_0", "12:30", "2020-01-01", "=", "-"])
    | st.sampled_from(["08", "1_000", "0o7", "None", "off", "1:2:75", "-012", "<<", "12:3.5"])
)
plain_data = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=20,
)
mappings = st.dictionaries(text, plain_data, max_size=5)
names = st.from_regex(r"[a-z]{1,6}", fullmatch=True).filter(lambda name: name not in {"name"})
TOKENS = ["\n  ", ": ", "- ", "&a ", "*a", "e3", ".5", "<<: ", "!!python/name:os "]
TOKENS += ["!!bool ", "!!int ", "!!float ", "!!timestamp ", "!!set "]
# text in which YAML's syntax is frequent
yaml_like = st.lists(
    st.sampled_from([*"{}[]:,-&*!#|>'\"%@`?~ \n\t\0a1", *TOKENS]),
    max_size=30,
).map("".join)


def place(value):
    return from_plain(value, SourceLocation("test"))


@given(mappings)
def test_dumped_data_are_read_back(data):
    assert to_plain(parse_yaml(dump_yaml(data), "test")) == data


@given(mappings)
def test_flow_style_is_one_line_and_read_back(data):
    text = dump_flow_yaml(data)
    assert to_plain(parse_yaml(text, "test")) == data


@given(st.text() | yaml_like | yaml_like.map("a: ".__add__))
def test_any_text_is_read_or_rejected_with_its_source(text):
    problems = []
    try:
        assert isinstance(parse_yaml(text, "test").value, dict)
    except RecipeError as error:
        problems = error.problems
    assert all(problem.startswith("test:") for problem in problems)


@pytest.mark.parametrize("value", ["!!bool x", "!!timestamp x", "!!int ''", "!!float ''"])
def test_value_that_contradicts_its_tag_is_rejected(value):
    with pytest.raises(RecipeError, match=r"^test:2: .*: a recipe is plain data"):
        parse_yaml(f"seed: 1\na: {value}", "test")


@given(st.recursive(st.integers(), lambda c: st.dictionaries(names, c, max_size=4), max_leaves=20))
def test_every_value_has_the_line_of_its_key(data):
    text = dump_yaml({"root": data})
    lines = text.splitlines()

    def check(node):
        for key, child in node.value.items() if isinstance(node.value, dict) else ():
            line = lines[child.location.line - 1].lstrip()
            assert line.startswith((f"{key}:", f"'{key}':"))  # words such as no are quoted
            check(child)

    check(parse_yaml(text, "test"))


@given(st.lists(names, min_size=1, max_size=6, unique=True), st.data())
def test_duplicate_key_is_reported_with_both_lines(keys, data):
    first = data.draw(st.integers(0, len(keys) - 1))
    text = "".join(f"{key}: 1\n" for key in [*keys, keys[first]])
    with pytest.raises(RecipeError) as error:
        parse_yaml(text, "test")
    assert error.value.problems == [
        f"test:{len(keys) + 1}: duplicate key '{keys[first]}' (first on line {first + 1})"
    ]


@given(mappings)
def test_merging_nothing_or_the_same_changes_nothing(data):
    node = place(data)
    assert to_plain(merge(node, place({}))) == data
    assert to_plain(merge(node, node)) == data


@given(mappings, mappings)
def test_merged_mapping_has_the_keys_of_both(base, override):
    unknown_entries = []
    report = lambda *problem: unknown_entries.append(problem)  # noqa: E731
    merged = to_plain(merge(place(base), place(override), report))
    assert set(merged) == set(override) | (set(base) if "name" not in override else set(merged))


@given(mappings, st.lists(names, min_size=1, max_size=4), scalars)
def test_assigned_value_is_at_its_path(data, path, value):
    node = place(data)
    for key in path:  # a list or a component's name in the way makes another rule apply
        node = node.get(key) or place({})
        if not isinstance(node.value, dict) or "name" in node.value:
            return
    changed = assign(place(data), ".".join(path), place(value))
    for key in path:
        child = changed.get(key)
        assert isinstance(child, Node)
        changed = child
    assert changed.value == value


def test_deeply_nested_text_is_rejected():
    with contextlib.suppress(RecursionError), pytest.raises(RecipeError):
        parse_yaml("a: " + "[" * 5000, "test")
