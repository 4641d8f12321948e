"""What an encoder is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from scipy import sparse

from scgnn.field_types import Widths
from scgnn.registry.component import Component
from scgnn.state import Matrix

if TYPE_CHECKING:
    from torch import nn


class Encoder(Component, kind="encoder"):
    """Turns cells into vectors, with or without the graph.

    ``build(n_features)`` gives a module whose ``forward(graph, x)`` maps features, cells x
    n_features, to an embedding, cells x ``width(n_features)``. That of a ``variational`` one is a
    :class:`scgnn.components.encoders.Posterior`. The last number of ``hidden`` is the width of the
    embedding; one without ``hidden`` says its width in ``width`` and ``widened``. ``graph`` is the
    scipy matrix that the graph builder gave, in the form that :meth:`graph` makes of it once; only
    an encoder with ``requires = frozenset({"graph"})`` gets one.
    """

    variational: ClassVar[bool] = False

    hidden: Widths

    def build(self, n_features: int) -> nn.Module:
        """A new module with fresh weights, drawn from torch's generator."""
        raise NotImplementedError

    def embedding_width(self, n_features: int) -> int:
        """How many numbers a cell is turned into."""
        return self.hidden[-1]

    def replace_width(self, width: int) -> Encoder:
        """The same encoder with an embedding of another width.

        Raises
        ------
        ValueError
            It has no width of its own.
        """
        if not isinstance(getattr(self, "hidden", None), tuple):
            raise ValueError(
                f"{self.name} has no hidden, a tuple with the width of each layer; give it one, or "
                "set graph_decoder.variational: false"
            )
        return replace(self, hidden=(*self.hidden[:-1], width))  # type: ignore[type-var]

    def prepare(self, module: nn.Module, x: Matrix, seed: int) -> None:
        """Set what is computed from ``x`` rather than trained. Most encoders have nothing to do."""

    def prepare_graph(self, graph: sparse.csr_matrix | None) -> Any:
        """The cell graph in the form that ``forward`` wants; by default as it is."""
        return graph
