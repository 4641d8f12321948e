"""What encoders keep to."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.components.encoders import Encoder
from scgnn.seeding import use_torch_seed
from scgnn.testing.check import register_check, require
from scgnn.testing.edge_cases import N_GENES, SyntheticCells, make_cells, make_few_cells
from scgnn.testing.exercise import build_encoder_network, encode
from scgnn.training.fit import from_arrays, to_arrays


def _compute_embedding(encoder: Encoder, cells: SyntheticCells, seed: int = 1) -> Tensor:
    """A clean forward pass of a new network."""
    module = build_encoder_network(encoder, make_cells()).eval()
    with torch.no_grad():
        return encode(encoder, module, cells, seed)


def _allclose(actual: Tensor, expected: Tensor) -> bool:
    return torch.allclose(actual, expected, rtol=1e-3, atol=1e-4)


@register_check("encoder")
def check_embedding_has_declared_width(encoder: Encoder) -> None:
    """Cells x features become cells x width, floating point and finite."""
    found = _compute_embedding(encoder, make_cells())
    wanted = len(make_cells().x), encoder.embedding_width(N_GENES)
    require(
        tuple(found.shape) == wanted,
        f"the embedding is {' x '.join(map(str, found.shape))}, not {wanted[0]} cells x "
        f"{wanted[1]} (its width)",
    )
    require(found.dtype == torch.float32, f"the embedding is {found.dtype}, not torch.float32")
    require(bool(found.isfinite().all()), "the embedding is not finite")


def find_weights_without_gradient(module: nn.Module) -> list[str]:
    """The weights of a network that no gradient has come to."""
    return [
        name
        for name, weight in module.named_parameters()
        if weight.requires_grad and (weight.grad is None or not weight.grad.any())
    ]


@register_check("encoder")
def check_all_weights_receive_gradients(encoder: Encoder) -> None:
    """Each weight has a part in the embedding."""
    module = build_encoder_network(encoder, make_cells()).train()
    for seed in range(3):  # a unit may be dead at one start; the gradients add up
        found = encode(encoder, module, make_cells(), seed)
        if not found.requires_grad:
            break
        with use_torch_seed(seed):
            (found * torch.randn(found.shape)).sum().backward()  # type: ignore[no-untyped-call]
    left = find_weights_without_gradient(module)
    require(not left, f"no gradient reaches {', '.join(left)}")


@register_check("encoder")
def check_forward_does_not_modify_inputs(encoder: Encoder) -> None:
    """A forward pass changes none of the values that it is given."""
    some = make_cells()
    module = build_encoder_network(encoder, some)
    for mode in (module.train(), module.eval()):
        given = torch.from_numpy(some.x.copy())
        with torch.no_grad(), use_torch_seed(1):
            mode(encoder.prepare_graph(some.graph), given)
        require(
            np.array_equal(given.numpy(), some.x),
            "the network overwrites its input; compute a new tensor instead",
        )


@register_check("encoder")
def check_is_deterministic_in_eval_mode(encoder: Encoder) -> None:
    """Outside training nothing is dropped or drawn."""
    one, two = (_compute_embedding(encoder, make_cells(), seed) for seed in (1, 2))
    require(
        torch.equal(one, two), "in eval mode two passes differ; use self.training or nn.Dropout"
    )


ALTERNATIVE_SETTINGS = {"dropout": 0.5, "normalization": "layer", "activation": "tanh"}


@register_check("encoder")
def check_settings_take_effect(encoder: Encoder) -> None:
    """Where it has dropout, a normalisation or an activation, another one gives another embedding.

    Those between layers are looked at where there are several.
    """
    known = {field.name for field in fields(encoder)}  # type: ignore[arg-type]
    between = {"normalization", "activation"} if len(getattr(encoder, "hidden", ())) < 2 else set()
    for name in sorted((known & ALTERNATIVE_SETTINGS.keys()) - between):
        other = replace(encoder, **{name: ALTERNATIVE_SETTINGS[name]})  # type: ignore[type-var]
        if other == encoder:
            continue
        one, two = (
            encode(e, build_encoder_network(e, make_cells()).train(), make_cells())
            for e in (encoder, other)
        )
        require(
            not torch.equal(one, two),
            f"{name}: {ALTERNATIVE_SETTINGS[name]} gives what {name}: {getattr(encoder, name)} gives; use it, "
            "or leave the setting out",
        )


@register_check("encoder")
def check_is_permutation_equivariant(encoder: Encoder) -> None:
    """The order of the cells means nothing."""
    order = np.random.default_rng(0).permutation(len(make_cells().x))
    before, after = (
        _compute_embedding(encoder, make_cells()),
        _compute_embedding(encoder, make_cells().take(order)),
    )
    require(
        _allclose(before[torch.from_numpy(order)], after),
        "cells in another order get other embeddings",
    )


@register_check("encoder")
def check_accepts_isolated_cells(encoder: Encoder) -> None:
    """Cells without neighbours, and a cell by itself, get finite embeddings."""
    edgeless = sparse.csr_matrix(make_cells().graph.shape, dtype=np.float32)
    for some, what in (
        (replace(make_cells(), graph=edgeless), "a graph without edges"),
        (make_few_cells(1), "one cell"),
    ):
        found = _compute_embedding(encoder, some)
        require(bool(found.isfinite().all()), f"{what}: the embedding is not finite")
        require(len(found) == len(some.x), f"{what}: {len(found)} rows for {len(some.x)} cells")


@register_check("encoder")
def check_state_dict_is_complete(encoder: Encoder) -> None:
    """Its weights, put into another network of it, give the same embedding."""
    made, other = (
        build_encoder_network(encoder, make_cells(), 1),
        build_encoder_network(encoder, make_few_cells(3), 2),
    )
    from_arrays(other, to_arrays(made))
    with torch.no_grad():
        one, two = (encode(encoder, module.eval(), make_cells()) for module in (made, other))
    require(torch.equal(one, two), "state_dict does not hold all; use parameters and buffers")


@register_check("encoder")
def check_supports_other_widths(encoder: Encoder) -> None:
    """It can be widened, as variational graph decoders ask; or it refuses in a sentence."""
    width = 2 * encoder.embedding_width(N_GENES)
    try:
        wider = encoder.replace_width(width)
    except ValueError as error:
        require(str(error), "widened refuses without a word")
        return
    require(
        wider.embedding_width(N_GENES) == width,
        f"widened to {width} it has {wider.embedding_width(N_GENES)}",
    )
    found = _compute_embedding(wider, make_cells()).shape[1]
    require(found == width, f"widened to {width} its embedding has {found} columns")
