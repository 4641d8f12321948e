"""Named seeds: each random draw has its own, so that swapping one part moves no other."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def seed_for(seed: int, *names: str | int) -> int:
    """A 32-bit seed for one use, e.g. ``seed_for(1, "graph_encoder", 3)`` in iteration 3.

    The hash (BLAKE2b of the words) makes seeds of different names independent, so an ablation
    that swaps the clusterer starts the encoder from the same weights.
    """
    words = "/".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=4).digest(), "big")


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for one named use."""
    return np.random.default_rng(seed_for(seed, *names))


@contextmanager
def use_torch_seed(seed: int) -> Iterator[None]:
    """Torch draws from ``seed`` inside the block and goes on as before afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def use_igraph_seed(seed: int) -> Iterator[None]:
    """igraph draws from ``seed`` inside the block (it has one generator for the whole process)."""
    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)
