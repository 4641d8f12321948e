"""YAML as a tree whose values have a file and line.

``yaml.SafeLoader`` with three differences: ``1e-3`` is a number, duplicate keys are an error, and
aliases cannot expand a small file into a large tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from scgnn.arguments import read_text_file, shorten
from scgnn.errors import RecipeError, UserError

MAX_NODES = 20_000  # values, aliases expanded
MAX_DEPTH = 40
MAX_KEY_LENGTH = 200
MAX_NUMBER_LENGTH = 300  # in characters, about that of the largest float
SIZE_PROBLEM = f"more than {MAX_NODES:,} values or {MAX_DEPTH} levels, aliases expanded"
PLAIN_DATA_RULE = "a recipe is plain data, without objects or code"
NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
COLLECTION_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class SourceLocation(NamedTuple):
    """File or option and line of a value."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True)
class Node:
    """Value of a recipe with its location: a mapping or list of nodes, or plain data."""

    value: Any
    location: SourceLocation

    @property
    def name(self) -> str | None:
        """Component name: the value itself if it is a string, else its key ``name``."""
        if isinstance(self.value, str):
            return self.value
        name = self.get("name")
        return name.value if name is not None else None

    def get(self, key: str) -> Node | None:
        """Return the value of a key; None if there is none or this is not a mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def replace(self, **children: Node) -> Node:
        """Return a mapping with some of its values replaced."""
        return Node({**self.value, **children}, self.location)

    def without(self, *keys: str) -> Node:
        """Return a mapping without some of its keys; an empty one if this is not a mapping."""
        items = self.value.items() if isinstance(self.value, dict) else ()
        return Node({key: child for key, child in items if key not in keys}, self.location)


def make_error(location: object, message: str) -> RecipeError:
    """Return the error of one mistake."""
    return RecipeError([f"{location}: {message}"])


class _Loader(yaml.SafeLoader):
    """Loader that stops at the limit of values and keys; a file of 1 MB would take 20 s."""

    n_composed = 0

    def fetch_flow_collection_start(self, token_class: type[yaml.Token]) -> None:
        if self.flow_level > 2 * MAX_DEPTH:
            raise RecursionError
        super().fetch_flow_collection_start(token_class)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.n_composed += 1
        if self.n_composed > 2 * MAX_NODES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=SIZE_PROBLEM, problem_mark=mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    pass


for _class in (_Loader, _Dumper):  # text that would be read as a number is quoted
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)$"),
        list("-+0123456789."),
    )


def dump_yaml(value: Any, **layout: Any) -> str:
    """Return plain data as YAML that :func:`parse_yaml` reads back."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **layout))


