"""Every kind of component and the implementations that come with scgnn, one file a kind."""

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
