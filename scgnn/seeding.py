"""Named seeds: each random draw has its own seed, so that swapping a component affects no other."""

from __future__ import annotations

import hashlib
import os
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn.errors import UserError
from scgnn.signals import defer_signals

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


CHECK_SECONDS = 30  # between two looks at the thread that a run waits for

in_run: ContextVar[bool] = ContextVar("in_run", default=False)
_torch_generator: ContextVar[Any] = ContextVar("torch_generator", default=None)


class _SharedGenerators:
    """Turns at torch's, NumPy's, igraph's and Python's own generators, which all threads share.

    A run keeps its turn while third-party code runs. Threads that this code has started have no
    run of their own: they join its turn, and seed generators one after another.
    """

    def __init__(self) -> None:
        self._turn = threading.RLock()
        self._seeding = threading.RLock()
        self._n_stages = 0  # of third-party code that have the turn; they are nested
        self._owner: int | None = None  # thread of the current stage
        self._older_threads: set[threading.Thread] = set()  # than that stage
        self._has_turn: ContextVar[bool] = ContextVar("has_turn", default=False)

    @contextmanager
    def seed(self) -> Iterator[None]:
        """Wait for the turn, and keep it while generators are seeded."""
        with self._take_turn(), self._seeding:
            yield

    @contextmanager
    def isolate(self) -> Iterator[None]:
        """Wait for the turn, and keep it while third-party code runs."""
        with self._take_turn():
            self._n_stages += 1
            before = self._owner, self._older_threads
            self._owner, self._older_threads = threading.get_ident(), set(threading.enumerate())
            try:
                yield
            finally:
                self._n_stages -= 1
                self._owner, self._older_threads = before

    @contextmanager
    def _take_turn(self) -> Iterator[None]:
        joins = self._has_turn.get() or (self._n_stages > 0 and not in_run.get())
        token = self._has_turn.set(True)
        try:
            with nullcontext() if joins else self._wait_for_turn():
                yield
        finally:
            self._has_turn.reset(token)

    def _is_waited_for(self) -> bool:
        """Return whether third-party code started this thread, as far as one can see, and waits."""
        frame = sys._current_frames().get(self._owner or 0)
        waits = frame is not None and frame.f_code.co_filename == threading.__file__
        return waits and threading.current_thread() not in self._older_threads

    @contextmanager
    def _wait_for_turn(self) -> Iterator[None]:
        while not self._turn.acquire(timeout=CHECK_SECONDS):
            if self._is_waited_for():
                problem = "a third-party component waits for a run in another thread"
                advice = "a component can run recipes in its own thread only"
                raise UserError(f"{problem}, which waits for the component: {advice}")
        try:
            yield
        finally:
            self._turn.release()


_shared_generators = _SharedGenerators()


def _replace_locks() -> None:
    """Replace the locks in a forked process, where no other thread will release them."""
    global _shared_generators
    _shared_generators = _SharedGenerators()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_replace_locks)


def torch_generator(device: torch.device | None = None) -> torch.Generator | None:
    """Return the generator of the current training on a device, or None for torch's own.

    Parameters
    ----------
    device
        By default the CPU.
    """
    generators: dict[str, torch.Generator] | None = _torch_generator.get()
    if generators is None:
        return None
    name = "cpu" if device is None else device.type
    if name not in generators:
        import torch

        generators[name] = torch.Generator(name).manual_seed(generators["cpu"].initial_seed())
    return generators[name]


def _list_gpus() -> list[int]:
    """Return the number of the GPU that this process uses, if it uses one."""
    import torch

    return [torch.cuda.current_device()] if torch.cuda.is_initialized() else []


def draw_normal(like: Tensor) -> Tensor:
    """Return standard normal numbers of the shape and type of a tensor.

    They are drawn on the CPU, so that they are the same on every device.
    """
    import torch

    noise = torch.randn(like.shape, dtype=like.dtype, generator=torch_generator())
    return noise.to(like.device, non_blocking=True)


@contextmanager
def use_generator(seed: int) -> Iterator[None]:
    """Draw from a generator of this thread, seeded, inside the block."""
    import torch

    token = _torch_generator.set({"cpu": torch.Generator().manual_seed(seed)})
    try:
        yield
    finally:
        _torch_generator.reset(token)


@contextmanager
def use_torch_seed(seed: int) -> Iterator[None]:
    """Seed torch's generators inside the block and restore their states afterwards.

    Other threads wait until the block ends.
    """
    import torch

    token = _torch_generator.set(None)
    try:
        devices = _list_gpus()
        with _shared_generators.seed(), torch.random.fork_rng(devices=devices):
            torch.default_generator.manual_seed(seed)
            if devices:
                torch.cuda.manual_seed(seed)
            yield
    finally:
        _torch_generator.reset(token)


@contextmanager
def use_igraph_seed(seed: int) -> Iterator[None]:
    """Seed igraph's process-wide generator inside the block and reset it afterwards.

    Other threads and signals wait until the block ends.
    """
    import igraph

    with _shared_generators.seed(), defer_signals():
        igraph.set_random_number_generator(random.Random(seed))
        try:
            yield
        finally:
            igraph.set_random_number_generator(random)


@contextmanager
def isolate_third_party_code() -> Iterator[None]:
    """Restore the generators and the number of threads after the block; other runs wait."""
    import torch

    n_threads = torch.get_num_threads()
    with _shared_generators.isolate(), torch.random.fork_rng(devices=_list_gpus()):
        states = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            if torch.get_num_threads() != n_threads:
                torch.set_num_threads(n_threads)
