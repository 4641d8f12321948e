"""Named seeds: each random draw has its own seed, so that swapping a component affects no other."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def seed_for(seed: int, *names: str | int) -> int:
    """Return a 32-bit seed for a named use, e.g. ``seed_for(1, "graph_encoder", 3)``.

    Seeds are BLAKE2b hashes of the names and therefore independent: an ablation that swaps the
    clusterer starts the encoder from the same weights.

    Parameters
    ----------
    seed
        Seed of the run.
    *names
        Slot or purpose, iteration, …
    """
    key = "/".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big")


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a NumPy generator for a named use."""
    return np.random.default_rng(seed_for(seed, *names))


@contextmanager
def use_torch_seed(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the block and restore its state afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def use_igraph_seed(seed: int) -> Iterator[None]:
    """Seed igraph's process-wide generator inside the block and reset it afterwards."""
    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)
