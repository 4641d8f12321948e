"""YAML as a tree whose values have a file and line.

``yaml.SafeLoader`` with these differences: ``1e-3`` is a number, scalars that versions of YAML read
differently (``012``, ``1:30``, ``yes``) are marked, duplicate and merge keys are errors, and
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

DATA_SUFFIXES = (".h5ad", ".h5mu", ".h5", ".loom", ".zarr", ".csv", ".tsv", ".txt", ".mtx", ".gz")
MAX_NODES = 20_000  # values, aliases expanded
MAX_DEPTH = 40
MAX_KEY_LENGTH = 200
MAX_NUMBER_LENGTH = 300  # in characters, about that of the largest float
SIZE_PROBLEM = f"more than {MAX_NODES:,} values or {MAX_DEPTH} levels, aliases expanded"
SPACE_PROBLEM = "a non-breaking or other special space beside it; use ordinary spaces"
MERGE_KEY_ADVICE = "use 'base: RECIPE' to start from another recipe, or repeat the settings"
PLAIN_DATA_RULE = "a recipe is plain data, without objects or code"
NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
COLLECTION_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
MERGE_TAG, TEXT_TAG = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"
AMBIGUOUS_TAG = "!ambiguous"
AMBIGUOUS_SCALAR = re.compile(
    r"(?:(?P<number>[-+]?(?:0o?[0-9_]+"  # octal, or with leading zeros
    r"|[0-9][0-9_]*(?::[0-9][0-9]?)+(?:\.[0-9_]*)?"  # in base 60
    r"|(?![0-9]{1,3}(?:_[0-9]{3})+(?:\.|$))(?=[0-9]+_)[0-9_]+(?:\.[0-9_]*)?))"  # as in 1_0
    r"|(?P<truth>[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF)"
    r"|(?P<null>None))$"
)
INTENDED_VALUES = {
    "number": "a plain decimal number",
    "truth": "true, false or null",
    "null": "null",
}


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


class AmbiguousText(str):
    """Scalar that versions of YAML read as different values, or ``None``; not a valid value."""

    @property
    def problem(self) -> str:
        """Problem and its fix, for messages."""
        match, shown = AMBIGUOUS_SCALAR.match(self), shorten(self)
        intended = INTENDED_VALUES[str(match and match.lastgroup)]
        return f'{shown} is ambiguous in YAML; write {intended}, or quote it ("{shown}") for text'


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


for _class in (_Loader, _Dumper):  # text that would be read as another value is quoted
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)$"),
        list("-+0123456789."),
    )
    for _character in "-+0123456789yYnNoO":  # before other tags
        _resolvers = _class.yaml_implicit_resolvers.setdefault(_character, [])
        _resolvers.insert(0, (AMBIGUOUS_TAG, AMBIGUOUS_SCALAR))
_Dumper.add_representer(  # a special space at an end needs quotes
    str,
    lambda dumper, text: dumper.represent_scalar(
        TEXT_TAG, text, style=None if text == text.strip() else "'"
    ),
)
_Dumper.add_representer(
    AmbiguousText, lambda dumper, text: dumper.represent_scalar(AMBIGUOUS_TAG, str(text))
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
    if path.name.lower().endswith(DATA_SUFFIXES) and path.exists():
        raise make_error(path, f"is a data file and not a recipe; use RECIPE --data {path}")
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
        The text is empty, not YAML or not a mapping, has duplicate or merge keys, or is too large.
    """
    converter = _YamlConverter(source)
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            raise make_error(source, "empty; a recipe needs at least 'base: scgnn'")
        node = converter.convert(root)
    except yaml.MarkedYAMLError as error:
        raise make_error(*_describe_syntax_error(error, source, text)) from None
    except yaml.YAMLError as error:
        raise make_error(source, f"not YAML ({str(error).splitlines()[0]})") from None
    except RecursionError:
        raise make_error(source, "nested too deeply") from None
    if converter.problems:
        raise RecipeError(converter.problems)
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
    problem = error.problem or error.context or ""
    if problem.startswith("but"):
        problem = f"{error.context} {problem}"
    advice = "; write a path with backslashes in single quotes" if "escape" in problem else ""
    return location, f"not YAML: {problem}{advice}"


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
    """Converter of PyYAML's nodes, which collects most mistakes in ``problems``."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.loader, self.source = _Loader(""), source
        self.problems: list[str] = []

    def _add_problem(self, location: SourceLocation, message: str) -> None:
        self.problems.append(f"{location}: {message}")

    def convert(self, node: yaml.Node, depth: int = 0) -> Node:
        location = SourceLocation(self.source, node.start_mark.line + 1)
        self.count(location, depth)
        if isinstance(node, yaml.ScalarNode):
            return Node(self._convert_scalar(node, location), location)
        if node.tag not in COLLECTION_TAGS:
            self._add_problem(location, f"{shorten(node.tag)}: {PLAIN_DATA_RULE}")
        if isinstance(node, yaml.MappingNode):
            return Node(self._convert_mapping(node, depth), location)
        return Node([self.convert(item, depth + 1) for item in node.value], location)

    def _convert_mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        for key_node, value_node in node.value:
            location = SourceLocation(self.source, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                self._add_problem(location, "keys must be plain text")
                continue
            key = check_key(key_node.value, location)
            if _has_special_space(key_node):
                self._add_problem(location, f"'{key.strip()}': {SPACE_PROBLEM}")
                continue
            if key_node.tag == MERGE_TAG:
                self._add_problem(location, f"'<<' is not supported; {MERGE_KEY_ADVICE}")
                continue
            if key in mapping:
                first = mapping[key].location.line
                self._add_problem(location, f"duplicate key '{key}' (first on line {first})")
                continue
            mapping[key] = Node(self.convert(value_node, depth + 1).value, location)
        return mapping

    def _convert_scalar(self, node: yaml.ScalarNode, location: SourceLocation) -> Any:
        try:
            if node.tag in NUMBER_TAGS and len(node.value) > MAX_NUMBER_LENGTH:
                raise ValueError  # which would take long
            is_short = len(node.value) <= MAX_NUMBER_LENGTH
            if node.tag == AMBIGUOUS_TAG and is_short and AMBIGUOUS_SCALAR.match(node.value):
                return AmbiguousText(node.value)
            if _has_special_space(node):
                self._add_problem(location, f"'{shorten(node.value.strip())}': {SPACE_PROBLEM}")
                return None
            value = self.loader.construct_object(node, deep=True)
        except Exception:  # of many types, e.g. for !!bool x
            shown = f"{shorten(node.tag)} {shorten(repr(node.value))}"
            self._add_problem(location, f"{shown}: {PLAIN_DATA_RULE}")
            return None
        is_plain = isinstance(value, str | int | float | None)
        return check_scalar(value if is_plain else str(node.value), location)


def _has_special_space(node: yaml.ScalarNode) -> bool:
    """Return whether unquoted text begins or ends with a space that YAML reads as a letter."""
    return node.style is None and node.value != node.value.strip()


def check_key(key: str, location: object) -> str:
    """Return the key of a mapping; raise RecipeError if it is too long or not valid text."""
    if len(key) > MAX_KEY_LENGTH:
        problem = f"has more than {MAX_KEY_LENGTH} characters"
        raise make_error(location, f"key '{shorten(key)}' {problem}")
    return str(check_scalar(key, location))


def check_scalar(value: Any, location: object) -> Any:
    """Return text or a number as one of Python's own types; raise RecipeError if it is neither."""
    if isinstance(value, AmbiguousText):
        return value
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
