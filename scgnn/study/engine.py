"""Runs a study: every run in a thread of its own, every stage once, on the workers."""

from __future__ import annotations

import csv
import errno
import json
import logging
import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from distributed import Client
from distributed.scheduler import KilledWorker

from scgnn.errors import UserError
from scgnn.execution.cache import Store
from scgnn.execution.files import write_files
from scgnn.execution.fingerprint import package_version
from scgnn.execution.progress import listening
from scgnn.execution.stages import Cost
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.folder import absolute_paths
from scgnn.runs.provenance import strangers
from scgnn.runs.results import text_files
from scgnn.runs.run import Prepared, compute, prepare
from scgnn.state import State
from scgnn.study.dask_backend import Elsewhere
from scgnn.study.progress import Board
from scgnn.study.spec import Run, Study

log = logging.getLogger("scgnn")

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
AHEAD = 4  # runs under way for each worker, so that all have something to do


class Finished(NamedTuple):
    """A run that is done: its scores, and what each of its stages took."""

    metrics: dict[str, Any]
    costs: dict[str, Cost]


@dataclass
class Outcome:
    """What became of the runs of a study, by their labels."""

    finished: dict[str, Finished] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def costs(self) -> tuple[float, float, int, int]:
        """Seconds of computing apart and shared, stages asked for and different ones."""
        asked = [cost for run in self.finished.values() for cost in run.costs.items()]
        different = dict(asked)
        return (
            sum(cost.seconds for _, cost in asked),
            sum(cost.seconds for cost in different.values()),
            len(asked),
            len(different),
        )


class Prepare:
    """Data of recipes, read once for all runs that share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Any, threading.Lock] = {}
        self._prepared: dict[Any, Prepared] = {}

    def __call__(self, recipe: Recipe) -> Prepared:
        key = (recipe.data, recipe.seed if recipe.data.drawn else None)
        with self._lock:
            mine = self._locks.setdefault(key, threading.Lock())
        with mine:
            if key not in self._prepared:
                self._prepared[key] = prepare(recipe)
            return self._prepared[key]


def execute_all(
    study: Study,
    out: Path,
    client: Client,
    workers: int,
    store: Store,
    board: Board,
    data: Prepare,
    *,
    threads: int = 1,
    fail_fast: bool = False,
) -> Outcome:
    """Every run of a study that is not done yet.

    A run that fails is listed with its reason and stops nothing but itself, unless ``fail_fast``.

    Raises
    ------
    OSError
        The disk is full or cannot be written.
    """
    outcome = Outcome()
    open_runs = []
    for run in study.runs:
        done = _done(out / "runs" / run.label, run.recipe)
        if done is None:
            open_runs.append(run)
        else:
            outcome.finished[run.label] = done
    board.start(len(study.runs), len(outcome.finished))

    def one(run: Run) -> Finished:
        with listening(board.listener(run.label)):
            stages = Elsewhere(client, store, threads)
            state, metrics = compute(run.recipe, data(run.recipe), stages)
            metrics["peak_memory_mb"] = max(metrics["peak_memory_mb_by_stage"].values())
            finished = Finished(metrics, stages.costs)
            _write(out / "runs" / run.label, run.recipe, state, finished)
            return finished

    with ThreadPoolExecutor(AHEAD * workers) as pool:
        waiting: dict[Future[Finished], Run] = {}
        try:
            for run in open_runs:
                waiting[pool.submit(copy_context().run, one, run)] = run
            while waiting:
                ended, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ended:
                    run = waiting.pop(future)
                    _settle(future, run, outcome, board)
                    if fail_fast and outcome.failed:
                        raise UserError(f"{run.label}: {outcome.failed[run.label]} (--fail-fast)")
        except BaseException:
            for future in waiting:
                future.cancel()
            client.close()  # ends what the threads wait for
            raise
    return outcome


def _settle(future: Future[Finished], run: Run, outcome: Outcome, board: Board) -> None:
    """Note how a run ended."""
    try:
        outcome.finished[run.label] = future.result()
        board.end(run.label, None)
        return
    except OSError as error:
        if error.errno in FULL:
            raise
        reason = f"{type(error).__name__}: {error}"
    except KilledWorker:
        reason = "its worker died again and again, as one does that is out of memory; fewer --jobs"
    except UserError as error:
        reason = " ".join(str(error).split())
    except MemoryError:
        reason = "out of memory"
    except Exception as error:  # whatever a component of somebody else raises
        log.debug("%s", run.label, exc_info=error)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    outcome.failed[run.label] = reason
    board.end(run.label, reason)


def _write(folder: Path, recipe: Recipe, state: State, finished: Finished) -> None:
    """The small files of a run; ``metrics.json`` comes last and says that it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(key, *cost) for key, cost in finished.costs.items()]
    first = {
        "stages.csv": lambda part: _table(part, ("key", "stage", "seconds", "peak_mb"), rows),
        "iterations.csv": lambda part: _table(
            part,
            ("cell", *(f"iteration_{number}" for number in range(len(state.trail)))),
            zip(state.cells, *state.trail, strict=True),
        ),
        "embedding.npz": lambda part: _embedding(part, state),
    }
    write_files(folder, first | text_files(state, absolute_paths(recipe), finished.metrics))


def _embedding(part: Path, state: State) -> None:
    assert state.graph_embedding is not None
    with part.open("wb") as file:
        np.savez_compressed(file, clustered=state.graph_embedding)


def _table(part: Path, head: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([tuple(head), *rows])


def _done(folder: Path, recipe: Recipe) -> Finished | None:
    """What a finished run of this very recipe and code left."""
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        used = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
        written = (folder / "recipe.yaml").read_text(encoding="utf-8")
        with (folder / "stages.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
    except (OSError, ValueError, KeyError):
        return None
    code = {"source": package_version(), **strangers(recipe)}
    if not code.items() <= used.items() or written != to_yaml(absolute_paths(recipe)):
        return None
    costs = {key: Cost(label, float(took), float(peak)) for key, label, took, peak in rows}
    return Finished(metrics, costs)
