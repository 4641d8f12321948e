"""Operations on the edges of a cell graph, with their gradients."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from scgnn.components.encoders.dgl_backend import load_dgl

Graph = Any  # a MessageGraph, whose module imports this one
SUM_MODE, MAX_MODE = 0, 2  # of torch.embedding_bag
EDGES_PER_BLOCK = 2**22  # whose ends are multiplied at a time
LEAKY_SLOPE = 0.2  # of attention layers


def sum_rows(x: Tensor, index: Tensor, indptr: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the sums over segments of rows of ``x``, selected by ``index``.

    Parameters
    ----------
    x
        Rows x width, or rows x heads x width.
    index, indptr
        Row of each item, and where the items of each segment begin.
    weights
        Weight of each item, or of each item and head; None sums without weights.
    """
    if weights is not None and weights.dim() == 2:
        heads = [sum_rows(x[:, k], index, indptr, weights[:, k]) for k in range(x.shape[1])]
        return torch.stack(heads, 1)
    if weights is not None:
        weights = weights.contiguous()
    # detached: the kernel keeps more for a gradient, which is computed here
    rows = x.detach().flatten(1).contiguous()
    settings = False, SUM_MODE, False, weights, True
    out = torch.embedding_bag(rows, index, indptr, *settings)[0]
    return out if x.dim() == 2 else out.unflatten(1, x.shape[1:])


def gather(x: Tensor, cells: Tensor) -> Tensor:
    """Return ``x[cells]`` of any number of dimensions, in a third of the time of indexing."""
    return x.flatten(1).contiguous().index_select(0, cells).unflatten(1, x.shape[1:])


def add_ends(graph: Graph, source: Tensor, target: Tensor, edges: slice) -> Tensor:
    """Return ``source_j + target_i`` for a range of edges."""
    return gather(source, graph.sources[edges]).add_(gather(target, graph.targets[edges]))


def multiply_ends(graph: Graph, source: Tensor, target: Tensor) -> Tensor:
    """Return ``Σ_d source_jd · target_id`` for each edge, the sum over the last dimension."""
    if graph.backend == "dgl":
        products = load_dgl().ops.u_dot_v(graph.dgl_graph, source.contiguous(), target.contiguous())
        return products.squeeze(-1)
    if source.device.type == "cpu":
        by_head = (x.reshape(graph.n_cells, -1, x.shape[-1]).unbind(1) for x in (target, source))
        multiply = partial(torch.sparse.sampled_addmm, graph.pattern, beta=0.0)
        products = torch.stack(
            [multiply(t, s.T).values() for t, s in zip(*by_head, strict=True)], 1
        )
        return products.view(-1, *source.shape[1:-1])
    return multiply_blocks(graph, source.contiguous(), target.contiguous())


def multiply_blocks(graph: Graph, source: Tensor, target: Tensor) -> Tensor:
    """Return what :func:`multiply_ends` returns, on any device."""
    blocks = zip(*(c.split(EDGES_PER_BLOCK) for c in (graph.sources, graph.targets)), strict=True)
    with torch.autocast(source.device.type, enabled=False):
        products = [
            torch.einsum("...d,...d->...", gather(source, j), gather(target, i)) for j, i in blocks
        ]
    return torch.cat(products) if products else source.new_zeros(0, *source.shape[1:-1])


