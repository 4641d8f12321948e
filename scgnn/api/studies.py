"""Studies in Python: compute, write, report."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd
from distributed.security import Security

from scgnn.arguments import check_local_path, check_type
from scgnn.errors import UserError
from scgnn.execution.cache import StageCache
from scgnn.execution.files import FileContent, frame_to_csv, write_files
from scgnn.execution.formatting import format_count
from scgnn.execution.hardware import resolve_hardware, use_hardware
from scgnn.execution.resources import configure_process
from scgnn.runs.preflight import check_all_fit_memory, estimate_largest_memory
from scgnn.runs.provenance import collect_versions
from scgnn.runs.results import format_json
from scgnn.study.cluster import (
    check_cluster_options,
    check_scheduler_address,
    count_local_workers,
    open_cluster,
)
from scgnn.study.engine import DataCache, run_all
from scgnn.study.folder import check_study_folder, open_study_folder, select_study_folder
from scgnn.study.load import load_study
from scgnn.study.plan import describe_roles, list_design_problems
from scgnn.study.progress import StudyProgress, filter_study_log
from scgnn.study.result import StudyResult
from scgnn.study.spec import Study
from scgnn.study.tables import StudyTables
from scgnn.study.workers import Requirements, WorkerPool

log = logging.getLogger("scgnn")


def _load(
    study: Study | str | Path | Mapping[str, Any],
    data: Sequence[str | Path] | Mapping[str, str | Path],
    labels_key: str | None,
    labels_file: str | Path | None,
    seeds: Sequence[int],
) -> Study:
    options = {"labels_key": labels_key, "labels_file": labels_file}
    labels = {name: os.fspath(value) for name, value in options.items() if value is not None}
    if isinstance(study, Study):
        for name, value in {**labels, "data": data, "seeds": seeds}.items():
            if len(value):
                raise UserError(f"{name}: the study is loaded already; give it to load_study")
        return study
    changes = {f"data.{name}": value for name, value in labels.items()}
    names = {f"data.{name}": name for name in labels}
    return load_study(study, changes, data=data, seeds=seeds, names=names)


@filter_study_log()
def run_study(
    study: Study | str | Path | Mapping[str, Any],
    *,
    data: Sequence[str | Path] | Mapping[str, str | Path] = (),
    labels_key: str | None = None,
    labels_file: str | Path | None = None,
    seeds: Sequence[int] = (),
    out: str | Path | None = None,
    jobs: int | None = None,
    threads: int = 1,
    device: str = "auto",
    backend: str = "auto",
    scheduler: str | None = None,
    security: Security | None = None,
    dashboard: bool = False,
    resume: bool = False,
    fail_fast: bool = False,
    force: bool = False,
    cache: StageCache | None = None,
    plugin_files: Sequence[Path] = (),
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Run a study, computing each stage once, and write its tables and report.

    Local workers do not import the script that calls it; components that the script or notebook
    defines are sent to them.

    Parameters
    ----------
    study
        Path, mapping or :class:`~scgnn.study.spec.Study`.
    data
        Files of counts in place of those in the study, or such files by name.
    labels_key
        Column of ``obs``, or of ``labels_file``, with true labels, for scores only.
    labels_file
        Text table with the names of cells and their true labels.
    seeds
        Seeds in place of those in the study.
    out
        Folder; by default ``runs/NAME``.
    jobs
        Number of local workers, each of which computes one stage at a time; by default the number
        of processors over ``threads``.
    threads
        Threads of each worker. The default of one makes results independent of the number of
        workers, bit by bit.
    device, backend
        Where and with what networks are trained, as for :func:`run`; workers share a GPU.
    scheduler
        Address of a running Dask scheduler, in place of local workers.
    security
        Certificates for that scheduler.
    dashboard
        Whether local workers have a dashboard; its address is logged.
    resume
        Whether to continue this study in ``out``.
    fail_fast
        Whether to stop at the first run that fails.
    force
        Whether to run what is estimated not to fit into memory.
    cache
        Cache of stages, which studies can share; by default one in ``out``.
    plugin_files
        Python files with components, for the workers.
    progress
        Listener of progress events.

    Raises
    ------
    RecipeError, UserError
        The study, its data or its folder cannot be used; nothing was run.
    """
    if out is not None:
        check_type("out", out, (str, os.PathLike), "a path")
    for name, flag in {"resume": resume, "force": force, "fail_fast": fail_fast}.items():
        check_type(name, flag, bool, "True or False")
    check_type("dashboard", dashboard, bool, "True or False")
    check_type("scheduler", scheduler, (str, type(None)), "an address")
    check_type("security", security, (Security, type(None)), "a distributed.Security")
    check_type("cache", cache, (StageCache, type(None)), "a StageCache")
    check_type("plugin_files", plugin_files, (list, tuple), "a list of paths")
    for name, value in {"jobs": jobs, "threads": threads}.items():
        if value is not None and (not isinstance(value, Integral) or value < 1):
            raise UserError(f"{name}: must be a positive integer, not {value!r}")
    configure_process()
    hardware = resolve_hardware(device, backend)
    study = _load(study, data, labels_key, labels_file, seeds)
    folder = select_study_folder(Path("runs") / study.name, study, resume) if out is None else out
    folder, progress = Path(folder), progress or StudyProgress()
    if cache is not None:
        check_local_path(cache.folder)
        cache.prepare()
    if scheduler is not None:
        check_scheduler_address(scheduler, security)
    check_cluster_options(jobs, dashboard, scheduler, security)
    check_study_folder(folder, study, resume)  # before the cluster, which starts slowly
    if scheduler is None and not force:
        n_workers = min(count_local_workers(jobs, threads), len(study.runs))
        check_all_fit_memory((run.recipe for run in study.runs), n_workers)
    log.info(f"{study.name}: {format_count(len(study.runs), 'run')}, {describe_roles(study)}")
    for _, problem in list_design_problems(study):
        log.warning(problem)
    data_cache = DataCache()
    for run in study.runs:
        if run.role == "base" and not run.recipe.data.is_stochastic:
            data_cache(run.recipe)  # data that cannot be used fail before the cluster starts
    study_folder = open_study_folder(folder, study, resume)
    cluster = open_cluster(
        jobs, threads, scheduler, plugin_files, security=security, dashboard=dashboard
    )
    with cluster as (client, n_workers), study_folder, use_hardware(hardware):
        cache = cache or StageCache(folder / "stages")
        requirements = None
        if scheduler is not None:
            cache.folder.mkdir(exist_ok=True)  # which the workers must see
            memory_mb = 0.0 if force else estimate_largest_memory(run.recipe for run in study.runs)
            requirements = Requirements(cache.folder, threads, memory_mb, hardware)
        pool = WorkerPool(client, requirements)
        pool.update()  # fails before any run if no worker is fit
        settings: dict[str, Any] = {"threads": threads, "fail_fast": fail_fast}
        outcome = run_all(study, folder, pool, n_workers, cache, progress, data_cache, **settings)
        result = StudyResult(study, folder, StudyTables(study, outcome), outcome)
        write_study_tables(result)
        from scgnn.report.study import write_report

        write_report(result)
        log.info("%s", result.format_cost())
    return result


def write_study_tables(result: StudyResult) -> list[Path]:
    """Write the tables of a study and ``versions.json``, and return their paths."""
    tables = result.tables
    failures = pd.DataFrame(result.outcome.failures.items(), columns=["run", "reason"])
    frames = {"table.csv": tables.runs, "effects.csv": tables.effects, "failures.csv": failures}
    optional = {
        "effects_by_data.csv": tables.effects_by_data,
        "factors.csv": tables.main_effects,
        "interactions.csv": tables.interactions,
    }
    frames |= {name: frame for name, frame in optional.items() if not frame.empty}
    versions = collect_versions(*(run.recipe for run in result.study.runs))
    files: dict[str, FileContent] = {"versions.json": format_json(versions)}
    for name, frame in frames.items():
        files[name] = frame_to_csv(frame, index=False)
    return write_files(result.folder, files)
