"""From a tree to components and back. All mistakes at once, each with its file and line."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from scgnn.recipe.yaml_tree import Node, SourceLocation, to_plain
from scgnn.registry.annotations import (
    _plain_data_type,
    describe_type,
    expand_union,
    get_item_type,
    is_component_type,
    is_plain_dataclass,
    resolve_type_hints,
)
from scgnn.registry.component import Component, format_unknown_name
from scgnn.registry.introspection import iter_components, recipe_key

INVALID = object()


class Problems:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self.entries: list[tuple[SourceLocation, str]] = []

    def add(self, location: SourceLocation, path: str, message: str) -> None:
        self.entries.append((location, f"{location}: {path + ': ' if path else ''}{message}"))

    def format_lines(self) -> list[str]:
        """The mistakes in file order, none twice."""
        ordered = sorted(self.entries, key=lambda item: (item[0].source, item[0].line))
        return list(dict.fromkeys(line for _, line in ordered))


def build(node: Node, annotation: Any, problems: Problems, path: str = "") -> Any:
    """The value that a node stands for, by the type that is wanted there.

    A component type takes a name or a mapping with ``name``; another dataclass takes a mapping;
    a tuple takes a list; everything else is validated as plain data. Returns ``MISSING`` after
    adding to ``problems`` when it cannot be built.
    """
    return _build(node, annotation, None, problems, path)


def _build(node: Node, annotation: Any, default: Any, problems: Problems, path: str) -> Any:
    options = expand_union(annotation)
    if node.value is None and type(None) in options:
        return None
    kinds = [option for option in options if is_component_type(option)]
    plain_option = _plain_data_type(options)
    if kinds and (isinstance(node.value, dict) or _is_component_name(node, plain_option)):
        return _build_component(node, kinds[0], default, problems, path)
    records = [option for option in options if is_plain_dataclass(option)]
    if records and isinstance(node.value, dict):
        start = default if isinstance(default, records[0]) else None
        return _build_dataclass(node, records[0], start, problems, path)
    lists = [option for option in options if get_item_type(option) is not None]
    if lists and isinstance(node.value, list):
        inner = get_item_type(lists[0])
        items = [
            _build(item, inner, None, problems, f"{path}.{i}") for i, item in enumerate(node.value)
        ]
        return INVALID if any(item is INVALID for item in items) else tuple(items)
    return _build_plain(node, annotation, plain_option, problems, path)


def _is_component_name(node: Node, plain_option: Any) -> bool:
    """A word names a component unless the field also takes that word as plain data."""
    return isinstance(node.value, str) and not (
        plain_option is not None and _is_valid(node, plain_option)
    )


def _build_component(
    node: Node, kind: type[Component], default: Any, problems: Problems, path: str
) -> Any:
    name = node.name
    named = isinstance(node.value, dict) and "name" in node.value
    if name is None and not named and isinstance(default, kind):
        cls: type[Component] = type(default)
    else:
        default = default if isinstance(default, kind) and default.name == name else None
        where = node.value["name"].location if named else node.location
        if not isinstance(name, str):
            message = f"give the {kind.kind} a name: one of {', '.join(kind.names())}"
            problems.add(where, path, message)
            return INVALID
        try:
            cls = kind.get(name)
        except ValueError as error:
            problems.add(where, f"{path}.name", str(error))
            return INVALID
    mapping = node.value if isinstance(node.value, dict) else {}
    given = {key: value for key, value in mapping.items() if key != "name"}
    return _build_dataclass(Node(given, node.location), cls, default, problems, path)


def _build_dataclass(node: Node, cls: type, base: Any, problems: Problems, path: str) -> Any:
    """An instance of a dataclass from a mapping, beginning at ``start`` or at the defaults."""
    known = {recipe_key(field): field for field in dataclasses.fields(cls) if field.init}
    hints = resolve_type_hints(cls)
    values: dict[str, Any] = {}
    for key, child in node.value.items():
        here = f"{path}.{key}" if path else key
        if key not in known:
            problems.add(child.location, here, _format_unknown_key(cls, key, list(known)))
            continue
        field = known[key]
        default = getattr(base, field.name) if base is not None else _get_field_default(field)
        values[field.name] = _build(child, hints[field.name], default, problems, here)
        _check_requirements(values[field.name], field, child, problems, here)
    if any(value is INVALID for value in values.values()):
        return INVALID
    try:
        return dataclasses.replace(base, **values) if base is not None else cls(**values)
    except ValueError as error:
        problems.add(node.location, path, str(error))
        return INVALID


def _format_unknown_key(cls: type, key: str, known: list[str]) -> str:
    if issubclass(cls, Component):
        return format_unknown_name("parameter", key, known, context=f" of {cls.kind} '{cls.name}'")
    return format_unknown_name("key", key, known)


def _get_field_default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _check_requirements(
    value: Any, field: dataclasses.Field[Any], node: Node, problems: Problems, path: str
) -> None:
    """Refuse a component that reads what its slot cannot give."""
    if value is INVALID or "available" not in field.metadata:
        return
    given = field.metadata["available"]
    for part in iter_components(value):
        unmet = " and ".join(sorted(part.requires - given))
        if unmet:
            known = f"the {' and the '.join(sorted(given))}" if given else "expression only"
            message = f"{part.name} needs the {unmet}, which is not known yet here (known: {known})"
            problems.add(node.location, path, message)


def _build_plain(
    node: Node, annotation: Any, plain_option: Any, problems: Problems, path: str
) -> Any:
    if plain_option is not None and not _is_mapping(node) and _is_valid(node, plain_option):
        return _get_type_adapter(plain_option).validate_json(_to_json(node), strict=True)
    shown = _to_json(node)
    shown = shown if len(shown) < 60 else shown[:57] + "..."
    problems.add(node.location, path, f"must be {describe_type(annotation)}, not {shown}")
    return INVALID


def _is_mapping(node: Node) -> bool:
    return isinstance(node.value, dict)


def _to_json(node: Node) -> str:
    return json.dumps(to_plain(node), ensure_ascii=False)


def _is_valid(node: Node, option: Any) -> bool:
    try:
        _get_type_adapter(option).validate_json(_to_json(node), strict=True)
    except ValidationError:
        return False
    return True


@cache
def _get_type_adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
