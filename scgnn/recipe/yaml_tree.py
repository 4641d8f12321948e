"""YAML as a tree in which every value knows its file and line.

SafeLoader's values with three repairs: ``1e-3`` is a number, a key given twice is refused, and
aliases cannot grow a small file into a large tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from scgnn.errors import RecipeError

MAX_NODES = 20_000  # values after aliases are written out
MAX_DEPTH = 40
PLAIN_DATA_RULE = "a recipe is plain data, no objects or code"
COLLECTION_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class SourceLocation(NamedTuple):
    """Where a value was written."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True)
class Node:
    """A value of a recipe: a mapping or a list of nodes, or plain data, and its place."""

    value: Any
    location: SourceLocation

    @property
    def name(self) -> str | None:
        """The component name that this node gives, as a word or as the key ``name``."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, dict) and "name" in self.value:
            return self.value["name"].value
        return None


class _Loader(yaml.SafeLoader):
    pass


class _Dumper(yaml.SafeDumper):
    pass


for _side in (_Loader, _Dumper):  # what is read as a number is quoted when it is text
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)$"),
        list("-+0123456789."),
    )


def dump_yaml(value: Any, **layout: Any) -> str:
    """Plain data as YAML that :func:`parse` reads back."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **layout))


def load_yaml(path: Path) -> Node:
    """Read a recipe file.

    Raises
    ------
    RecipeError
        The file is missing, a directory, not text, empty, not YAML, not a mapping, gives a key
        twice, or grows too large through aliases.
    """
    if path.is_dir():
        raise RecipeError([f"{path}: a directory, not a recipe; name a .yaml file inside it"])
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError([f"{path}: no such recipe file"]) from None
    except UnicodeDecodeError:
        raise RecipeError([f"{path}: not a text file, so not a recipe"]) from None
    except OSError as error:
        raise RecipeError([f"{path}: cannot be read ({error.strerror})"]) from None
    except ValueError as error:  # a name that no file can have
        raise RecipeError([f"{str(path)!r}: cannot be read ({error})"]) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> Node:
    """Parse the text of a recipe; ``source`` is the name that mistakes are reported under."""
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise RecipeError([f"{source}: empty; a recipe holds at least 'base: scgnn'"])
        node = _Converter(loader, source).convert(root)
    except yaml.MarkedYAMLError as error:
        raise RecipeError([_format_syntax_error(error, source, text)]) from None
    except yaml.YAMLError as error:
        raise RecipeError([f"{source}: not YAML ({str(error).splitlines()[0]})"]) from None
    except RecursionError:
        raise RecipeError([f"{source}: nested too deeply"]) from None
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(node.value, dict):
        what = "a list" if isinstance(node.value, list) else "a single value"
        raise RecipeError(
            [f"{node.location}: {what}, but a recipe is a mapping such as 'base: scgnn'"]
        )
    return node


def _format_syntax_error(error: yaml.MarkedYAMLError, source: str, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    written = text.splitlines()[line - 1] if 0 < line <= len(text.splitlines()) else ""
    if "\t" in written[: len(written) - len(written.lstrip())] or "'\\t'" in (error.problem or ""):
        return f"{SourceLocation(source, line)}: a tab indents this line; YAML wants spaces"
    return f"{SourceLocation(source, line)}: not YAML: {error.problem or error.context}"


class _Converter:
    """YAML nodes to ours, counting as it goes."""

    def __init__(self, loader: _Loader, source: str) -> None:
        self.loader, self.source, self.n_nodes = loader, source, 0

    def convert(self, node: yaml.Node, depth: int = 0) -> Node:
        place = SourceLocation(self.source, node.start_mark.line + 1)
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES or depth > MAX_DEPTH:
            raise RecipeError([f"{place}: aliases or nesting grow this file beyond any recipe"])
        if not isinstance(node, yaml.ScalarNode) and node.tag not in COLLECTION_TAGS:
            raise RecipeError([f"{place}: {node.tag}: {PLAIN_DATA_RULE}"])
        if isinstance(node, yaml.MappingNode):
            return Node(self._convert_mapping(node, depth), place)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.convert(item, depth + 1) for item in node.value], place)
        return Node(self._convert_scalar(node, place), place)

    def _convert_mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        for key_node, value_node in node.value:
            place = SourceLocation(self.source, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise RecipeError([f"{place}: a key must be a word"])
            key = str(key_node.value)
            if key in mapping:
                first = mapping[key].location.line
                raise RecipeError([f"{place}: '{key}' is given twice (first on line {first})"])
            value = self.convert(value_node, depth + 1)
            mapping[key] = Node(value.value, place)
        return mapping

    def _convert_scalar(self, node: yaml.Node, location: SourceLocation) -> Any:
        try:
            value = self.loader.construct_object(node, deep=True)
        except (yaml.constructor.ConstructorError, ValueError):
            raise RecipeError(
                [f"{location}: {node.tag} {node.value!r}: {PLAIN_DATA_RULE}"]
            ) from None
        return value if isinstance(value, str | int | float | None) else str(node.value)


def from_plain(value: Any, location: SourceLocation) -> Node:
    """Plain data as a tree whose every value has the same place."""
    if isinstance(value, dict):
        return Node({str(key): from_plain(item, location) for key, item in value.items()}, location)
    if isinstance(value, list | tuple):
        return Node([from_plain(item, location) for item in value], location)
    return Node(value, location)


def to_plain(node: Node) -> Any:
    """A tree as plain data, without places."""
    if isinstance(node.value, dict):
        return {key: to_plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [to_plain(item) for item in node.value]
    return node.value


def merge(base: Node, override: Node) -> Node:
    """``over`` laid on ``under``: mappings key by key, everything else replaced.

    A component's name is short for a mapping with that name; a mapping that changes the name
    starts from that component's own defaults, so nothing of ``under`` is kept.
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
    """The tree with ``value`` merged in at a dotted path such as ``pipeline.graph_builder.n_neighbors``.

    An entry of a list is named by its position or by its component name.

    Raises
    ------
    RecipeError
        The path enters a list at an entry that is not there.
    """
    first, _, rest = path.partition(".")
    if isinstance(node.value, list):
        at = _find_index(node.value, first)
        if at is None:
            known = ", ".join(str(item.name or to_plain(item)) for item in node.value)
            raise RecipeError(
                [f"{value.location}: no entry '{first}' in the list ({known or 'empty'})"]
            )
        changed = assign(node.value[at], rest, value) if rest else merge(node.value[at], value)
        return Node([*node.value[:at], changed, *node.value[at + 1 :]], node.location)
    child = node.value.get(first) if isinstance(node.value, dict) else None
    if rest and child is not None and isinstance(child.value, list):
        return merge(node, Node({first: assign(child, rest, value)}, value.location))
    inner = assign(child or Node({}, value.location), rest, value) if rest else value
    return merge(node, Node({first: inner}, value.location))


def _find_index(items: list[Node], key: str) -> int | None:
    if key.isdigit():
        return int(key) if int(key) < len(items) else None
    return next((at for at, item in enumerate(items) if item.name == key), None)
