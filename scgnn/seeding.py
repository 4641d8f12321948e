"""Named seeds: each random draw has its own seed, so that swapping a component affects no other."""

from __future__ import annotations

import hashlib
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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


# torch's, NumPy's, igraph's and Python's own generators, which all threads share
_shared_generators = threading.RLock()
_torch_generator: ContextVar[Any] = ContextVar("torch_generator", default=None)


def torch_generator() -> torch.Generator | None:
    """Return the generator of the current training, or None for torch's own."""
    generator: torch.Generator | None = _torch_generator.get()
    return generator


def draw_normal(like: Tensor) -> Tensor:
    """Return standard normal numbers of the shape and type of a tensor."""
    import torch

    return torch.randn(like.shape, dtype=like.dtype, generator=torch_generator())


@contextmanager
def use_generator(seed: int) -> Iterator[None]:
    """Draw from a generator of this thread, seeded, inside the block."""
    import torch

    token = _torch_generator.set(torch.Generator().manual_seed(seed))
    try:
        yield
    finally:
        _torch_generator.reset(token)


@contextmanager
def use_torch_seed(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the block and restore its state afterwards.

    Other threads wait until the block ends.
    """
    import torch

    token = _torch_generator.set(None)
    try:
        with _shared_generators, torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        _torch_generator.reset(token)


@contextmanager
def use_igraph_seed(seed: int) -> Iterator[None]:
    """Seed igraph's process-wide generator inside the block and reset it afterwards.

    Other threads and signals wait until the block ends.
    """
    import igraph

    with _shared_generators, defer_signals():
        igraph.set_random_number_generator(random.Random(seed))
        try:
            yield
        finally:
            igraph.set_random_number_generator(random)


@contextmanager
def isolate_third_party_code() -> Iterator[None]:
    """Restore the generators that all threads share after the block; other threads wait."""
    import torch

    with _shared_generators, torch.random.fork_rng(devices=[]):
        states = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


@contextmanager
def defer_signals() -> Iterator[None]:
    """Call the handlers of signals, such as Ctrl-C, after the block instead of inside.

    igraph aborts the process if its generator raises an exception, as a handler may.
    """
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # the one that handlers run in
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    received: list[tuple[int, Any]] = []
    for number in handlers:
        signal.signal(number, lambda *args: received.append(args))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for args in received[:1]:
            handlers[args[0]](*args)
