"""How many threads the numerics use."""

from __future__ import annotations

import os


def set_threads(threads: int | None) -> None:
    """Limit torch and every other library to a number of threads, also those not loaded yet."""
    if threads is not None:
        import threadpoolctl
        import torch

        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ[f"{library}_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
        threadpoolctl.threadpool_limits(threads)
