"""Changes of trees: merged mappings, and values assigned at dotted paths."""

from __future__ import annotations

from collections.abc import Callable

from scgnn.recipe.yaml_tree import Node, SourceLocation, make_error, to_plain


def raise_problem(location: SourceLocation, path: str, message: str) -> None:
    """Raise RecipeError for a mistake in the setting at a dotted path."""
    raise make_error(location, f"{path}: {message}" if path else message)


def merge(
    base: Node,
    override: Node,
    report: Callable[[SourceLocation, str, str], None] = raise_problem,
    path: str = "",
) -> Node:
    """Merge ``override`` into ``base``: mappings key by key, everything else is replaced.

    The name of a component is short for a mapping with that name. A mapping that changes the name
    starts from the defaults of that component: it replaces ``base``. A mapping without ``name``
    changes entries of a list by their component name or position; null removes a component.

    Parameters
    ----------
    base
        Value to change.
    override
        Changes.
    report
        Receives the location, the path and the description of each change of an entry that a list
        does not have.
    path
        Dotted path of the value.
    """
    names = base.name, override.name
    if isinstance(base.value, str) and isinstance(override.value, dict):
        base = Node({"name": base}, base.location)
    if isinstance(override.value, str) and isinstance(base.value, dict) and names[0] is not None:
        override = Node({"name": override}, override.location)
    if not isinstance(override.value, dict) or not isinstance(base.value, dict | list):
        return override
    if names[1] is not None and names[0] != names[1]:
        return override
    is_list, merged = isinstance(base.value, list), base.value.copy()
    if is_list and ("name" in override.value or not override.value):
        return override
    removed = set()
    for key, value in override.value.items():
        child_path = f"{path}.{key}".lstrip(".")
        try:
            index = find_entry(base, key) if is_list else key
        except ValueError as error:
            report(value.location, path, str(error))
            continue
        if is_list and _is_removal(base.value[index], value):
            removed.add(index)
        elif is_list or key in merged:
            merged[index] = merge(merged[index], value, report, child_path)
        else:
            merged[index] = value
    if removed:
        merged = [item for i, item in enumerate(merged) if i not in removed]
    return Node(merged, override.location)


def _is_removal(entry: Node, value: Node) -> bool:
    """Return whether a value removes an entry of a list: null in place of a component."""
    return value.value is None and entry.name is not None


def find_entry(node: Node, key: str) -> int:
    """Return the index of the entry of a list with a position or component name.

    Raises
    ------
    ValueError
        There is no such entry, or more than one.
    """
    indices = [i for i, item in enumerate(node.value) if key in (str(i), item.name)]
    if len(indices) == 1:
        return indices[0]
    known = ", ".join(str(item.name or to_plain(item)) for item in node.value) or "empty"
    if not indices:
        raise ValueError(f"no entry '{key}' in the list ({known})")
    positions = " or ".join(map(str, indices))
    problem = f"several entries '{key}' in the list ({known})"
    raise ValueError(f"{problem}; use a position instead of the name: {positions}")


def assign(node: Node, path: str, value: Node) -> Node:
    """Merge a value into a tree at a dotted path such as ``pipeline.graph_builder.n_neighbors``.

    An entry of a list is addressed by its position or its component name.

    Raises
    ------
    RecipeError
        The path or a mapping addresses an entry that a list does not have.
    """
    key, _, rest = path.partition(".")
    if isinstance(node.value, list):
        try:
            i = find_entry(node, key)
        except ValueError as error:
            raise make_error(value.location, str(error)) from None
        entry, before, after = node.value[i], node.value[:i], node.value[i + 1 :]
        if not rest and _is_removal(entry, value):
            return Node([*before, *after], node.location)
        changed = assign(entry, rest, value) if rest else merge(entry, value, _raise_without_path)
        return Node([*before, changed, *after], node.location)
    child = node.get(key) or Node({}, value.location)
    override = Node({key: assign(child, rest, value) if rest else value}, value.location)
    return merge(node, override, _raise_without_path)


def _raise_without_path(location: SourceLocation, path: str, message: str) -> None:  # noqa: ARG001
    raise make_error(location, message)  # whose location names the path
