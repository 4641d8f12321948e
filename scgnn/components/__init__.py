"""Kinds of components and their implementations, one package or module a kind."""

from scgnn.components import (
    clusterers,
    decoders,
    encoders,
    graph_builders,
    pruners,
    readers,
    regularizers,
    stopping,
    transforms,
)

__all__ = [
    "clusterers",
    "decoders",
    "encoders",
    "graph_builders",
    "pruners",
    "readers",
    "regularizers",
    "stopping",
    "transforms",
]
