"""Execution of a study: each run in a thread of its own, each stage once, on the workers."""

from __future__ import annotations

import csv
import json
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from distributed.scheduler import KilledWorker

from scgnn.errors import DISK_ERRNOS, FolderRemovedError, UserError
from scgnn.execution.cache import StageCache, StageCost
from scgnn.execution.files import FileContent, write_files
from scgnn.execution.fingerprint import code_fingerprint
from scgnn.execution.hardware import current_hardware
from scgnn.execution.progress import use_progress
from scgnn.interface import by_interface
from scgnn.recipe.recipe import Recipe, to_yaml
from scgnn.runs.folder import make_paths_absolute
from scgnn.runs.prepared_data import PreparedData
from scgnn.runs.provenance import third_party_components
from scgnn.runs.results import build_text_files
from scgnn.runs.run import compute, prepare
from scgnn.state import State
from scgnn.study.dask_backend import DaskStages
from scgnn.study.progress import StudyProgress, StudyRunProgress
from scgnn.study.spec import Run, Study
from scgnn.study.workers import WorkerPool

log = logging.getLogger("scgnn")

RUNS_PER_WORKER = 4  # concurrent runs for each worker, so that all workers are busy


class RunSummary(NamedTuple):
    """Scores of a finished run, and the cost of its stages by key."""

    metrics: dict[str, Any]
    costs: dict[str, StageCost]


@dataclass
class StudyOutcome:
    """Finished and failed runs of a study by label, the latter with the reason."""

    summaries: dict[str, RunSummary] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def list_costs(self) -> list[tuple[str, StageCost]]:
        """Return the key and the cost of each stage of each run."""
        return [cost for run in self.summaries.values() for cost in run.costs.items()]


class DataCache:
    """Prepared data, read once for all recipes that share them."""

    def __init__(self) -> None:
        self._locks: dict[Any, threading.Lock] = {}
        self._prepared: dict[Any, PreparedData] = {}

    def __call__(self, recipe: Recipe) -> PreparedData:
        """Return the data of a recipe."""
        key = (recipe.data, recipe.seed if recipe.data.is_stochastic else None)
        with self._locks.setdefault(key, threading.Lock()):
            if key not in self._prepared:
                self._prepared[key] = prepare(recipe)
            return self._prepared[key]


def run_all(
    study: Study,
    out: Path,
    workers: WorkerPool,
    n_workers: int,
    cache: StageCache,
    progress: StudyProgress,
    data_cache: DataCache,
    *,
    threads: int = 1,
    fail_fast: bool = False,
) -> StudyOutcome:
    """Run every recipe of a study that has no finished run in ``out`` yet.

    A run that fails is recorded with its reason and does not affect the others, unless
    ``fail_fast`` is set.

    Raises
    ------
    OSError
        The disk is full or cannot be written.
    UserError
        A run failed and ``fail_fast`` is set.
    """
    outcome = StudyOutcome()
    for run in study.runs:
        if summary := _load_run_summary(out / "runs" / run.label, run.recipe):
            outcome.summaries[run.label] = summary
    progress.on_study_start(len(study.runs), len(outcome.summaries))

    def execute(run: Run) -> RunSummary:
        with use_progress(StudyRunProgress(progress, run.label)):
            stages = DaskStages(workers, cache, threads)
            state, metrics = compute(run.recipe, data_cache(run.recipe), stages)
            metrics["peak_memory_mb"] = max(metrics["peak_memory_mb_by_stage"].values())
            summary = RunSummary(metrics, stages.costs)
            _write_run(out, run.label, run.recipe, state, summary)
            return summary

    missing = [run for run in study.runs if run.label not in outcome.summaries]
    with ThreadPoolExecutor(RUNS_PER_WORKER * n_workers) as pool:
        try:
            labels = {pool.submit(copy_context().run, execute, run): run.label for run in missing}
            for future in as_completed(labels):
                label = labels[future]
                reason = _record_run_end(future, label, outcome)
                progress.on_run_end(label, reason)
                if fail_fast and reason:
                    option = by_interface("--fail-fast", "fail_fast")
                    raise UserError(f"{label}: {reason} ({option})")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            workers.client.close()  # ends what the threads wait for
            raise
    return outcome


def _record_run_end(future: Future[RunSummary], label: str, outcome: StudyOutcome) -> str | None:
    """Record the result of a run, or return the reason why it failed."""
    try:
        outcome.summaries[label] = future.result()
        return None
    except KilledWorker:
        advice = f"use fewer {by_interface('--jobs', 'jobs')}"
        reason = f"the worker was killed repeatedly, probably out of memory; {advice}"
    except MemoryError:
        reason = "out of memory"
    except FolderRemovedError:
        raise
    except Exception as error:  # third-party code raises anything
        if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
            raise
        log.debug("%s", label, exc_info=error)
        reason = " ".join(str(error).split())
        if not isinstance(error, UserError):
            reason = f"{type(error).__name__}: {reason}"
    outcome.failures[label] = reason
    return reason


def _write_run(out: Path, label: str, recipe: Recipe, state: State, summary: RunSummary) -> None:
    """Write the small files of a run; ``metrics.json`` comes last and marks it as finished."""
    if not out.is_dir():
        raise FolderRemovedError(out)
    folder = out / "runs" / label
    folder.mkdir(parents=True, exist_ok=True)
    costs = [(key, *cost) for key, cost in summary.costs.items()]
    header = ("cell", *(f"iteration_{i}" for i in range(len(state.cluster_history))))
    assert state.graph_embedding is not None
    files: dict[str, FileContent] = {
        "stages.csv": [("key", "stage", "seconds", "peak_mb"), *costs],
        "iterations.csv": [header, *zip(state.cells, *state.cluster_history, strict=True)],
        "embedding.npz": partial(np.savez_compressed, clustered=state.graph_embedding),
    }
    recipe = make_paths_absolute(recipe)
    write_files(folder, files | build_text_files(state, recipe, summary.metrics))


def _load_run_summary(folder: Path, recipe: Recipe) -> RunSummary | None:
    """Return the summary of a finished run of the same recipe, code and hardware, if any.

    Damaged files count as absent.
    """
    try:
        names = ("metrics.json", "versions.json", "recipe.yaml", "stages.csv")
        *texts, text, table = ((folder / name).read_text(encoding="utf-8") for name in names)
        metrics, versions = (dict(json.loads(content)) for content in texts)
        _, *rows = csv.reader(table.splitlines())
        costs = {key: StageCost(label, float(took), float(peak)) for key, label, took, peak in rows}
    except (OSError, ValueError, TypeError, csv.Error):
        return None
    expected = {"source": code_fingerprint(), **third_party_components(recipe)}
    expected |= current_hardware()._asdict()
    is_same = expected.items() <= versions.items() and text == to_yaml(make_paths_absolute(recipe))
    return RunSummary(metrics, costs) if metrics and costs and is_same else None
