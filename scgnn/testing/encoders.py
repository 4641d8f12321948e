"""What encoders keep to."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from scgnn.components.encoders import Encoder
from scgnn.seeding import torch_seed
from scgnn.testing.check import check, demand
from scgnn.testing.edge_cases import N_GENES, Cells, cells, few
from scgnn.testing.exercise import encode, network
from scgnn.training.fit import from_arrays, to_arrays


def _embedding(encoder: Encoder, some: Cells, seed: int = 1) -> Tensor:
    """A clean forward pass of a new network."""
    module = network(encoder, cells()).eval()
    with torch.no_grad():
        return encode(encoder, module, some, seed)


def _near(one: Tensor, two: Tensor) -> bool:
    return torch.allclose(one, two, rtol=1e-3, atol=1e-4)


@check("encoder")
def check_gives_its_width(encoder: Encoder) -> None:
    """Cells x features become cells x width, floating point and finite."""
    found = _embedding(encoder, cells())
    wanted = len(cells().x), encoder.width(N_GENES)
    demand(
        tuple(found.shape) == wanted,
        f"the embedding is {' x '.join(map(str, found.shape))}, not {wanted[0]} cells x "
        f"{wanted[1]} (its width)",
    )
    demand(found.dtype == torch.float32, f"the embedding is {found.dtype}, not torch.float32")
    demand(bool(found.isfinite().all()), "the embedding is not finite")


def unreached(module: nn.Module) -> list[str]:
    """The weights of a network that no gradient has come to."""
    return [
        name
        for name, weight in module.named_parameters()
        if weight.requires_grad and (weight.grad is None or not weight.grad.any())
    ]


@check("encoder")
def check_a_gradient_reaches_every_weight(encoder: Encoder) -> None:
    """Each weight has a part in the embedding."""
    module = network(encoder, cells()).train()
    for seed in range(3):  # a unit may be dead at one start; the gradients add up
        found = encode(encoder, module, cells(), seed)
        if not found.requires_grad:
            break
        with torch_seed(seed):
            (found * torch.randn(found.shape)).sum().backward()  # type: ignore[no-untyped-call]
    left = unreached(module)
    demand(not left, f"no gradient reaches {', '.join(left)}")


@check("encoder")
def check_leaves_the_cells_as_they_are(encoder: Encoder) -> None:
    """A forward pass changes none of the values that it is given."""
    some = cells()
    module = network(encoder, some)
    for mode in (module.train(), module.eval()):
        given = torch.from_numpy(some.x.copy())
        with torch.no_grad(), torch_seed(1):
            mode(encoder.graph(some.graph), given)
        demand(
            np.array_equal(given.numpy(), some.x),
            "the network overwrites its input; compute a new tensor instead",
        )


@check("encoder")
def check_draws_nothing_in_eval(encoder: Encoder) -> None:
    """Outside training nothing is dropped or drawn."""
    one, two = (_embedding(encoder, cells(), seed) for seed in (1, 2))
    demand(torch.equal(one, two), "in eval mode two passes differ; use self.training or nn.Dropout")


OTHERWISE = {"dropout": 0.5, "normalization": "layer", "activation": "tanh"}


@check("encoder")
def check_its_settings_have_an_effect(encoder: Encoder) -> None:
    """Where it has dropout, a normalisation or an activation, another one gives another embedding.

    Those between layers are looked at where there are several.
    """
    known = {field.name for field in fields(encoder)}  # type: ignore[arg-type]
    between = {"normalization", "activation"} if len(getattr(encoder, "hidden", ())) < 2 else set()
    for name in sorted((known & OTHERWISE.keys()) - between):
        other = replace(encoder, **{name: OTHERWISE[name]})  # type: ignore[type-var]
        if other == encoder:
            continue
        one, two = (encode(e, network(e, cells()).train(), cells()) for e in (encoder, other))
        demand(
            not torch.equal(one, two),
            f"{name}: {OTHERWISE[name]} gives what {name}: {getattr(encoder, name)} gives; use it, "
            "or leave the setting out",
        )


@check("encoder")
def check_relabelled_cells_relabel_the_embedding(encoder: Encoder) -> None:
    """The order of the cells means nothing."""
    order = np.random.default_rng(0).permutation(len(cells().x))
    before, after = _embedding(encoder, cells()), _embedding(encoder, cells().ordered(order))
    demand(
        _near(before[torch.from_numpy(order)], after),
        "cells in another order get other embeddings",
    )


@check("encoder")
def check_takes_lone_cells(encoder: Encoder) -> None:
    """Cells without neighbours, and a cell by itself, get finite embeddings."""
    edgeless = sparse.csr_matrix(cells().graph.shape, dtype=np.float32)
    for some, what in (
        (replace(cells(), graph=edgeless), "a graph without edges"),
        (few(1), "one cell"),
    ):
        found = _embedding(encoder, some)
        demand(bool(found.isfinite().all()), f"{what}: the embedding is not finite")
        demand(len(found) == len(some.x), f"{what}: {len(found)} rows for {len(some.x)} cells")


@check("encoder")
def check_weights_are_its_whole_state(encoder: Encoder) -> None:
    """Its weights, put into another network of it, give the same embedding."""
    made, other = network(encoder, cells(), 1), network(encoder, few(3), 2)
    from_arrays(other, to_arrays(made))
    with torch.no_grad():
        one, two = (encode(encoder, module.eval(), cells()) for module in (made, other))
    demand(torch.equal(one, two), "state_dict does not hold all; use parameters and buffers")


@check("encoder")
def check_takes_another_width(encoder: Encoder) -> None:
    """It can be widened, as variational graph decoders ask; or it refuses in a sentence."""
    width = 2 * encoder.width(N_GENES)
    try:
        wider = encoder.widened(width)
    except ValueError as error:
        demand(str(error), "widened refuses without a word")
        return
    demand(wider.width(N_GENES) == width, f"widened to {width} it has {wider.width(N_GENES)}")
    found = _embedding(wider, cells()).shape[1]
    demand(found == width, f"widened to {width} its embedding has {found} columns")
