"""The small autoencoder of feature_ae.npz and training.npz: 40 genes, 24, 10, 24, 40."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders import MLP as Decoder
from scgnn.components.encoders import MLP as Encoder
from scgnn.pipelines.autoencoders import Autoencoder, Start
from scgnn.state import State

LAYERS = ("encoder.layers.0", "encoder.layers.1", "decoder.layers.0", "decoder.layers.1")
WEIGHTS = {
    f"{ours}.{part}": f"fc{number}_{part}"
    for number, ours in enumerate(LAYERS, start=1)
    for part in ("weight", "bias")
}  # our names and theirs, in the same order


def autoencoder(fidelity, regularizers=()) -> Autoencoder:
    return Autoencoder(Encoder(hidden=(24, 10)), Decoder(), fidelity, regularizers)


def cells(arrays) -> State:
    x, signal = arrays["x"], sparse.csr_matrix(arrays["ltmg"].astype(np.int8))
    names = np.arange(max(x.shape)).astype(str)
    return State(x, names[: x.shape[1]], names[: x.shape[0]], signal=signal)


def start(arrays, prefix) -> Start:
    """The given weights, and no state of Adam."""
    return Start({ours: arrays[prefix + theirs] for ours, theirs in WEIGHTS.items()}, {})


def network(arrays, prefix, dtype=torch.float32) -> torch.nn.ModuleDict:
    """The network with the given weights."""
    module = autoencoder(1.0).build(arrays["x"].shape[1], seed=0).to(dtype)
    weights = start(arrays, prefix).weights
    module.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    return module
