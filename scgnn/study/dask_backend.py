"""Stages on the workers of a Dask cluster.

The key of a stage is the key of its Dask task, so that runs which need the same stage at the same
time wait for one task; stages that were computed before come from the cache. A worker that dies is
replaced, and its task runs again.
"""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, WorkerPlugin

from scgnn.errors import UserError
from scgnn.execution.cache import StageCache, StageResult
from scgnn.execution.resources import configure_process, memory_limit, set_spin_count
from scgnn.execution.stages import Stages, get_or_compute, stage_label
from scgnn.registry.plugin_files import load_file

START_TIMEOUT_SECONDS = 60


class DaskStages(Stages):
    """Stages that the workers of a cluster compute.

    Parameters
    ----------
    client
        Client of the cluster; all runs share it.
    cache
        Cache in a folder that this process and all workers can access.
    threads
        Numeric threads of each worker.
    """

    def __init__(self, client: Client, cache: StageCache, threads: int) -> None:
        super().__init__(cache)
        self.client, self.threads = client, threads

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        """Return the result of a stage, from the cache or from a worker."""
        with warnings.catch_warnings():
            # the data are part of the task, so that it can run again when a worker dies
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            task = (_get_or_compute, self.cache, key, function, args, self.threads)
            future = self.client.submit(*task, key=f"{stage_label(function)}-{key}")
        result: StageResult = future.result()
        return result


def _get_or_compute(
    cache: StageCache, key: str, function: Callable[..., Any], args: tuple[Any, ...], threads: int
) -> StageResult:
    configure_process(threads)  # in the thread of the worker that computes
    return get_or_compute(cache, key, function, args)


class _WorkerSetup(WorkerPlugin):
    """Setup of every worker before its first task, replacements of dead ones included."""

    name = "scgnn-components"

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = [path.resolve() for path in files]

    def setup(self, worker: Any) -> None:
        set_spin_count()  # torch is not imported yet
        for file in self.files:
            load_file(file)


@contextmanager
def open_cluster(
    jobs: int | None, threads: int, scheduler: str | None, plugin_files: Sequence[Path] = ()
) -> Iterator[tuple[Client, int]]:
    """Start a local cluster or connect to an existing one.

    Parameters
    ----------
    jobs
        Number of local workers, which share the memory evenly; by default, as many as the
        processors suffice for.
    threads
        Numeric threads of each worker.
    scheduler
        Address of an existing cluster.
    plugin_files
        Files with components, loaded on the workers.

    Yields
    ------
    The client and the number of workers.

    Raises
    ------
    UserError
        There is no scheduler at the address, or it has no workers.
    """
    if scheduler is None:
        connection = _start_local_cluster(count_local_workers(jobs, threads), threads)
    else:
        connection = _connect_to_scheduler(scheduler)
    with connection as client:
        client.register_plugin(_WorkerSetup(plugin_files))
        yield client, len(client.scheduler_info(n_workers=-1)["workers"])


@contextmanager
def _start_local_cluster(n_workers: int, threads: int) -> Iterator[Client]:
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with _ignore_sigint():  # inherited by the workers, which this process stops
            cluster = LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,  # one stage at a time
                memory_limit=int(memory_limit() * 1e6 / n_workers),
                processes=True,
                dashboard_address=":0",  # any free port
                silence_logs=logging.CRITICAL,
                env={f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")},
            )
        with cluster, Client(cluster) as client:
            client.wait_for_workers(n_workers, timeout=START_TIMEOUT_SECONDS)
            yield client
    finally:
        log.setLevel(level)


@contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Ignore Ctrl-C in this process and in those that it starts meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signal handlers
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _connect_to_scheduler(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=START_TIMEOUT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(f"--scheduler {address}: no Dask scheduler answers ({error})") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=START_TIMEOUT_SECONDS)
        except TimeoutError:
            raise UserError(f"--scheduler {address}: has no workers; start at least one") from None
        yield client


def count_local_workers(jobs: int | None, threads: int) -> int:
    """Return the number of local workers: ``jobs``, or what the processors suffice for."""
    return jobs or max(1, CPU_COUNT // threads)
