"""What decoders keep to."""

from __future__ import annotations

import torch
from torch import Tensor

from scgnn.components.decoders import Decoder, GraphDecoder
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import EMBEDDING_DIM, N_GENES, make_cells
from scgnn.testing.encoders import find_weights_without_gradient
from scgnn.testing.exercise import (
    build_decoder_network,
    decode,
    make_latent,
    make_target,
    mirror_encoder,
)


def _run_decoder(decoder: Decoder) -> tuple[Tensor, Tensor, Tensor]:
    """An embedding, the expression or the embedding that comes back, and the loss."""
    decoder = mirror_encoder(decoder)
    z = make_latent(decoder, make_cells()).requires_grad_()
    output, loss = decode(decoder, build_decoder_network(decoder).train(), z, make_cells())
    if isinstance(decoder, GraphDecoder):
        return z, decoder.extract_embedding(output), loss
    return z, decoder.reconstruct(output, make_target(decoder, make_cells())), loss


@register_check("decoder")
def check_declares_target(decoder: Decoder) -> None:
    """Its target is features or graph; one of the graph is a GraphDecoder."""
    require(decoder.target in ("features", "graph"), f"target is '{decoder.target}'")
    of_graphs = isinstance(decoder, GraphDecoder)
    require(
        of_graphs == (decoder.target == "graph"),
        f"target is '{decoder.target}', but the class is {'a' if of_graphs else 'no'} GraphDecoder",
    )


@register_check("decoder")
def check_output_has_expected_shape(decoder: Decoder) -> None:
    """Expression comes back as cells x genes; a graph decoder hands on cells x width."""
    _, rebuilt, _ = _run_decoder(decoder)
    wanted = len(make_cells().x), EMBEDDING_DIM if decoder.target == "graph" else N_GENES
    require(
        tuple(rebuilt.shape) == wanted,
        f"what comes back is {' x '.join(map(str, rebuilt.shape))}, not {wanted[0]} x {wanted[1]}",
    )
    require(bool(rebuilt.isfinite().all()), "what comes back is not finite")


@register_check("decoder")
def check_loss_is_nonnegative_scalar(decoder: Decoder) -> None:
    """Its loss is a scalar, finite and not negative."""
    _, _, loss = _run_decoder(decoder)
    require(loss.dim() == 0, f"the loss has shape {tuple(loss.shape)}; it must be one number")
    require(bool(loss.isfinite()), f"the loss is {loss.item()}")
    require(loss.item() >= 0, f"the loss is {loss.item():.4g}, below 0")


@register_check("decoder")
def check_loss_is_differentiable(decoder: Decoder) -> None:
    """Its loss has a finite gradient in the embedding."""
    z, _, loss = _run_decoder(decoder)
    require(loss.requires_grad, "the loss has no gradient; stay within torch")
    (gradient,) = torch.autograd.grad(loss, z, allow_unused=True)
    require(gradient is not None and gradient.any(), "the loss does not depend on the embedding")
    require(bool(gradient.isfinite().all()), "the gradient is not finite")


@register_check("decoder")
def check_all_weights_receive_gradients(decoder: Decoder) -> None:
    """Each weight has a part in the loss."""
    decoder = mirror_encoder(decoder)
    module = build_decoder_network(decoder).train()
    for scale in (1.0, -1.0, 5.0):  # a unit may be dead for some inputs
        _, loss = decode(decoder, module, scale * make_latent(decoder, make_cells()), make_cells())
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
    left = find_weights_without_gradient(module)
    require(not left, f"no gradient reaches {', '.join(left)}")
