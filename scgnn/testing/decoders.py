"""Checks of decoders."""

from __future__ import annotations

import torch
from torch import Tensor

from scgnn.components.decoders import Decoder, GraphDecoder
from scgnn.testing.check import register_check, require, require_finite, require_shape
from scgnn.testing.edge_cases import EMBEDDING_DIM, N_CELLS, N_GENES, make_cells
from scgnn.testing.encoders import find_weights_without_gradient
from scgnn.testing.exercise import (
    build_decoder_network,
    decode,
    make_latent,
    make_target,
    mirror_encoder,
)


def _run_decoder(decoder: Decoder) -> tuple[Tensor, Tensor, Tensor]:
    """Return an embedding, its reconstruction (of a graph decoder: the embedding) and the loss."""
    decoder = mirror_encoder(decoder)
    z = make_latent(decoder, make_cells()).requires_grad_()
    output, loss = decode(decoder, build_decoder_network(decoder).train(), z, make_cells())
    if isinstance(decoder, GraphDecoder):
        return z, decoder.extract_embedding(output), loss
    return z, decoder.reconstruct(output, make_target(decoder, make_cells())), loss


@register_check("decoder")
def check_declares_target(decoder: Decoder) -> None:
    """Check that its target is features or graph, the latter for a GraphDecoder."""
    target, is_graph_decoder = decoder.target, isinstance(decoder, GraphDecoder)
    require(target in ("features", "graph"), f"target is '{target}', not 'features' or 'graph'")
    relation = "derives" if is_graph_decoder else "does not derive"
    message = f"target is '{target}', but the class {relation} from GraphDecoder"
    require(is_graph_decoder == (target == "graph"), message)


@register_check("decoder")
def check_output_has_expected_shape(decoder: Decoder) -> None:
    """Check that the output is cells x genes, of a graph decoder cells x width."""
    _, output, _ = _run_decoder(decoder)
    width = EMBEDDING_DIM if decoder.target == "graph" else N_GENES
    require_shape(output.shape, (N_CELLS, width), "output")
    require_finite(output, "the output")


@register_check("decoder")
def check_loss_is_nonnegative_scalar(decoder: Decoder) -> None:
    """Check that its loss is a finite, nonnegative scalar."""
    _, _, loss = _run_decoder(decoder)
    require_shape(loss.shape, (), "loss")
    require_finite(loss, "the loss")
    require(loss.item() >= 0, f"the loss is {loss.item():.4g}, below 0")


@register_check("decoder")
def check_loss_is_differentiable(decoder: Decoder) -> None:
    """Check that its loss has a finite gradient with respect to the embedding."""
    z, _, loss = _run_decoder(decoder)
    require(loss.requires_grad, "the loss has no gradient; use torch operations only")
    (gradient,) = torch.autograd.grad(loss, z, allow_unused=True)
    require(gradient is not None and gradient.any(), "the loss does not depend on the embedding")
    require_finite(gradient, "the gradient")


@register_check("decoder")
def check_all_weights_receive_gradients(decoder: Decoder) -> None:
    """Check that every weight contributes to the loss."""
    decoder = mirror_encoder(decoder)
    module = build_decoder_network(decoder).train()
    for scale in (1.0, -1.0, 5.0):  # a unit may be dead for some inputs
        _, loss = decode(decoder, module, scale * make_latent(decoder, make_cells()), make_cells())
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
    names = find_weights_without_gradient(module)
    require(not names, f"no gradient reaches {', '.join(names)}")
