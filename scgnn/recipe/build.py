"""From a tree to components and back. All mistakes at once, each with its file and line."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from scgnn.recipe.yaml_tree import Node, Place, plain
from scgnn.registry.annotations import (
    _hints,
    _is_component,
    _is_record,
    _item_type,
    _options,
    _plain,
    wanted,
)
from scgnn.registry.component import Component, unknown
from scgnn.registry.introspection import parts

MISSING = object()


class Problems:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self.found: list[tuple[Place, str]] = []

    def add(self, place: Place, path: str, message: str) -> None:
        self.found.append((place, f"{place}: {path + ': ' if path else ''}{message}"))

    def lines(self) -> list[str]:
        """The mistakes in file order, none twice."""
        ordered = sorted(self.found, key=lambda item: (item[0].source, item[0].line))
        return list(dict.fromkeys(line for _, line in ordered))


def build(node: Node, annotation: Any, problems: Problems, path: str = "") -> Any:
    """The value that a node stands for, by the type that is wanted there.

    A component type takes a name or a mapping with ``name``; another dataclass takes a mapping;
    a tuple takes a list; everything else is validated as plain data. Returns ``MISSING`` after
    adding to ``problems`` when it cannot be built.
    """
    return _build(node, annotation, None, problems, path)


def _build(node: Node, annotation: Any, default: Any, problems: Problems, path: str) -> Any:
    options = _options(annotation)
    if node.value is None and type(None) in options:
        return None
    kinds = [option for option in options if _is_component(option)]
    plain_option = _plain(options)
    if kinds and (isinstance(node.value, dict) or _names_component(node, plain_option)):
        return _component(node, kinds[0], default, problems, path)
    records = [option for option in options if _is_record(option)]
    if records and isinstance(node.value, dict):
        start = default if isinstance(default, records[0]) else None
        return _fields(node, records[0], start, problems, path)
    lists = [option for option in options if _item_type(option) is not None]
    if lists and isinstance(node.value, list):
        inner = _item_type(lists[0])
        items = [
            _build(item, inner, None, problems, f"{path}.{i}") for i, item in enumerate(node.value)
        ]
        return MISSING if any(item is MISSING for item in items) else tuple(items)
    return _value(node, annotation, plain_option, problems, path)


def _names_component(node: Node, plain_option: Any) -> bool:
    """A word names a component unless the field also takes that word as plain data."""
    return isinstance(node.value, str) and not (
        plain_option is not None and _fits(node, plain_option)
    )


def _component(
    node: Node, kind: type[Component], default: Any, problems: Problems, path: str
) -> Any:
    name = node.name
    named = isinstance(node.value, dict) and "name" in node.value
    if name is None and not named and isinstance(default, kind):
        cls: type[Component] = type(default)
    else:
        default = default if isinstance(default, kind) and default.name == name else None
        where = node.value["name"].place if named else node.place
        if not isinstance(name, str):
            message = f"give the {kind.kind} a name: one of {', '.join(kind.names())}"
            problems.add(where, path, message)
            return MISSING
        try:
            cls = kind.named(name)
        except ValueError as error:
            problems.add(where, f"{path}.name", str(error))
            return MISSING
    mapping = node.value if isinstance(node.value, dict) else {}
    given = {key: value for key, value in mapping.items() if key != "name"}
    return _fields(Node(given, node.place), cls, default, problems, path)


def _fields(node: Node, cls: type, start: Any, problems: Problems, path: str) -> Any:
    """An instance of a dataclass from a mapping, beginning at ``start`` or at the defaults."""
    known = {field.name: field for field in dataclasses.fields(cls) if field.init}
    hints = _hints(cls)
    values: dict[str, Any] = {}
    for key, child in node.value.items():
        here = f"{path}.{key}" if path else key
        if key not in known:
            problems.add(child.place, here, _unknown_setting(cls, key, list(known)))
            continue
        default = getattr(start, key) if start is not None else _default(known[key])
        values[key] = _build(child, hints[key], default, problems, here)
        _refuse_unmet(values[key], known[key], child, problems, here)
    if any(value is MISSING for value in values.values()):
        return MISSING
    try:
        return dataclasses.replace(start, **values) if start is not None else cls(**values)
    except ValueError as error:
        problems.add(node.place, path, str(error))
        return MISSING


def _unknown_setting(cls: type, key: str, known: list[str]) -> str:
    if issubclass(cls, Component):
        return unknown("parameter", key, known, of=f" of {cls.kind} '{cls.name}'")
    return unknown("key", key, known)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _refuse_unmet(
    value: Any, field: dataclasses.Field[Any], node: Node, problems: Problems, path: str
) -> None:
    """Refuse a component that reads what its slot cannot give."""
    if value is MISSING or "gives" not in field.metadata:
        return
    given = field.metadata["gives"]
    for part in parts(value):
        unmet = " and ".join(sorted(part.requires - given))
        if unmet:
            known = f"the {' and the '.join(sorted(given))}" if given else "expression only"
            message = f"{part.name} needs the {unmet}, which is not known yet here (known: {known})"
            problems.add(node.place, path, message)


def _value(node: Node, annotation: Any, plain_option: Any, problems: Problems, path: str) -> Any:
    if plain_option is not None and not _has_mapping(node) and _fits(node, plain_option):
        return _adapter(plain_option).validate_json(_json(node), strict=True)
    shown = _json(node)
    shown = shown if len(shown) < 60 else shown[:57] + "..."
    problems.add(node.place, path, f"must be {wanted(annotation)}, not {shown}")
    return MISSING


def _has_mapping(node: Node) -> bool:
    return isinstance(node.value, dict)


def _json(node: Node) -> str:
    return json.dumps(plain(node), ensure_ascii=False)


def _fits(node: Node, option: Any) -> bool:
    try:
        _adapter(option).validate_json(_json(node), strict=True)
    except ValidationError:
        return False
    return True


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
