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
from scgnn.execution.cache import StageCache
from scgnn.execution.files import write_files
from scgnn.execution.fingerprint import code_fingerprint
from scgnn.execution.progress import use_progress
from scgnn.execution.stages import StageCost
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.folder import make_paths_absolute
from scgnn.runs.provenance import third_party_components
from scgnn.runs.results import build_text_writers
from scgnn.runs.run import PreparedData, compute, prepare
from scgnn.state import State
from scgnn.study.dask_backend import DaskStages
from scgnn.study.progress import StudyProgress
from scgnn.study.spec import Run, Study

log = logging.getLogger("scgnn")

DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
RUNS_PER_WORKER = 4  # runs under way for each worker, so that all have something to do


class RunSummary(NamedTuple):
    """A run that is done: its scores, and what each of its stages took."""

    metrics: dict[str, Any]
    costs: dict[str, StageCost]


@dataclass
class StudyOutcome:
    """What became of the runs of a study, by their labels."""

    summaries: dict[str, RunSummary] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def summarize_costs(self) -> tuple[float, float, int, int]:
        """Seconds of computing apart and shared, stages asked for and different ones."""
        asked = [cost for run in self.summaries.values() for cost in run.costs.items()]
        different = dict(asked)
        return (
            sum(cost.seconds for _, cost in asked),
            sum(cost.seconds for cost in different.values()),
            len(asked),
            len(different),
        )


class DataCache:
    """Data of recipes, read once for all runs that share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Any, threading.Lock] = {}
        self._prepared: dict[Any, PreparedData] = {}

    def __call__(self, recipe: Recipe) -> PreparedData:
        key = (recipe.data, recipe.seed if recipe.data.is_stochastic else None)
        with self._lock:
            mine = self._locks.setdefault(key, threading.Lock())
        with mine:
            if key not in self._prepared:
                self._prepared[key] = prepare(recipe)
            return self._prepared[key]


def run_all(
    study: Study,
    out: Path,
    client: Client,
    n_workers: int,
    cache: StageCache,
    progress: StudyProgress,
    data_cache: DataCache,
    *,
    threads: int = 1,
    fail_fast: bool = False,
) -> StudyOutcome:
    """Every run of a study that is not done yet.

    A run that fails is listed with its reason and stops nothing but itself, unless ``fail_fast``.

    Raises
    ------
    OSError
        The disk is full or cannot be written.
    """
    outcome = StudyOutcome()
    open_runs = []
    for run in study.runs:
        done = _load_run_summary(out / "runs" / run.label, run.recipe)
        if done is None:
            open_runs.append(run)
        else:
            outcome.summaries[run.label] = done
    progress.on_study_start(len(study.runs), len(outcome.summaries))

    def one(run: Run) -> RunSummary:
        with use_progress(progress.create_run_progress(run.label)):
            stages = DaskStages(client, cache, threads)
            state, metrics = compute(run.recipe, data_cache(run.recipe), stages)
            metrics["peak_memory_mb"] = max(metrics["peak_memory_mb_by_stage"].values())
            finished = RunSummary(metrics, stages.costs)
            _write_run(out / "runs" / run.label, run.recipe, state, finished)
            return finished

    with ThreadPoolExecutor(RUNS_PER_WORKER * n_workers) as pool:
        waiting: dict[Future[RunSummary], Run] = {}
        try:
            for run in open_runs:
                waiting[pool.submit(copy_context().run, one, run)] = run
            while waiting:
                ended, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ended:
                    run = waiting.pop(future)
                    _record_run_end(future, run, outcome, progress)
                    if fail_fast and outcome.failures:
                        raise UserError(f"{run.label}: {outcome.failures[run.label]} (--fail-fast)")
        except BaseException:
            for future in waiting:
                future.cancel()
            client.close()  # ends what the threads wait for
            raise
    return outcome


def _record_run_end(
    future: Future[RunSummary], run: Run, outcome: StudyOutcome, progress: StudyProgress
) -> None:
    """Note how a run ended."""
    try:
        outcome.summaries[run.label] = future.result()
        progress.on_run_end(run.label, None)
        return
    except OSError as error:
        if error.errno in DISK_ERRNOS:
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
    outcome.failures[run.label] = reason
    progress.on_run_end(run.label, reason)


def _write_run(folder: Path, recipe: Recipe, state: State, summary: RunSummary) -> None:
    """The small files of a run; ``metrics.json`` comes last and says that it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(key, *cost) for key, cost in summary.costs.items()]
    first = {
        "stages.csv": lambda part: _write_csv(part, ("key", "stage", "seconds", "peak_mb"), rows),
        "iterations.csv": lambda part: _write_csv(
            part,
            ("cell", *(f"iteration_{number}" for number in range(len(state.cluster_history)))),
            zip(state.cells, *state.cluster_history, strict=True),
        ),
        "embedding.npz": lambda part: _write_embedding(part, state),
    }
    write_files(
        folder, first | build_text_writers(state, make_paths_absolute(recipe), summary.metrics)
    )


def _write_embedding(path: Path, state: State) -> None:
    assert state.graph_embedding is not None
    with path.open("wb") as file:
        np.savez_compressed(file, clustered=state.graph_embedding)


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([tuple(header), *rows])


def _load_run_summary(folder: Path, recipe: Recipe) -> RunSummary | None:
    """What a finished run of this very recipe and code left."""
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        used = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
        written = (folder / "recipe.yaml").read_text(encoding="utf-8")
        with (folder / "stages.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
    except (OSError, ValueError, KeyError):
        return None
    code = {"source": code_fingerprint(), **third_party_components(recipe)}
    if not code.items() <= used.items() or written != to_yaml(make_paths_absolute(recipe)):
        return None
    costs = {key: StageCost(label, float(took), float(peak)) for key, label, took, peak in rows}
    return RunSummary(metrics, costs)