def dump_flow_yaml(value: Any) -> str:
    """Return plain data as YAML on one line."""
    text = dump_yaml(value, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def load_yaml(path: Path) -> Node:
    """Read a recipe file.

    Raises
    ------
    RecipeError
        The file cannot be read or is not a YAML mapping.
    """
    try:
        text = read_text_file(path)
    except UserError as error:
        if isinstance(error.__cause__, IsADirectoryError):
            raise make_error(path, "is a directory; give a .yaml file") from None
        if isinstance(error.__cause__, FileNotFoundError):
            raise make_error(path, "no such recipe file") from None
        raise RecipeError([str(error)]) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> Node:
    """Parse the text of a recipe.

    Parameters
    ----------
    text
        A YAML mapping.
    source
        Name of the file or option in messages.

    Raises
    ------
    RecipeError
        The text is empty, not YAML or not a mapping, has a duplicate key, or is too large.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            raise make_error(source, "empty; a recipe needs at least 'base: scgnn'")
        node = _YamlConverter(source).convert(root)
    except yaml.MarkedYAMLError as error:
        raise make_error(*_describe_syntax_error(error, source, text)) from None
    except yaml.YAMLError as error:
        raise make_error(source, f"not YAML ({str(error).splitlines()[0]})") from None
    except RecursionError:
        raise make_error(source, "nested too deeply") from None
    if not isinstance(node.value, dict):
        kind = "a list" if isinstance(node.value, list) else "a single value"
        raise make_error(node.location, f"{kind}, but a recipe is a mapping such as 'base: scgnn'")
    return node


def _describe_syntax_error(
    error: yaml.MarkedYAMLError, source: str, text: str
) -> tuple[SourceLocation, str]:
    mark = error.problem_mark or error.context_mark
    location = SourceLocation(source, mark.line + 1 if mark else 0)
    if error.problem == SIZE_PROBLEM:
        return location, SIZE_PROBLEM
    line = dict(enumerate(text.splitlines(), start=1)).get(location.line, "")
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in (error.problem or ""):
        return location, "indented by a tab; use spaces"
    return location, f"not YAML: {error.problem or error.context}"


class NodeCounter:
    """Limit of the size and depth of a tree."""

    def __init__(self) -> None:
        self.n_nodes = 0

    def count(self, location: object, depth: int) -> None:
        """Count a value; raise RecipeError beyond the limits of size and depth."""
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES or depth > MAX_DEPTH:
            raise make_error(location, SIZE_PROBLEM)


class _YamlConverter(NodeCounter):
    """Converter of PyYAML's nodes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.loader, self.source = _Loader(""), source

    def convert(self, node: yaml.Node, depth: int = 0) -> Node:
        location = SourceLocation(self.source, node.start_mark.line + 1)
        self.count(location, depth)
        if isinstance(node, yaml.ScalarNode):
            return Node(self._convert_scalar(node, location), location)
        if node.tag not in COLLECTION_TAGS:
            raise make_error(location, f"{shorten(node.tag)}: {PLAIN_DATA_RULE}")
        if isinstance(node, yaml.MappingNode):
            return Node(self._convert_mapping(node, depth), location)
        return Node([self.convert(item, depth + 1) for item in node.value], location)

    def _convert_mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        for key_node, value_node in node.value:
            location = SourceLocation(self.source, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise make_error(location, "keys must be plain text")
            key = check_key(key_node.value, location)
            if key in mapping:
                first = mapping[key].location.line
                raise make_error(location, f"duplicate key '{key}' (first on line {first})")
            mapping[key] = Node(self.convert(value_node, depth + 1).value, location)
        return mapping

    def _convert_scalar(self, node: yaml.Node, location: SourceLocation) -> Any:
        try:
            if node.tag in NUMBER_TAGS and len(node.value) > MAX_NUMBER_LENGTH:
                raise ValueError  # which would take long, as 1:1:1:… does
            value = self.loader.construct_object(node, deep=True)
        except Exception:  # of many types, e.g. for !!bool x
            shown = f"{shorten(node.tag)} {shorten(repr(node.value))}"
            raise make_error(location, f"{shown}: {PLAIN_DATA_RULE}") from None
        is_plain = isinstance(value, str | int | float | None)
        return check_scalar(value if is_plain else str(node.value), location)


def check_key(key: str, location: object) -> str:
    """Return the key of a mapping; raise RecipeError if it is too long or not valid text."""
    if len(key) > MAX_KEY_LENGTH:
        problem = f"has more than {MAX_KEY_LENGTH} characters"
        raise make_error(location, f"key '{shorten(key)}' {problem}")
    return str(check_scalar(key, location))


def check_scalar(value: Any, location: object) -> Any:
    """Return text or a number as one of Python's own types; raise RecipeError if it is neither."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise make_error(location, f"{shorten(ascii(value))} is not valid Unicode") from None
        return str.__str__(value)
    if isinstance(value, int) and abs(value) >= 10**MAX_NUMBER_LENGTH:
        raise make_error(location, f"an integer of more than {MAX_NUMBER_LENGTH} digits")
    if isinstance(value, bool | None):
        return value
    return int(value) if isinstance(value, int) else float(value)


def to_plain(node: Node) -> Any:
    """Return a tree as plain data, without locations."""
    if isinstance(node.value, dict):
        return {key: to_plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(item) for item in node.value]
    return node.value


def merge(base: Node, override: Node) -> Node:
    """Merge ``override`` into ``base``: mappings key by key, everything else is replaced.

    The name of a component is short for a mapping with that name. A mapping that changes the name
    starts from the defaults of that component: it replaces ``base``.
    """
    names = base.name, override.name
    if isinstance(base.value, str) and isinstance(override.value, dict):
        base = Node({"name": base}, base.location)
    if isinstance(override.value, str) and isinstance(base.value, dict) and names[0] is not None:
        override = Node({"name": override}, override.location)
    if not (isinstance(base.value, dict) and isinstance(override.value, dict)):
        return override
    if names[1] is not None and names[0] != names[1]:
        return override
    merged = dict(base.value)
    for key, value in override.value.items():
        merged[key] = merge(merged[key], value) if key in merged else value
    return Node(merged, override.location)


def assign(node: Node, path: str, value: Node) -> Node:
    """Merge a value into a tree at a dotted path such as ``pipeline.graph_builder.n_neighbors``.

    An entry of a list is addressed by its position or its component name.

    Raises
    ------
    RecipeError
        The path addresses an entry that a list does not have.
    """
    key, _, rest = path.partition(".")
    if isinstance(node.value, list):
        entries = enumerate(node.value)
        i = next((i for i, item in entries if key in (str(i), item.name)), None)
        if i is None:
            known = ", ".join(str(item.name or to_plain(item)) for item in node.value) or "empty"
            raise make_error(value.location, f"no entry '{key}' in the list ({known})")
        changed = assign(node.value[i], rest, value) if rest else merge(node.value[i], value)
        return Node([*node.value[:i], changed, *node.value[i + 1 :]], node.location)
    child = node.get(key) or Node({}, value.location)
    return merge(node, Node({key: assign(child, rest, value) if rest else value}, value.location))
