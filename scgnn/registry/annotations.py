"""Annotations of fields: which values a recipe may set, and their description in messages."""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import types
import typing
from functools import cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen

from scgnn.field_types import FAR_BOUNDS
from scgnn.registry.component import Component

BOUNDS = {Gt: "above", Ge: "of at least", Lt: "below", Le: "at most"}
PLAIN_TYPES: dict[Any, str] = {int: "an integer", float: "a number", str: "text"}
PLAIN_TYPES |= {bool: "true or false", type(None): "null"}
KIND_NOUNS = {"stop": "stopping rule"}  # where it is not the name of the kind


class Description(NamedTuple):
    """Metadata of an annotation: its text in messages."""

    text: str


class FieldType(NamedTuple):
    """Options of an annotation by the values that they accept, each None if there is none.

    Attributes
    ----------
    kind
        Kind of component.
    record
        Another dataclass.
    item, value
        Type of the items of a list, and of the values of a mapping with free keys, where these
        are not plain data.
    plain
        Union of all other options.
    min_length
        Least length of such a list or mapping.
    """

    kind: type[Component] | None
    record: type | None
    item: Any
    value: Any
    plain: Any
    min_length: int = 0


@cache
def resolve_type_hints(cls: type) -> dict[str, Any]:
    """Return the annotations of a class with their metadata."""
    return typing.get_type_hints(cls, include_extras=True)


@cache
def classify(annotation: Any) -> FieldType:
    """Return the options of an annotation."""
    options: dict[str, Any] = dict.fromkeys(("kind", "record", "item", "value", "plain"))
    plain = []
    for option in _expand_union(annotation):
        metadata = getattr(option, "__metadata__", ())
        bare = option.__origin__ if metadata else option
        origin, args = get_origin(bare), get_args(bare)
        if isinstance(bare, type) and issubclass(bare, Component):
            options["kind"] = bare
        elif dataclasses.is_dataclass(bare):
            options["record"] = bare
        elif origin is tuple and args[1:] == (...,) and not _is_plain(args[0]):
            options["item"] = args[0]
        elif origin is collections.abc.Mapping and not _is_plain(args[1]):
            options["value"] = args[1]
        else:
            plain.append(option)
            continue
        lengths = [entry.min_length for entry in metadata if isinstance(entry, MinLen)]
        options["min_length"] = max(lengths, default=0)
    if plain:
        options["plain"] = Union[tuple(plain)]  # noqa: UP007
    return FieldType(**options)


def _is_plain(annotation: Any) -> bool:
    return classify(annotation)[:4] == (None, None, None, None)


def _expand_union(annotation: Any) -> tuple[Any, ...]:
    union = annotation.__origin__ if _get_description(annotation) else annotation
    if get_origin(union) in (Union, types.UnionType):
        return tuple(inner for option in get_args(union) for inner in _expand_union(option))
    return (annotation,)


def _get_description(annotation: Any) -> str:
    metadata = getattr(annotation, "__metadata__", ())
    return next((entry.text for entry in metadata if isinstance(entry, Description)), "")


def describe_type(annotation: Any, has_far_bounds: bool = False) -> str:
    """Return an annotation as text, such as 'a positive integer' or 'one of relu, elu'.

    Parameters
    ----------
    annotation
        Annotation of a field.
    has_far_bounds
        Whether the text includes bounds that are far beyond any use.
    """
    options = (
        _get_description(option) or _describe_option(option, has_far_bounds)
        for option in _expand_union(annotation)
    )
    return _get_description(annotation) or " or ".join(options)


def _describe_option(option: Any, has_far_bounds: bool) -> str:
    origin, args = get_origin(option), get_args(option)
    if hasattr(option, "__metadata__"):
        metadata = option.__metadata__
        bounds = [m for m in metadata if has_far_bounds or m not in FAR_BOUNDS]
        return _describe_range(describe_type(args[0], has_far_bounds), bounds)
    if origin is Literal:
        return str(args[0]) if len(args) == 1 else f"one of {', '.join(map(str, args))}"
    if origin is tuple and args[1:] == (...,):
        suffix = "" if _is_plain(args[0]) else " ([] for none)"
        return f"a list{_describe_items(describe_type(args[0], has_far_bounds))}{suffix}"
    if isinstance(option, type) and issubclass(option, Component):
        noun = KIND_NOUNS.get(option.kind, option.kind.replace("_", " "))
        return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    return "a mapping" if dataclasses.is_dataclass(option) else PLAIN_TYPES.get(option, str(option))


def _describe_items(item: str) -> str:
    single = None if " or " in item else re.fullmatch(r"an? (.+?)((?: above| of) .*)?", item)
    return f" of {single[1]}s{single[2] or ''}" if single else f", each {item}"


def _describe_range(text: str, metadata: collections.abc.Sequence[Any]) -> str:
    if any(isinstance(entry, MinLen) for entry in metadata):
        return text.replace("a list", "a non-empty list", 1)
    bounds = [entry for entry in metadata if type(entry) in BOUNDS]
    texts = [f"{BOUNDS[type(b)]} {getattr(b, type(b).__name__.lower())}" for b in bounds]
    text = f"{text} {' and '.join(texts)}" if texts else text
    return text.replace("an integer above 0", "a positive integer")