class SumNeighbors(torch.autograd.Function):
    """``Σ_j w_ij x_j`` over the edges from cells j to each cell i."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor | None, graph: Graph) -> Tensor:
        ctx.graph = graph
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weights)
        return sum_rows(x, graph.sources, graph.indptr, weights)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, weights) = grad_outputs, ctx.saved_tensors
        of_x = of_weights = None
        if ctx.needs_input_grad[0]:
            of_x = ctx.graph.sum_targets(gradient, weights, not ctx.needs_input_grad[1])
        if ctx.needs_input_grad[1]:
            of_weights = multiply_ends(ctx.graph, x, gradient)
        return of_x, of_weights, None


class MaxNeighbors(torch.autograd.Function):
    """The maximum of ``w_ij x_j`` over the neighbors j of each cell; 0 without neighbors."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Graph) -> Tensor:
        messages, rows = x.contiguous(), graph.sources
        if graph.weights is not None:
            messages, rows = gather(x, rows).mul_(graph.weights[:, None]), graph.edges
        settings = graph.indptr, False, MAX_MODE, False, None, True
        largest, _, _, row = torch.embedding_bag(messages, rows, *settings)
        ctx.graph = graph
        ctx.save_for_backward(row)
        return largest

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (gradient,), (row,), graph = grad_outputs, ctx.saved_tensors, ctx.graph
        of_x = gradient.new_zeros(gradient.shape)
        if not len(graph.sources):
            return of_x, None
        has_neighbors = graph.degree[:, None] > 0
        row, gradient = torch.where(has_neighbors, row, 0), torch.where(has_neighbors, gradient, 0)
        if graph.weights is not None:
            row, gradient = graph.sources.take(row), gradient * graph.weights.take(row)
        if gradient.device.type == "cpu":
            return of_x.scatter_add_(0, row, gradient), None
        # of one dimension, which is deterministic on a GPU
        width = gradient.shape[1]
        index = (row * width + torch.arange(width, device=row.device)).flatten()
        return of_x.flatten().scatter_add_(0, index, gradient.flatten()).view_as(of_x), None


class AddEnds(torch.autograd.Function):
    """``source_j + target_i`` for each edge from cell j to cell i."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        return add_ends(graph, source, target, slice(None))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,) = grad_outputs
        return ctx.graph.sum_edges_by_source(gradient), ctx.graph.sum_edges(gradient), None


class MultiplyEnds(torch.autograd.Function):
    """``source_j · target_i`` for each edge from cell j to cell i, by head."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        ctx.save_for_backward(source, target)
        return multiply_ends(graph, source, target)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,), (source, target), graph = grad_outputs, ctx.saved_tensors, ctx.graph
        of_target = sum_rows(source, graph.sources, graph.indptr, gradient)
        return graph.sum_targets(target, gradient), of_target, None


class ScoreEnds(torch.autograd.Function):
    """``LeakyReLU(source_j + target_i) W`` for each edge from cell j to cell i.

    Sums of ends, edges x width, exist for a block of edges only, and again for the gradient.
    """

    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, weight: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        ctx.save_for_backward(source, target, weight)
        scores = source.new_empty(len(graph.sources), weight.shape[1])
        with torch.autocast(source.device.type, enabled=False):
            for _, edges in graph.blocks:
                ends = add_ends(graph, source, target, edges)
                torch.mm(functional.leaky_relu_(ends, LEAKY_SLOPE), weight, out=scores[edges])
        return scores

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (source, target, weight), graph = grad_outputs, ctx.saved_tensors, ctx.graph
        of_ends = source.new_empty(len(graph.sources), source.shape[1])
        of_target, of_weight = torch.empty_like(target), torch.zeros_like(weight)
        transposed = weight.T.contiguous()
        with torch.autocast(source.device.type, enabled=False):
            for cells, edges in graph.blocks:
                ends = add_ends(graph, source, target, edges)
                of_weight.addmm_(functional.leaky_relu(ends, LEAKY_SLOPE).T, gradient[edges])
                of_sums = torch.mm(gradient[edges], transposed, out=of_ends[edges])
                torch.ops.aten.leaky_relu_backward.grad_input(
                    of_sums, ends, LEAKY_SLOPE, False, grad_input=of_sums
                )
                indptr = graph.indptr[cells.start : cells.stop + 1] - edges.start
                numbers = graph.edges[: edges.stop - edges.start]
                of_target[cells] = sum_rows(of_ends[edges], numbers, indptr)
        return graph.sum_edges_by_source(of_ends), of_target, of_weight, None


class SoftmaxEdges(torch.autograd.Function):
    """The softmax of scores over the edges into each cell."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, graph: Graph) -> Tensor:
        largest = torch.segment_reduce(scores, "max", offsets=graph.indptr, unsafe=True)
        out = (scores - gather(largest, graph.targets)).exp_()
        out /= gather(graph.sum_edges(out), graph.targets)
        ctx.graph = graph
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (gradient,), (out,), graph = grad_outputs, ctx.saved_tensors, ctx.graph
        weighted = out * gradient
        total = gather(graph.sum_edges(weighted), graph.targets)
        return weighted.addcmul_(out, total, value=-1), None
