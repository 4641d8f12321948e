"""What decoders keep to."""

from __future__ import annotations

import torch
from torch import Tensor

from scgnn.components.decoders import Decoder, GraphDecoder
from scgnn.testing.check import check, demand
from scgnn.testing.edge_cases import N_GENES, WIDTH, cells
from scgnn.testing.encoders import unreached
from scgnn.testing.exercise import decode, decoder_network, latent, mirrored, target


def _decoded(decoder: Decoder) -> tuple[Tensor, Tensor, Tensor]:
    """An embedding, the expression or the embedding that comes back, and the loss."""
    decoder = mirrored(decoder)
    z = latent(decoder, cells()).requires_grad_()
    output, loss = decode(decoder, decoder_network(decoder).train(), z, cells())
    if isinstance(decoder, GraphDecoder):
        return z, decoder.embedding(output), loss
    return z, decoder.mean(output, target(decoder, cells())), loss


@check("decoder")
def check_says_what_it_rebuilds(decoder: Decoder) -> None:
    """Its target is features or graph; one of the graph is a GraphDecoder."""
    demand(decoder.target in ("features", "graph"), f"target is '{decoder.target}'")
    of_graphs = isinstance(decoder, GraphDecoder)
    demand(
        of_graphs == (decoder.target == "graph"),
        f"target is '{decoder.target}', but the class is {'a' if of_graphs else 'no'} GraphDecoder",
    )


@check("decoder")
def check_rebuilds_the_shape(decoder: Decoder) -> None:
    """Expression comes back as cells x genes; a graph decoder hands on cells x width."""
    _, rebuilt, _ = _decoded(decoder)
    wanted = len(cells().x), WIDTH if decoder.target == "graph" else N_GENES
    demand(
        tuple(rebuilt.shape) == wanted,
        f"what comes back is {' x '.join(map(str, rebuilt.shape))}, not {wanted[0]} x {wanted[1]}",
    )
    demand(bool(rebuilt.isfinite().all()), "what comes back is not finite")


@check("decoder")
def check_loss_is_a_number_from_zero_up(decoder: Decoder) -> None:
    """Its loss is a scalar, finite and not negative."""
    _, _, loss = _decoded(decoder)
    demand(loss.dim() == 0, f"the loss has shape {tuple(loss.shape)}; it must be one number")
    demand(bool(loss.isfinite()), f"the loss is {loss.item()}")
    demand(loss.item() >= 0, f"the loss is {loss.item():.4g}, below 0")


@check("decoder")
def check_loss_can_be_followed(decoder: Decoder) -> None:
    """Its loss has a finite gradient in the embedding."""
    z, _, loss = _decoded(decoder)
    demand(loss.requires_grad, "the loss has no gradient; stay within torch")
    (gradient,) = torch.autograd.grad(loss, z, allow_unused=True)
    demand(gradient is not None and gradient.any(), "the loss does not depend on the embedding")
    demand(bool(gradient.isfinite().all()), "the gradient is not finite")


@check("decoder")
def check_a_gradient_reaches_every_weight(decoder: Decoder) -> None:
    """Each weight has a part in the loss."""
    decoder = mirrored(decoder)
    module = decoder_network(decoder).train()
    for scale in (1.0, -1.0, 5.0):  # a unit may be dead for some inputs
        _, loss = decode(decoder, module, scale * latent(decoder, cells()), cells())
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
    left = unreached(module)
    demand(not left, f"no gradient reaches {', '.join(left)}")
