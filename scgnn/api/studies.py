"""studies"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scgnn.execution.cache import StageCache
from scgnn.execution.files import write_files, write_text
from scgnn.runs.preflight import check_all_fit_memory
from scgnn.runs.provenance import collect_versions, third_party_components
from scgnn.study.dask_backend import count_local_workers, open_cluster
from scgnn.study.engine import DataCache, run_all
from scgnn.study.folder import check_study_folder, open_study_folder, select_study_folder
from scgnn.study.load import load_study
from scgnn.study.progress import StudyProgress
from scgnn.study.result import StudyResult
from scgnn.study.spec import Study
from scgnn.study.tables import StudyTables

log = logging.getLogger("scgnn")


def run_study(
    study: Study | str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    jobs: int | None = None,
    threads: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    fail_fast: bool = False,
    force: bool = False,
    cache: StageCache | None = None,
    plugin_files: Sequence[Path] = (),
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Run a study, each stage once, and write its answer.

    Parameters
    ----------
    study
        A path, a mapping or a checked study.
    out
        Folder; ``runs/NAME`` unless said.
    jobs
        Local workers, one stage each at a time; as many as there are processors unless said.
    threads
        Threads of each worker's numerics. One by default, whatever the number of workers, so
        that the answer has the same bits on two workers as on one.
    scheduler
        Address of a Dask cluster that exists, instead of local workers.
    resume
        Do what is missing of this study in ``out``.
    fail_fast
        End with the first run that fails.
    force
        Run what the estimate says cannot fit into memory.
    store
        Stages that studies share; a store inside ``out`` unless said.
    plugins
        Files with components, for the workers.
    board
        Told of what is going on.

    Raises
    ------
    RecipeError, UserError
        With every mistake, before anything runs.
    """
    if not isinstance(study, Study):
        study = load_study(study)
    folder = select_study_folder(Path("runs") / study.name, study, resume) if out is None else out
    place, shown = Path(folder), progress or StudyProgress()
    check_study_folder(place, study, resume)  # before the cluster, which takes a while
    if scheduler is None and not force:
        workers = min(count_local_workers(jobs, threads), len(study.runs))
        check_all_fit_memory((run.recipe for run in study.runs), workers)
    data = DataCache()
    for run in study.runs:
        if run.role == "base" and not run.recipe.data.is_stochastic:
            data(run.recipe)  # what is wrong with the data is wrong for all
    with (
        open_cluster(jobs, threads, scheduler, plugin_files) as (client, workers),
        open_study_folder(place, study, resume),
    ):
        stages = cache or StageCache(place / "stages")
        settings: dict[str, Any] = {"threads": threads, "fail_fast": fail_fast}
        outcome = run_all(study, place, client, workers, stages, shown, data, **settings)
        result = StudyResult(study, place, StudyTables(study, outcome), outcome)
        write_study_tables(result)
        from scgnn.report.study import write_report

        write_report(result)
        log.info("%s", result.format_cost())
    return result


def write_study_tables(result: StudyResult) -> list[Path]:
    """The tables of a study."""
    answer, out = result.tables, result.folder
    failures = [(label, reason) for label, reason in result.outcome.failures.items()]
    tables = {
        "table.csv": answer.runs,
        "effects.csv": answer.effects,
        "failures.csv": pd.DataFrame(failures, columns=["run", "reason"]),
    }
    optional = {
        "effects_by_data.csv": answer.effects_by_data,
        "factors.csv": answer.main_effects,
        "interactions.csv": answer.interactions,
    }
    tables |= {name: frame for name, frame in optional.items() if not frame.empty}
    used = collect_versions()
    for run in result.study.runs:
        used = third_party_components(run.recipe) | used
    write_text(out / "versions.json", json.dumps(used, indent=2) + "\n")
    return write_files(out, {name: _make_csv_writer(frame) for name, frame in tables.items()})


def _make_csv_writer(frame: pd.DataFrame) -> Any:
    return lambda part: frame.to_csv(part, index=False, lineterminator="\n")
