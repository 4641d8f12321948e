"""Stages on the workers of a Dask cluster: the key of a stage is the key of its task.

Whatever runs at the same time and asks for the same stage waits for one task; what was computed
before comes from the store. A worker that dies is replaced, and its task runs again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from distributed import Client, LocalCluster, WorkerPlugin

from scgnn.errors import UserError
from scgnn.execution.cache import StageCache
from scgnn.execution.resources import set_threads
from scgnn.execution.stages import StageResult, Stages, get_or_compute, stage_label

START_TIMEOUT_SECONDS = 60
MAX_WORKER_DEATHS = 3  # of workers, before the task that they died of is given up


class DaskStages(Stages):
    """Stages whose values are computed by the workers of a cluster.

    Parameters
    ----------
    client
        Of the cluster; shared by all runs.
    store
        A folder that this process and all workers see.
    threads
        Threads of each worker's numerics.
    """

    def __init__(self, client: Client, cache: StageCache, threads: int) -> None:
        super().__init__(cache)
        self.client, self.threads = client, threads

    def get_or_compute(
        self, key: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> StageResult:
        with warnings.catch_warnings():
            # the data travel with the task, so that it can run again where a worker died
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            task = (_get_or_compute, self.cache, key, function, args, self.threads)
            future = self.client.submit(*task, key=f"{stage_label(function)}-{key}")
        found: StageResult = future.result()
        return found


def _get_or_compute(
    cache: StageCache, key: str, function: Callable[..., Any], args: tuple[Any, ...], threads: int
) -> StageResult:
    set_threads(threads)  # of the thread that the worker computes in
    return get_or_compute(cache, key, function, args)


class _PluginFileLoader(WorkerPlugin):
    """Components from files, known to every worker, also to one that replaces another."""

    name = "scgnn-components"

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = [path.resolve() for path in files]

    def setup(self, worker: Any) -> None:
        import scgnn.components
        import scgnn.pipelines  # noqa: F401
        from scgnn.registry.plugin_files import load_file

        for file in self.files:
            load_file(file)


@contextmanager
def open_cluster(
    jobs: int | None, threads: int, scheduler: str | None, plugin_files: Sequence[Path] = ()
) -> Iterator[tuple[Client, int]]:
    """A cluster, local or one that exists, and how many workers it has.

    Parameters
    ----------
    jobs
        Local workers; None for as many as there are processors for their threads. Memory is
        divided evenly between them.
    threads
        Threads of each worker's numerics.
    scheduler
        Address of a cluster that exists.
    plugins
        Files with components, for the workers.

    Raises
    ------
    UserError
        There is no scheduler at the address, or it has no workers.
    """
    with (
        _start_local_cluster(jobs, threads)
        if scheduler is None
        else _connect_to_scheduler(scheduler) as client
    ):
        if plugin_files:
            client.register_plugin(_PluginFileLoader(plugin_files))
        yield client, len(client.scheduler_info(n_workers=-1)["workers"])


@contextmanager
def _start_local_cluster(jobs: int | None, threads: int) -> Iterator[Client]:
    jobs = count_local_workers(jobs, threads)
    log = logging.getLogger("distributed")
    log.setLevel(logging.CRITICAL)
    names = ("OMP", "OPENBLAS", "MKL")
    with _ignore_sigint():  # as the workers are born; this process ends them
        own = LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,  # one stage at a time
            memory_limit=int(psutil.virtual_memory().total / jobs),
            processes=True,
            dashboard_address=":0",  # whatever port is free
            silence_logs=logging.CRITICAL,
            env={f"{name}_NUM_THREADS": str(threads) for name in names},
        )
    try:
        with own, Client(own) as client:
            client.wait_for_workers(jobs, timeout=START_TIMEOUT_SECONDS)
            yield client
    finally:
        log.setLevel(logging.CRITICAL)  # what closing has to say


@contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Inside, this process and those that it starts take no notice of Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a signal is the business of the main thread
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _connect_to_scheduler(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=START_TIMEOUT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(
            f"--scheduler {address}: no Dask scheduler answers there ({error})"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=START_TIMEOUT_SECONDS)
        except TimeoutError:
            raise UserError(f"--scheduler {address}: it has no workers; start some") from None
        yield client


def count_local_workers(jobs: int | None, threads: int) -> int:
    """How many workers a local cluster has: those asked for, or one for so many processors."""
    known = hasattr(os, "sched_getaffinity")
    processors = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    return jobs or max(1, processors // threads)
