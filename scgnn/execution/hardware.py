"""The device that trains networks, and the backend that passes messages between cells."""

from __future__ import annotations

import ctypes
import importlib.metadata
import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

from scgnn.errors import UserError
from scgnn.interface import by_interface

log = logging.getLogger("scgnn")

Device = Literal["auto", "cpu", "cuda", "mps"]
Backend = Literal["auto", "dgl", "torch"]

MINIMUM_DGL = (1, 1)  # PyPI serves 0.1.3 where later versions have no build
GPU_MEMORY_MESSAGE = r"(CUDA|HIP|MPS)\b.*\bout of memory|_STATUS_ALLOC_FAILED"  # of RuntimeErrors


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
    """Use a device and a backend in the block; on a GPU, prefer deterministic algorithms.

    Raises
    ------
    UserError
        Out of GPU memory.
    """
    token = _current.set(hardware)
    try:
        with _use_deterministic_algorithms() if hardware.device == "cuda" else nullcontext():
            yield
    except Exception as error:
        if hardware.device == "cpu" or not is_out_of_gpu_memory(error):
            raise
        problem = f"out of GPU memory ({describe_device(hardware.device)})"
        option = by_interface("--device cpu", "device='cpu'")
        advice = f"reduce the batch_size of the training, or use {option}"
        raise UserError(f"{problem}; {advice}") from error
    finally:
        _current.reset(token)


def is_out_of_gpu_memory(error: Exception) -> bool:
    """Return whether torch, or a library below it, could not allocate memory of a GPU."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which need not be loaded
        return True
    return isinstance(error, RuntimeError) and bool(re.search(GPU_MEMORY_MESSAGE, str(error)))


_n_deterministic = 0  # blocks of all threads, which share torch's setting
_setting_before = (False, False, True)
_setting_lock = threading.Lock()


@contextmanager
def _use_deterministic_algorithms() -> Iterator[None]:
    global _n_deterministic, _setting_before
    import torch

    memory: Any = torch.utils.deterministic
    with _setting_lock:
        if not _n_deterministic:
            _setting_before = (
                torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled(),
                memory.fill_uninitialized_memory,
            )
            torch.use_deterministic_algorithms(True, warn_only=True)
            memory.fill_uninitialized_memory = False
        _n_deterministic += 1
    try:
        yield
    finally:
        with _setting_lock:
            _n_deterministic -= 1
            if not _n_deterministic:
                enabled, warn_only, fill = _setting_before
                torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
                memory.fill_uninitialized_memory = fill


def describe_hardware(hardware: Hardware) -> str:
    """Return device and backend as text."""
    return f"{describe_device(hardware.device)}, backend {hardware.backend}"


def describe_device(device: str) -> str:
    """Return the name and memory of a device as text."""
    if device == "cpu":
        return "CPU"
    import torch

    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return f"{name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    return "Apple GPU, experimental"


def resolve_hardware(device: str = "auto", backend: str = "auto") -> Hardware:
    """Return the hardware of a run; see :func:`resolve_device` and :func:`resolve_backend`."""
    device = resolve_device(device)
    return Hardware(device, resolve_backend(backend, device))


@cache
def get_dgl_version() -> tuple[int, ...]:
    """Return the first two numbers of DGL's version without importing it; none if it is absent."""
    try:
        version = importlib.metadata.version("dgl")
    except importlib.metadata.PackageNotFoundError:
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])  # also of 2.1a240205


def has_dgl() -> bool:
    """Return whether a version of DGL that scgnn can use is installed; it is not imported."""
    return get_dgl_version() >= MINIMUM_DGL


def resolve_device(device: str = "auto") -> str:
    """Return the device of a run: ``cpu``, ``cuda`` or ``mps``.

    Parameters
    ----------
    device
        ``auto`` is ``cuda`` where torch can use a GPU, otherwise ``cpu``; never ``mps``, which is
        experimental.

    Raises
    ------
    UserError
        The device is unknown, or torch does not find it or cannot use it.
    """
    _check_known("device", device, get_args(Device))
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # same sums in each run
    if device == "mps":
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # for operations it lacks
    import torch

    if device == "auto":
        if not torch.cuda.is_available():
            return "cpu"
        option = by_interface("--device cpu", "device='cpu'")
        if problem := _find_device_problem("cuda"):
            log.warning("%s; training on the CPU; use %s to hide this warning", problem, option)
            return "cpu"
        gpu = describe_device("cuda")
        log.info("training on a GPU (%s); use %s to reproduce results of the CPU", gpu, option)
        return "cuda"
    if problem := _find_device_problem(device):
        option = by_interface(f"--device {device}", f"device='{device}'")
        raise UserError(f"{option}: {problem}; use cpu, or install a build of torch for it")
    return device


def is_device_available(device: str) -> bool:
    """Return whether torch finds a device."""
    import torch

    if device == "cuda":
        return torch.cuda.is_available()
    return device == "cpu" or torch.backends.mps.is_available()


def _find_device_problem(device: str) -> str:
    """Return why torch cannot compute on a GPU, or nothing."""
    import torch

    name = {"cuda": "CUDA GPU", "mps": "Apple GPU"}[device]
    if not is_device_available(device):
        return f"torch {torch.__version__} finds no {name}"
    try:
        torch.ones(1, device=device).add(1).item()
    except Exception as error:  # of a build for other GPUs, or of a GPU that others use
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"torch {torch.__version__} cannot use the {name} ({reason})"
    return ""


def _may_have_gpu() -> bool:
    """Return whether a driver of a GPU is installed, without loading torch."""
    if os.path.exists("/dev/kfd"):  # of AMD
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


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
    _check_known("backend", backend, get_args(Backend))
    problem = "" if has_dgl() else "dgl is not installed"
    if device != "cpu":
        problem = f"dgl runs on the CPU only, not on {device}"
    if backend == "auto":
        return "torch" if problem else "dgl"
    if backend == "dgl" and problem:
        option = by_interface("--backend dgl", "backend='dgl'")
        raise UserError(f"{option}: {problem}; use backend torch")
    return backend


def _check_known(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        option = by_interface(f"--{name}", name)
        raise UserError(f"{option}: unknown value '{value}'; use one of {', '.join(known)}")
