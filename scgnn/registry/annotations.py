"""annotations"""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen

from scgnn.registry.component import Component


@cache
def resolve_type_hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def expand_union(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for option in get_args(annotation) for inner in expand_union(option))
    return (annotation,)


def is_component_type(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, Component)


def is_plain_dataclass(option: Any) -> bool:
    return dataclasses.is_dataclass(option) and not is_component_type(option)


def get_item_type(option: Any) -> Any:
    """X of ``tuple[X, ...]`` where X is or may be a component, else None."""
    args = get_args(option)
    many = get_origin(option) is tuple and len(args) == 2 and args[1] is Ellipsis
    return args[0] if many and any(map(is_component_type, expand_union(args[0]))) else None


def _plain_data_type(options: tuple[Any, ...]) -> Any:
    """The union of the options that are plain data, None when there is none."""
    rest = [
        option
        for option in options
        if not (
            is_component_type(option)
            or is_plain_dataclass(option)
            or get_item_type(option) is not None
        )
        and option is not type(None)
    ]
    return Union[tuple(rest)] if rest else None  # noqa: UP007


def describe_type(annotation: Any) -> str:
    """A type in words: 'a whole number above 0', 'one of mean_std, none'."""
    return " or ".join(_describe_member(option) for option in expand_union(annotation))


def _describe_member(option: Any) -> str:
    origin, args = get_origin(option), get_args(option)
    if hasattr(option, "__metadata__"):
        return f"{_describe_member(args[0])}{_describe_range(option.__metadata__)}"
    if origin is Literal:
        return str(args[0]) if len(args) == 1 else f"one of {', '.join(map(str, args))}"
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        none = " ([] for none)" if get_item_type(option) is not None else ""
        return f"a list, each {describe_type(args[0])}{none}"
    if is_component_type(option):
        return f"{'an' if option.kind[0] in 'aeiou' else 'a'} {option.kind}"
    if is_plain_dataclass(option):
        return "a mapping"
    words: dict[Any, str] = {int: "a whole number", float: "a number", str: "text"}
    return {**words, bool: "true or false", type(None): "null"}.get(option, str(option))


def _describe_range(metadata: tuple[Any, ...]) -> str:
    if any(isinstance(m, MinLen) for m in metadata):
        return " (at least one)"
    low = next((f"above {m.gt}" for m in metadata if isinstance(m, Gt)), "")
    low = low or next((f"at least {m.ge}" for m in metadata if isinstance(m, Ge)), "")
    high = next((f"below {m.lt}" for m in metadata if isinstance(m, Lt)), "")
    high = high or next((f"at most {m.le}" for m in metadata if isinstance(m, Le)), "")
    return " " + " and ".join(part for part in (low, high) if part) if low or high else ""
