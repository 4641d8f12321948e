"""Contract of encoders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from scipy.sparse import csr_matrix

from scgnn.field_types import Widths
from scgnn.registry.component import Component
from scgnn.state import Matrix

if TYPE_CHECKING:
    from torch import nn


class Encoder(Component, kind="encoder"):
    """Base class of encoders, which embed cells from their features and possibly the cell graph.

    Attributes
    ----------
    hidden
        Width of each layer, the last of which is the width of the embedding. An encoder without
        it defines :meth:`embedding_width` and :meth:`replace_width`.
    variational
        Whether the network is a :class:`scgnn.components.encoders.networks.GaussianPosterior`.
    """

    variational: ClassVar[bool] = False

    hidden: Widths
    needs_all_cells: ClassVar[str] = "needs all cells; use mlp or vae"

    def build(self, n_features: int) -> nn.Module:
        """Return a new network with random weights, drawn from torch's global generator.

        Parameters
        ----------
        n_features
            Number of input features.

        Returns
        -------
        torch.nn.Module
            Its ``forward(graph, x)`` maps features, cells x n_features, to an embedding, cells x
            ``embedding_width(n_features)``. ``graph`` is the result of :meth:`prepare_graph`, None
            without ``requires = frozenset({"graph"})``.
        """
        raise NotImplementedError(f"{type(self).__name__} must define build()")

    def embedding_width(self, n_features: int) -> int:
        """Return the number of dimensions of the embedding."""
        return self.hidden[-1]

    def replace_width(self, width: int) -> Encoder:
        """Return the same encoder with an embedding of another width.

        Raises
        ------
        ValueError
            If the width cannot be changed.
        """
        if not isinstance(getattr(self, "hidden", None), tuple):
            raise ValueError(
                f"{self.name} has no field 'hidden', a tuple with the width of each layer: add it, "
                "or set graph_decoder.variational: false"
            )
        return replace(self, hidden=(*self.hidden[:-1], width))  # type: ignore[type-var]

    def prepare(self, module: nn.Module, x: Matrix, seed: int) -> None:
        """Set what is computed rather than trained, from features ``x``, cells x n_features."""

    def prepare_graph(self, graph: csr_matrix | None) -> Any:
        """Return the cell graph, cells x cells, in the form that ``forward`` takes.

        A tensor, or another object with a method ``to(device)``, is moved to the device of the
        run; an encoder that returns anything else moves its tensors itself.
        """
        return graph

    def estimate_widths(self, n_features: int) -> tuple[int, ...]:
        """Return the widths of all layers, input first, for the cost estimate."""
        return (n_features, *getattr(self, "hidden", ()))
