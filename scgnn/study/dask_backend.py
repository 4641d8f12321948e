"""Stages on the workers of a Dask cluster.

The key of a stage is the key of its Dask task, so that runs which need the same stage at the same
time wait for one task; stages that were computed before come from the cache. A worker that dies is
replaced, and its task runs again.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

from distributed import Future, wait

from scgnn.execution.cache import StageCache, StageResult
from scgnn.execution.hardware import Hardware, use_hardware
from scgnn.execution.resources import hold_threads
from scgnn.execution.stages import Stages, get_or_compute, stage_label
from scgnn.study.workers import (
    ForeignWorkerError,
    WorkerPool,
    check_task_fingerprint,
    compute_task_fingerprint,
)

WAIT_SECONDS = 5  # between two looks at the workers that a task may use


class DaskStages(Stages):
    """Stages that the workers of a cluster compute.

    Parameters
    ----------
    pool
        The workers; all runs share it.
    cache
        Cache in a folder that this process and all workers can access.
    threads
        Numeric threads of each worker.
    """

    def __init__(self, pool: WorkerPool, cache: StageCache, threads: int) -> None:
        super().__init__(cache)
        self.pool, self.threads = pool, threads

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        """Return the result of a stage, from the cache or from a worker."""
        task: tuple[Any, ...] = (self.cache, key, function, args, self.threads, self.hardware)
        task += (compute_task_fingerprint(args),)
        name = f"{stage_label(function)}-{key}"
        while True:
            workers = self.pool.update()
            n_unfit = self.pool.n_unfit
            with warnings.catch_warnings():
                # the data are part of the task, so that it can run again when a worker dies
                warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
                options: dict[str, Any] = {"key": f"{name}-{n_unfit}", "workers": workers}
                future = self.pool.client.submit(_get_or_compute, *task, **options)
            if not self._wait(future, workers):
                continue
            try:
                result: StageResult = future.result()
                return result
            except ForeignWorkerError as error:
                self.pool.exclude(str(error))
            except Exception:  # also of a worker whose version has another signature
                self.pool.update()
                if self.pool.n_unfit == n_unfit:
                    raise

    def _wait(self, future: Future[Any], workers: list[str] | None) -> bool:
        """Wait for a task; return False if it is not done and all its workers are gone."""
        while not future.done():
            try:
                with self.pool.client.as_current():  # it is not Dask's default
                    wait(future, None if workers is None else WAIT_SECONDS)
            except asyncio.TimeoutError:  # another one than TimeoutError on Python 3.10
                left = self.pool.update()
                if workers and left is not None and not set(workers) & set(left):
                    return False
        return True


def _get_or_compute(
    cache: StageCache,
    key: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    threads: int,
    hardware: Hardware,
    fingerprint: str,
) -> StageResult:
    check_task_fingerprint(args, fingerprint)
    # in the thread of the worker that computes
    with hold_threads(threads), use_hardware(hardware):
        return get_or_compute(cache, key, function, args)
