"""The device that trains networks, and the backend that passes messages between cells."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Literal, NamedTuple, get_args

from scgnn.errors import UserError
from scgnn.interface import by_interface

Device = Literal["auto", "cpu", "cuda", "mps"]
Backend = Literal["auto", "dgl", "torch"]

MINIMUM_DGL = (1, 1)  # PyPI serves 0.1.3 where later versions have no build


class Hardware(NamedTuple):
    """The device and the backend of a run, resolved.

    Attributes
    ----------
    device
        ``cpu``, ``cuda`` or ``mps``.
    backend
        ``dgl`` or ``torch``.
    """

    device: str = "cpu"
    backend: str = "torch"


_current: ContextVar[Hardware | None] = ContextVar("hardware", default=None)


def current_hardware() -> Hardware:
    """Return the hardware of the stage that runs now; outside of one, the CPU's default."""
    return _current.get() or resolve_hardware(device="cpu")


@contextmanager
def use_hardware(hardware: Hardware) -> Iterator[None]:
    """Run a stage on some hardware."""
    token = _current.set(hardware)
    try:
        yield
    finally:
        _current.reset(token)


def resolve_hardware(device: str = "auto", backend: str = "auto") -> Hardware:
    """Return the hardware of a run; see :func:`resolve_device` and :func:`resolve_backend`."""
    device = resolve_device(device)
    return Hardware(device, resolve_backend(backend, device))


@cache
def get_dgl_version() -> tuple[int, ...]:
    """Return the first two numbers of DGL's version without importing it; none if it is absent."""
    try:
        numbers = importlib.metadata.version("dgl").split(".")[:2]
    except importlib.metadata.PackageNotFoundError:
        return ()
    return tuple(int(number) for number in numbers)


def has_dgl() -> bool:
    """Return whether a version of DGL that scgnn can use is installed; it is not imported."""
    return get_dgl_version() >= MINIMUM_DGL


def resolve_device(device: str = "auto") -> str:
    """Return the device of a run: ``cpu``, ``cuda`` or ``mps``.

    Parameters
    ----------
    device
        ``auto`` is ``cuda`` where torch finds a GPU, otherwise ``cpu``; never ``mps``, which is
        experimental.

    Raises
    ------
    UserError
        The device is unknown, or torch does not find it.
    """
    if device not in get_args(Device):
        names = ", ".join(get_args(Device))
        option = by_interface("--device", "device")
        raise UserError(f"{option}: '{device}' is unknown; use one of {names}")
    if device == "cpu":
        return "cpu"
    import torch

    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        return "cuda" if available["cuda"] else "cpu"
    if not available[device]:
        name = {"cuda": "CUDA GPU", "mps": "Apple GPU"}[device]
        problem = f"torch {torch.__version__} finds no {name}"
        option = by_interface(f"--device {device}", f"device='{device}'")
        raise UserError(f"{option}: {problem}; use cpu, or install a build of torch for it")
    return device


def resolve_backend(backend: str = "auto", device: str = "cpu") -> str:
    """Return the backend of a run: ``dgl`` or ``torch``.

    Parameters
    ----------
    backend
        ``auto`` is ``dgl`` where it is installed and the device is the CPU, otherwise ``torch``.
    device
        The device, as :func:`resolve_device` returns it.

    Raises
    ------
    UserError
        The backend is unknown, DGL is not installed, or does not run on the device.
    """
    if backend not in get_args(Backend):
        names = ", ".join(get_args(Backend))
        option = by_interface("--backend", "backend")
        raise UserError(f"{option}: '{backend}' is unknown; use one of {names}")
    if backend == "auto":
        return "dgl" if device == "cpu" and has_dgl() else "torch"
    if backend == "dgl" and device != "cpu":
        option = by_interface("--backend dgl", "backend='dgl'")
        raise UserError(f"{option}: it runs on the CPU only; use backend torch on {device}")
    if backend == "dgl" and not has_dgl():
        option = by_interface("--backend dgl", "backend='dgl'")
        raise UserError(f"{option}: dgl is not installed; install it, or use backend torch")
    return backend
