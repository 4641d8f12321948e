"""Build recipes and studies from trees; all mistakes at once, each with its file and line."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from scgnn.arguments import shorten
from scgnn.errors import RecipeError
from scgnn.field_types import MAX_COPIES, MIN_POSITIVE
from scgnn.recipe.yaml_tree import AmbiguousText, Node, SourceLocation, to_plain
from scgnn.registry.annotations import classify, describe_type, resolve_type_hints
from scgnn.registry.component import Component, find_dataclass_problem, format_unknown_name
from scgnn.registry.entry_points import describe_source
from scgnn.registry.introspection import is_builtin, iter_components, recipe_fields
from scgnn.registry.kinds import kinds
from scgnn.registry.plugin_files import format_exception

INVALID = object()
MAX_SUGGESTIONS = 2  # settings of an unknown name elsewhere
ENTRY_ADVICE = (
    "a mapping changes entries of the base's list, and there is no base with one (add e.g. "
    "'base: scgnn')"
)


class Problems:
    """Mistakes and their locations."""

    def __init__(self) -> None:
        self.entries: list[tuple[SourceLocation, str]] = []

    def add(self, location: SourceLocation, path: str, message: str) -> None:
        """Add a mistake in the setting at a dotted path."""
        self.add_lines(location, [f"{location}: {path + ': ' if path else ''}{message}"])

    def add_lines(self, location: SourceLocation, lines: list[str]) -> None:
        """Add complete lines, e.g. those of a RecipeError."""
        self.entries += [(location, line) for line in lines]

    def format_lines(self) -> list[str]:
        """Return the mistakes in file order without duplicates."""
        ordered = sorted(self.entries, key=lambda item: (item[0].source, item[0].line))
        return list(dict.fromkeys(line for _, line in ordered))

    def raise_if_any(self) -> None:
        """Raise a RecipeError with all mistakes, if there are any."""
        if self.entries:
            raise RecipeError(self.format_lines())


def build(
    node: Node, annotation: Any, problems: Problems, path: str = "", default: Any = None
) -> Any:
    """Build the value of a node.

    A component type takes a name or a mapping with ``name``; another dataclass takes a mapping with
    its fields; ``tuple[X, ...]`` takes a list and ``Mapping[str, X]`` a mapping of these; a
    :class:`Node` is not built; everything else is validated as plain data.

    Parameters
    ----------
    node
        Tree of the value.
    annotation
        Type of the value.
    problems
        Receives every mistake.
    path
        Dotted path of the value in messages.
    default
        Component or dataclass that a mapping without ``name`` changes.

    Returns
    -------
    The value, or INVALID if there was a mistake.
    """
    field_type, value = classify(annotation), node.value
    is_mapping = isinstance(value, dict)
    if field_type.record is Node:
        return node
    has_items = isinstance(value, list) and field_type.item is not Node  # which are built later
    scalars = value if has_items else [node]
    if ambiguous := [item for item in scalars if isinstance(item.value, AmbiguousText)]:
        for item in ambiguous:
            problems.add(item.location, path, item.value.problem)
        return INVALID
    may_be_plain = field_type.plain is not None and not is_mapping
    plain = _validate_plain(node, field_type.plain) if may_be_plain else INVALID
    is_name = isinstance(value, str) and plain is INVALID
    if field_type.kind and (is_mapping or is_name):
        null = ", or null" if _accepts_null(field_type.plain) else ""
        return _build_component(node, field_type.kind, default, problems, path, null)
    if field_type.record and is_mapping:
        base = default if isinstance(default, field_type.record) else None
        return _build_dataclass(node, field_type.record, base, problems, path)
    is_long_enough = isinstance(value, dict | list) and len(value) >= field_type.min_length
    if is_mapping and field_type.value is not None and is_long_enough:
        items = {k: build(v, field_type.value, problems, f"{path}.{k}") for k, v in value.items()}
        return INVALID if INVALID in items.values() else items
    if isinstance(value, list) and field_type.item is not None and is_long_enough:
        built = [build(v, field_type.item, problems, f"{path}.{i}") for i, v in enumerate(value)]
        return INVALID if INVALID in built else tuple(built)
    if plain is not INVALID:
        return plain
    shown = shorten(_to_json(node))
    expected = describe_type(annotation, has_far_bounds=_is_far_number(value))
    advice = ""
    if is_mapping and value and field_type.item is not None:
        advice = "; put it in a list" if "name" in value else f"; {ENTRY_ADVICE}"
    problems.add(node.location, path, f"must be {expected}, not {shown}{advice}")
    return INVALID


def _is_far_number(value: Any) -> bool:
    """Return whether a value is or has a number that may be beyond a bound seldom reached."""
    if isinstance(value, list):
        return any(_is_far_number(item.value) for item in value)
    if not isinstance(value, int | float) or value == 0 or not math.isfinite(value):
        return False
    return not MIN_POSITIVE <= abs(value) <= MAX_COPIES


def _build_component(
    node: Node, kind: type[Component], default: Any, problems: Problems, path: str, null: str
) -> Any:
    """Build a component; messages that list its names end with ``null``."""
    name_node = node if isinstance(node.value, str) else node.get("name")
    default = default if isinstance(default, kind) else None
    if name_node is None and default is not None:
        return _build_dataclass(node, type(default), default, problems, path)
    location = (name_node or node).location
    if not isinstance(node.name, str):
        advice = f"give the {kind.kind} a name: one of {', '.join(kind.names())}{null}"
        problems.add(location, path, advice)
        return INVALID
    if isinstance(node.name, AmbiguousText):
        problems.add(location, path, node.name.problem)
        return INVALID
    try:
        cls = kind.get(node.name)
    except ValueError as error:
        is_unknown = node.name not in kind.names()
        problems.add(location, f"{path}.name", f"{error}{null if is_unknown else ''}")
        return INVALID
    if problem := find_dataclass_problem(cls):
        problems.add(location, f"{path}.name", problem)
        return INVALID
    base = default if default is not None and default.name == node.name else None
    try:
        return _build_dataclass(node.without("name"), cls, base, problems, path)
    except Exception as error:  # third-party code raises anything
        if is_builtin(cls):
            raise
        message = f"{kind.kind} '{cls.name}' of {describe_source(cls)} cannot be used"
        problems.add(location, path, f"{message} ({format_exception(error)})")
        return INVALID


def _build_dataclass(node: Node, cls: type, base: Any, problems: Problems, path: str) -> Any:
    """Build a dataclass from a mapping; fields that are not set are those of ``base``, if given."""
    fields, hints = recipe_fields(cls), resolve_type_hints(cls)
    values: dict[str, Any] = {}
    for key, child in node.value.items():
        child_path = f"{path}.{key}" if path else key
        if key not in fields:
            message = _format_unknown_key(cls, key, list(fields), path)
            problems.add(child.location, child_path, message)
            continue
        field = fields[key]
        default = get_default(field) if base is None else getattr(base, field.name)
        value = build(child, hints[field.name], problems, child_path, default)
        _check_requirements(value, field, child, problems, child_path)
        values[field.name] = value
    if INVALID in values.values():
        return INVALID
    try:
        return cls(**values) if base is None else dataclasses.replace(base, **values)
    except ValueError as error:
        problems.add(node.location, path, str(error))
        return INVALID


def _format_unknown_key(cls: type, key: str, known: list[str], path: str) -> str:
    deeper = [f"{path}.{setting}".lstrip(".") for setting in find_settings(cls, key)]
    advice = f" There is {' and '.join(deeper[:MAX_SUGGESTIONS])}." if deeper else ""
    if issubclass(cls, Component):
        context = f" of {cls.kind} '{cls.name}'"
        if key in kinds()[cls.kind].names():
            advice += f" To select the {cls.kind} '{key}', write 'name: {key}'."
        return format_unknown_name("parameter", key, known, context, advice)
    return format_unknown_name("key", key, known, advice=advice)


def find_settings(cls: type, key: str) -> list[str]:
    """Return the dotted paths of settings of a name inside the defaults of a dataclass.

    The name is that of a setting, or a path with one underscore in place of each dot.
    """
    try:
        paths = list(_iter_settings(cls(), "")) if is_builtin(cls) else []
    except ValueError:  # its defaults are not valid on their own
        return []
    settings = (p for p in paths if key in (p.rpartition(".")[2], p.replace(".", "_")))
    return sorted(settings, key=len)


def _iter_settings(value: Any, path: str) -> Iterator[str]:
    for key, field in recipe_fields(value).items():
        item, item_path = getattr(value, field.name), f"{path}.{key}".lstrip(".")
        yield item_path
        for part in item if isinstance(item, tuple) else [item]:
            if dataclasses.is_dataclass(part):
                name = f".{getattr(part, 'name', '')}" if part is not item else ""
                yield from _iter_settings(part, f"{item_path}{name}")


def get_default(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a dataclass field."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _check_requirements(
    value: Any, field: dataclasses.Field[Any], node: Node, problems: Problems, path: str
) -> None:
    """Reject components that require more than is available in their slot."""
    available: frozenset[str] | None = field.metadata.get("available")
    if available is None:
        return
    for part in iter_components(value):
        if missing := " and the ".join(sorted(part.requires - available)):
            known = ", ".join(["expression", *sorted(available)])
            message = f"which is not available in this slot (available: {known})"
            problems.add(node.location, path, f"{part.name} requires the {missing}, {message}")


def _to_json(node: Node) -> str:
    return json.dumps(to_plain(node), ensure_ascii=False)


def _accepts_null(annotation: Any) -> bool:
    return annotation is type(None) or type(None) in get_args(annotation)


def _validate_plain(node: Node, annotation: Any) -> Any:
    """Return the value of a node that is plain data, or INVALID if it is not of that type."""
    try:
        return _get_type_adapter(annotation).validate_json(_to_json(node), strict=True)
    except ValidationError:
        return INVALID


@cache
def _get_type_adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
