"""The small autoencoder of feature_ae.npz and training.npz: 40 genes, 24, 10, 24, 40."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from scgnn.components.decoders import MLPDecoder as Decoder
from scgnn.components.encoders import MLPEncoder as Encoder
from scgnn.pipelines.autoencoders import Autoencoder, WarmStart
from scgnn.state import State

LAYER_NAMES = ("encoder.layers.0", "encoder.layers.1", "decoder.layers.0", "decoder.layers.1")
WEIGHT_NAMES = {
    f"{ours}.{part}": f"fc{number}_{part}"
    for number, ours in enumerate(LAYER_NAMES, start=1)
    for part in ("weight", "bias")
}  # names here: names in the arrays, in the same order


def make_autoencoder(reconstruction_weight, regularizers=()) -> Autoencoder:
    return Autoencoder(Encoder(hidden=(24, 10)), Decoder(), reconstruction_weight, regularizers)


def make_state(arrays) -> State:
    x, signal = arrays["x"], sparse.csr_matrix(arrays["ltmg"].astype(np.int8))
    names = np.arange(max(x.shape)).astype(str)
    return State(x, names[: x.shape[1]], names[: x.shape[0]], ltmg_states=signal)


def make_warm_start(arrays, prefix) -> WarmStart:
    """Return the reference weights without a state of Adam."""
    return WarmStart({ours: arrays[prefix + theirs] for ours, theirs in WEIGHT_NAMES.items()}, {})


def make_network(arrays, prefix, dtype=torch.float32) -> torch.nn.ModuleDict:
    """Return the network with the reference weights."""
    module = make_autoencoder(1.0).build(arrays["x"].shape[1], seed=0).to(dtype)
    weights = make_warm_start(arrays, prefix).weights
    module.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    return module
