"""Checks of encoders."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.components.encoders import Encoder
from scgnn.seeding import use_torch_seed
from scgnn.testing.check import register_check, require, require_finite, require_shape
from scgnn.testing.edge_cases import N_CELLS, N_GENES, SyntheticCells, make_cells, make_few_cells
from scgnn.testing.exercise import build_encoder_network, encode
from scgnn.training.fit import from_arrays, to_arrays

ALTERNATIVE_SETTINGS = {"dropout": 0.5, "normalization": "layer", "activation": "tanh"}


def _embed(encoder: Encoder, cells: SyntheticCells, seed: int = 1) -> Tensor:
    """Embed cells by a new network in eval mode."""
    module = build_encoder_network(encoder, make_cells()).eval()
    with torch.no_grad():
        return encode(encoder, module, cells, seed)


@register_check("encoder")
def check_embedding_has_declared_width(encoder: Encoder) -> None:
    """Check that the embedding is cells x width, float32 and finite."""
    z = _embed(encoder, make_cells())
    require_shape(z.shape, (N_CELLS, encoder.embedding_width(N_GENES)), "embedding")
    require(z.dtype == torch.float32, f"the embedding is {z.dtype}, not torch.float32")
    require_finite(z, "the embedding")


def find_weights_without_gradient(module: nn.Module) -> list[str]:
    """Return the names of the weights whose gradient is missing or 0."""
    return [
        name
        for name, weight in module.named_parameters()
        if weight.requires_grad and (weight.grad is None or not weight.grad.any())
    ]


@register_check("encoder")
def check_all_weights_receive_gradients(encoder: Encoder) -> None:
    """Check that every weight contributes to the embedding."""
    module = build_encoder_network(encoder, make_cells()).train()
    for seed in range(3):  # gradients accumulate: a unit may be dead for one seed
        z = encode(encoder, module, make_cells(), seed)
        if not z.requires_grad:
            break
        with use_torch_seed(seed):
            (z * torch.randn(z.shape)).sum().backward()  # type: ignore[no-untyped-call]
    names = find_weights_without_gradient(module)
    require(not names, f"no gradient reaches {', '.join(names)}")


@register_check("encoder")
def check_forward_does_not_modify_inputs(encoder: Encoder) -> None:
    """Check that a forward pass does not modify its input."""
    cells = make_cells()
    module = build_encoder_network(encoder, cells)
    for training in (True, False):
        x = torch.from_numpy(cells.x.copy())
        with torch.no_grad(), use_torch_seed(1):
            module.train(training)(encoder.prepare_graph(cells.graph), x)
        unchanged = np.array_equal(x.numpy(), cells.x)
        require(unchanged, "the network modifies its input in place; return a new tensor")


@register_check("encoder")
def check_is_deterministic_in_eval_mode(encoder: Encoder) -> None:
    """Check that nothing is random in eval mode."""
    first, second = (_embed(encoder, make_cells(), seed) for seed in (1, 2))
    same = torch.equal(first, second)
    require(same, "two passes in eval mode differ; use self.training or nn.Dropout")


@register_check("encoder")
def check_settings_take_effect(encoder: Encoder) -> None:
    """Check that dropout, normalization and activation, if it has them, change the embedding.

    The latter two act between layers, so they are tested with two or more layers only.
    """
    names = {field.name for field in fields(encoder)} & ALTERNATIVE_SETTINGS.keys()  # type: ignore[arg-type]
    if len(getattr(encoder, "hidden", ())) < 2:
        names &= {"dropout"}
    for name in sorted(names):
        value, default = ALTERNATIVE_SETTINGS[name], getattr(encoder, name)
        if value == default:
            continue
        first, second = (
            encode(e, build_encoder_network(e, make_cells()).train(), make_cells())
            for e in (encoder, replace(encoder, **{name: value}))  # type: ignore[type-var]
        )
        message = f"{name}: {value} has the same result as {default}; use or remove the parameter"
        require(not torch.equal(first, second), message)


@register_check("encoder")
def check_is_permutation_equivariant(encoder: Encoder) -> None:
    """Check that permuting the cells permutes the embedding."""
    order = np.random.default_rng(0).permutation(len(make_cells().x))
    expected = _embed(encoder, make_cells())[torch.from_numpy(order)]
    z = _embed(encoder, make_cells().take(order))
    same = torch.allclose(expected, z, rtol=1e-3, atol=1e-4)
    require(same, "the embedding of a cell depends on the order of the cells")


@register_check("encoder")
def check_accepts_isolated_cells(encoder: Encoder) -> None:
    """Check that cells without neighbors and a single cell have finite embeddings."""
    edgeless = sparse.csr_matrix(make_cells().graph.shape, dtype=np.float32)
    isolated = replace(make_cells(), graph=edgeless)
    for cells, context in ((isolated, "a graph without edges"), (make_few_cells(1), "one cell")):
        z = _embed(encoder, cells)
        require_finite(z, f"{context}: the embedding")
        require_shape(z.shape[:1], cells.clusters.shape, f"{context}, rows of the embedding")


@register_check("encoder")
def check_state_dict_is_complete(encoder: Encoder) -> None:
    """Check that loading its weights into another network reproduces the embedding."""
    source = build_encoder_network(encoder, make_cells(), 1)
    restored = build_encoder_network(encoder, make_few_cells(3), 2)
    from_arrays(restored, to_arrays(source))
    with torch.no_grad():
        first, second = (encode(encoder, m.eval(), make_cells()) for m in (source, restored))
    same = torch.equal(first, second)
    require(same, "state_dict is incomplete; use nn.Parameter or register_buffer")


@register_check("encoder")
def check_supports_other_widths(encoder: Encoder) -> None:
    """Check that its width can be changed, or the refusal gives a reason."""
    width = 2 * encoder.embedding_width(N_GENES)
    try:
        wider = encoder.replace_width(width)
    except ValueError as error:
        require(str(error), "replace_width raises ValueError without a reason")
        return
    declared, actual = wider.embedding_width(N_GENES), _embed(wider, make_cells()).shape[1]
    require(declared == width, f"after replace_width({width}) embedding_width is {declared}")
    require(actual == width, f"after replace_width({width}) the embedding has {actual} columns")
