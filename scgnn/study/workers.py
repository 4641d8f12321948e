"""The workers of a cluster that compute what this process would.

A worker whose source, libraries or plug-in files differ gives other values. Each worker is asked
before it gets a task, and each task refuses to run where the code is not that of its driver.
"""

from __future__ import annotations

import logging
import math
import os
import platform
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from distributed import Client, get_worker

from scgnn.components.encoders import check_message_passing
from scgnn.errors import UserError
from scgnn.execution.fingerprint import (
    code_fingerprint,
    digest,
    get_class_source,
    library_versions,
    third_party_classes,
)
from scgnn.execution.hardware import Hardware, resolve_hardware, use_hardware
from scgnn.execution.resources import memory_limit
from scgnn.interface import by_interface
from scgnn.registry.introspection import iter_components
from scgnn.study.cluster import WorkerSetup

log = logging.getLogger("scgnn")


class ForeignWorkerError(Exception):
    """A task reached a worker with other code."""


class Requirements(NamedTuple):
    """Requirements of the runs of a study on each worker.

    Attributes
    ----------
    folder
        Folder of the cache, which all workers share.
    threads
        Numeric threads of a task.
    memory_mb
        Estimated memory of the largest run, in 10^6 bytes; 0 if it is not known.
    hardware
        Device and backend of the runs.
    """

    folder: Path
    threads: int = 1
    memory_mb: float = 0.0
    hardware: Hardware = Hardware()


class WorkerPool:
    """The workers of a cluster that are fit for a study.

    Parameters
    ----------
    client
        Client of the cluster.
    requirements
        What each worker needs; None takes all workers as they are, as those that this process
        has started.
    """

    def __init__(self, client: Client, requirements: Requirements | None) -> None:
        self.client, self.requirements = client, requirements
        self._lock = threading.Lock()
        self._problems: dict[str, str | None] = {}  # of each worker by its address

    def update(self) -> list[str] | None:
        """Ask new workers, and return the addresses of the fit ones; None if all workers are fit.

        Raises
        ------
        UserError
            No worker is fit; lists the reasons.
        """
        if self.requirements is None:
            return None
        with self._lock:
            present = set(self.client.scheduler_info(n_workers=-1)["workers"])
            if new := sorted(present - self._problems.keys()):
                options: dict[str, Any] = {"workers": new, "on_error": "return"}
                folder, hardware = self.requirements.folder, self.requirements.hardware
                with _create_marker(folder) as marker:
                    answers = self.client.run(describe_worker, folder, marker, hardware, **options)
                for address in new:
                    self._record(address, self._find_problem(answers.get(address)))
            fit = [address for address in sorted(present) if self._problems[address] is None]
            if present and not fit:
                problems = "; ".join(sorted({str(self._problems[a]) for a in present}))
                raise UserError(f"no worker can take part in the study: {problems}")
            return None if len(fit) == len(present) else fit

    def exclude(self, address: str) -> None:
        """Leave a worker out whose code turned out to be another.

        Raises
        ------
        UserError
            This process started the worker: the code has changed meanwhile.
        """
        if self.requirements is None:
            problem = "the code of scgnn or of a plug-in changed while the study was running"
            raise UserError(f"{problem}; rerun with {by_interface('--resume', 'resume=True')}")
        with self._lock:
            self._record(address, "its code is not that of this process")

    @property
    def n_unfit(self) -> int:
        """Number of workers left out so far."""
        return sum(problem is not None for problem in self._problems.values())

    def _record(self, address: str, problem: str | None) -> None:
        self._problems[address] = problem
        if problem is not None:
            log.warning(f"worker {address} is left out: {problem}")

    def _find_problem(self, answer: Any) -> str | None:
        """Return why a worker is not fit, from its description."""
        assert self.requirements is not None
        if not isinstance(answer, dict):
            reason = " ".join(str(answer).split()) or "no answer"
            return f"it cannot run scgnn ({reason}); install the same version there"
        if answer["problem"]:
            return str(answer["problem"])
        versions = answer["versions"]
        for name, expected in describe_versions().items():
            if versions.get(name) != expected:
                same = "install the same version there"
                if name == "source":
                    return f"it has another version of scgnn or of a library; {same}"
                return f"it has {name} {versions.get(name)} instead of {expected}; {same}"
        if answer["processors"] < self.requirements.threads:
            n = self.requirements.threads
            option = by_interface(f"--threads {n}", f"threads={n}")
            return f"it has {answer['processors']} processors, fewer than {option}"
        if answer["memory_mb"] < self.requirements.memory_mb:
            free, needed = f"{answer['memory_mb']:,.0f}", f"{self.requirements.memory_mb:,.0f}"
            return f"it has {free} MB of free memory, and a run needs roughly {needed} MB"
        return None


def describe_versions() -> dict[str, str]:
    """Return the versions that values depend on, and a hash of the source."""
    versions = {"Python": platform.python_version(), **library_versions()}
    return versions | {"source": code_fingerprint()}


@contextmanager
def _create_marker(folder: Path) -> Iterator[Path]:
    """Create a file that workers see which share a folder; yield a read-only folder itself."""
    try:
        file = tempfile.NamedTemporaryFile(prefix=".marker-", dir=folder)  # noqa: SIM115
    except OSError:
        yield folder
        return
    with file:
        yield Path(file.name)


def describe_worker(folder: Path, marker: Path, hardware: Hardware) -> dict[str, Any]:
    """Return versions and resources of this process, and what keeps it from computing.

    Parameters
    ----------
    folder
        Folder of the cache.
    marker
        File that the driver has just created in it; ``folder`` if the driver cannot write there.
    hardware
        Device and backend of the runs.
    """
    import psutil

    problem = next(iter(WorkerSetup.problems.values()), "")
    try:
        with use_hardware(resolve_hardware(*hardware)):
            check_message_passing()
    except Exception as error:  # of a broken installation
        reason = " ".join(str(error).split()) or type(error).__name__
        used = f"device {hardware.device} and backend {hardware.backend}"
        problem = f"it cannot compute with {used} ({reason}); install what is missing there"
    if not marker.exists():
        problem = f"{folder} does not exist there, or is another folder; use one that all share"
    elif marker != folder and not os.access(folder, os.W_OK):
        problem = f"it cannot write to {folder}; start it as a user who can"
    return {
        "versions": describe_versions(),
        "problem": problem,
        "processors": len(psutil.Process().cpu_affinity() or ()) or psutil.cpu_count() or 1,
        "memory_mb": min(memory_limit(), psutil.virtual_memory().available / 1e6, _task_memory()),
    }


def _task_memory() -> float:
    """Return how much memory Dask lets the tasks of this worker have, in 10^6 bytes."""
    try:
        limit = get_worker().memory_manager.memory_limit
    except ValueError:  # not in a worker
        limit = None
    return math.inf if limit is None else float(limit) / 1e6


def compute_task_fingerprint(args: tuple[Any, ...]) -> str:
    """Return a hash of all code that a task runs: this package, libraries and plug-ins.

    Classes of a script or notebook are sent with the task and cannot differ.
    """
    classes = [cls for part in iter_components(args) for cls in third_party_classes(part)]
    sources = [get_class_source(cls) for cls in classes if cls.__module__ != "__main__"]
    return digest(code_fingerprint(), *sources)


def check_task_fingerprint(args: tuple[Any, ...], expected: str) -> None:
    """Check that this worker has the code of the driver.

    Raises
    ------
    ForeignWorkerError
        It has not.
    """
    if compute_task_fingerprint(args) != expected:
        raise ForeignWorkerError(get_worker().address)
