"""What identifies code: hashes of this package, of the libraries below it, and of plug-ins."""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
from functools import cache
from pathlib import Path
from typing import Any

import scgnn
from scgnn.registry.component import Component
from scgnn.registry.introspection import is_builtin, iter_components


def digest(*chunks: Any) -> str:
    """A hash of texts and buffers, each with its length."""
    hashed = hashlib.blake2b(digest_size=16)
    for word in chunks:
        data = word.encode() if isinstance(word, str) else memoryview(word).cast("B")
        hashed.update(len(data).to_bytes(8, "big"))
        hashed.update(data)
    return hashed.hexdigest()


@cache
def code_fingerprint() -> str:
    """A hash of this package's source and of the libraries that decide its numbers."""
    libraries = ("numpy", "scipy", "scikit-learn", "torch", "dgl", "igraph", "leidenalg")
    return digest(
        *(f"{name} {importlib.metadata.version(name)}" for name in libraries),
        _hash_package_source(Path(str(scgnn.__file__)).parent),
    )


def third_party_sources(component: Component) -> list[str]:
    """What identifies the code of components that are not this package's own."""
    found = {base for part in iter_components(component) for base in type(part).__mro__}
    outside = {cls for cls in found if issubclass(cls, Component) and not is_builtin(cls)}
    return [_get_class_source(cls) for cls in sorted(outside, key=lambda cls: cls.__qualname__)]


def _get_class_source(cls: type) -> str:
    """A class's file, its whole package where it is in one, or else its code."""
    words = cls.__module__.split(".")
    for end in range(1, len(words) + 1):  # the outermost that has a file: namespaces have none
        file = getattr(sys.modules.get(".".join(words[:end])), "__file__", None)
        if file and Path(file).name == "__init__.py":
            return _hash_package_source(Path(file).parent)
        if file and Path(file).suffix == ".py":
            return Path(file).read_text(encoding="utf-8")
    # written in a notebook or a shell
    codes = (getattr(member, "__code__", None) for member in vars(cls).values())
    return repr([(code.co_code, code.co_consts, code.co_names) for code in codes if code])


@cache
def _hash_package_source(folder: Path) -> str:
    """A hash of all code below a folder, compiled code included."""
    files = sorted(path for end in ("py", "so", "pyd") for path in folder.rglob(f"*.{end}"))
    return digest(*(path.read_bytes() for path in files))
