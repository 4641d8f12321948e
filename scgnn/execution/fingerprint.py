"""Fingerprints of code: hashes of this package, of the libraries it uses, and of plug-ins."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import scgnn
from scgnn.registry.component import Component
from scgnn.registry.introspection import get_module_file, is_builtin, iter_components

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "dgl", "igraph", "leidenalg")


def digest(*chunks: Any) -> str:
    """Return a hash of texts and buffers, each prefixed with its length."""
    result = hashlib.blake2b(digest_size=16)
    for chunk in chunks:
        data = memoryview(chunk.encode() if isinstance(chunk, str) else chunk)
        data = data.cast("B") if data.nbytes else memoryview(b"")  # empty ones cannot be cast
        result.update(len(data).to_bytes(8, "big"))
        result.update(data)
    return result.hexdigest()


def library_versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of libraries, or ``not installed``."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


@cache
def code_fingerprint() -> str:
    """Return a hash of the source of this package and the versions of numerical libraries."""
    versions = (f"{name} {version}" for name, version in library_versions().items())
    return digest(*versions, _hash_package_source(Path(str(scgnn.__file__)).parent))


def third_party_sources(component: Component) -> list[str]:
    """Return the source, or a hash of the package, of each third-party class in a component."""
    return [get_class_source(cls) for cls in third_party_classes(component)]


def third_party_classes(component: Component) -> list[type]:
    """Return the third-party classes in a component, those that they derive from included."""
    classes = {base for part in iter_components(component) for base in type(part).__mro__}
    classes = {cls for cls in classes if issubclass(cls, Component) and not is_builtin(cls)}
    return sorted(classes, key=lambda cls: cls.__qualname__)


def get_class_source(cls: type) -> str:
    """Return the hash of a class's package, else its module's source, else its bytecode."""
    names = cls.__module__.split(".")
    for end in range(1, len(names) + 1):  # the outermost with a file: namespaces have none
        file = Path(get_module_file(".".join(names[:end])))
        if file.name == "__init__.py":
            return _hash_package_source(file.parent)
        if file.suffix == ".py":
            return file.read_text(encoding="utf-8")
    # defined in a notebook or shell
    members = (getattr(member, "__func__", member) for member in vars(cls).values())
    members = (getattr(member, "fget", member) for member in members)
    codes = (getattr(member, "__code__", None) for member in members)
    return repr([_describe_code(code) for code in codes if code])


def _describe_code(code: CodeType) -> tuple[Any, ...]:
    """Return what a function computes, without its place; the same in every process."""
    constants: list[Any] = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_describe_code(constant))
        else:
            is_set = isinstance(constant, frozenset)
            constants.append(sorted(map(repr, constant)) if is_set else repr(constant))
    return code.co_code, constants, code.co_names


@cache
def _hash_package_source(folder: Path) -> str:
    """Return a hash of all code in a folder, compiled extensions included."""
    files = sorted(path for end in ("py", "so", "pyd") for path in folder.rglob(f"*.{end}"))
    return digest(*(path.read_bytes() for path in files))
