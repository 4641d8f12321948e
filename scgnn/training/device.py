"""Tensors and precision on the device of a stage."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

DATA_FRACTION = 0.25  # of the free memory of a device, which a matrix may take


def move(tensor: Tensor, device: str | torch.device) -> Tensor:
    """Return a tensor of the CPU on a device, without waiting for the copy."""
    if torch.device(device).type == "cpu":
        return tensor
    if torch.device(device).type == "cuda" and torch.cuda.is_available():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def select_rows(tensor: Tensor, cells: Tensor | None) -> Tensor:
    """Return the rows of a tensor at indices that are on the CPU, or all for None."""
    if cells is None:
        return tensor
    return tensor.index_select(0, move(cells, tensor.device))


def fits_device(n_bytes: float, device: str) -> bool:
    """Return whether a matrix leaves enough memory of a device for everything else."""
    if device == "cuda" and torch.cuda.is_available():
        return n_bytes <= DATA_FRACTION * torch.cuda.mem_get_info()[0]
    return True


_n_tf32 = 0  # blocks of all threads, which share torch's setting
_tf32_before = False
_tf32_lock = threading.Lock()


@contextmanager
def _allow_tf32() -> Iterator[None]:
    global _n_tf32, _tf32_before
    with _tf32_lock:
        if not _n_tf32:
            _tf32_before = torch.backends.cuda.matmul.allow_tf32
            torch.backends.cuda.matmul.allow_tf32 = True
        _n_tf32 += 1
    try:
        yield
    finally:
        with _tf32_lock:
            _n_tf32 -= 1
            if not _n_tf32:
                torch.backends.cuda.matmul.allow_tf32 = _tf32_before


def use_precision(precision: str, device: str) -> AbstractContextManager[Any]:
    """Return a context of a precision, float32 where the processor does not support it."""
    if precision == "bfloat16" and (device != "cpu" or supports_bfloat16()):
        return torch.autocast(device, torch.bfloat16)
    return _allow_tf32() if precision == "tf32" and device == "cuda" else nullcontext()


def supports_bfloat16() -> bool:
    """Return whether oneDNN multiplies bfloat16 fast: with AVX512, or on ARM with BF16."""
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        return True
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)()  # older versions lack it
    return bool(capabilities.get("bf16"))
