"""``run``: a recipe or a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scgnn.cli.app import Interrupted, app
from scgnn.cli.options import (
    DataFiles,
    LabelsColumn,
    PluginFiles,
    RecipeName,
    Sets,
    StoreFolder,
    StoreLimit,
    bytes_of,
    load,
    load_study_of,
    one_of,
)
from scgnn.errors import UserError
from scgnn.execution import process_group

if TYPE_CHECKING:
    from scgnn.execution.cache import Store
    from scgnn.recipe.recipe import Recipe
    from scgnn.study.spec import Study


@app.command()
def run(
    recipe: RecipeName,
    data: DataFiles = None,
    labels: LabelsColumn = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results; default runs/RECIPE-DATA.")
    ] = None,
    changes: Sets = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an unfinished run in the same folder.")
    ] = False,
    export: Annotated[
        str | None, typer.Option("--export", help="scgnn: also the original program's four files.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads for the numerics.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Study: workers on this machine.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Study: address of a Dask cluster.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Study: seeds, e.g. 0,1,2, or how many.")
    ] = None,
    store: StoreFolder = None,
    limit: StoreLimit = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Study: end with the first run that fails.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run what is too large for the memory, by the estimate.")
    ] = False,
    plugins: PluginFiles = None,
) -> None:
    """Run a recipe, or a study, and write its results to a folder."""
    from scgnn.execution.cache import Store
    from scgnn.study.load import is_study

    if store is not None and store.exists() and not store.is_dir():
        raise UserError(f"--store {store}: a file, not a folder")
    kept = Store(store, bytes_of(limit) if limit else None) if store else None
    if is_study(recipe):
        if process_group.size() > 1:
            raise UserError("a study is divided by --jobs or --scheduler, not by torchrun")
        if export:
            raise UserError("--export is for a recipe; a study writes tables")
        settings: dict[str, Any] = {
            "out": out,
            "jobs": jobs,
            "threads": threads or 1,
            "scheduler": scheduler,
        }
        settings |= {"resume": resume, "fail_fast": fail_fast, "store": kept, "force": force}
        _study(load_study_of(recipe, data, labels, seeds, changes), settings, plugins or [])
        return
    for given, option in (
        (jobs, "jobs"),
        (scheduler, "scheduler"),
        (seeds, "seeds"),
        (fail_fast or None, "fail-fast"),
    ):
        if given is not None:
            raise UserError(f"--{option} is for a study, and {recipe} is a recipe")
    complete = load(recipe, changes, one_of(data), labels)
    _recipe(complete, _name(recipe, data), out, resume, export, threads, kept, force)


def _recipe(
    complete: Recipe,
    name: str,
    out: Path | None,
    resume: bool,
    export: str | None,
    threads: int | None,
    store: Store | None,
    force: bool,
) -> None:
    from rich.console import Console

    from scgnn.cli import progress as shown
    from scgnn.execution.cache import Store

    if export not in (None, "scgnn"):
        raise UserError(f"--export {export}: unknown; 'scgnn' writes the original's four files")
    if process_group.size() > 1:
        from scgnn.execution.resources import set_threads
        from scgnn.runs import distributed

        distributed.refuse(complete, resume or store is not None)
        if process_group.rank():
            set_threads(threads)
            distributed.lend(complete)
            return
    with shown.watching(Console(stderr=True), getattr(complete.pipeline, "max_iterations", 0)):
        from scgnn.api.runs import write_folder
        from scgnn.execution.resources import set_threads
        from scgnn.execution.stages import Stages
        from scgnn.runs.export import write_scgnn_csv
        from scgnn.runs.folder import default_folder, output_folder
        from scgnn.runs.run import execute

        set_threads(threads)
        out = out or default_folder(Path("runs") / name, complete, resume)
        try:
            with output_folder(out, complete, resume) as folder:
                if process_group.size() > 1:
                    result = distributed.execute(complete)
                else:
                    stages = Stages(store or Store(folder / "stages"))
                    result = execute(complete, None, stages, force)
                extra = write_scgnn_csv(result, folder, name) if export else []
                files = [*write_folder(result, folder), *extra, folder / "log.txt"]
        except KeyboardInterrupt:
            if process_group.size() > 1:
                raise
            advice = "the same command with --resume goes on from the last finished stage"
            raise Interrupted(f"interrupted; {out} is kept, and {advice}") from None
    from scgnn.cli.summary import summary

    summary(Console(), result.metrics, files, out)


def _name(recipe: str, data: list[str] | None) -> str:
    """What the folder of a run is called by default."""
    words = [Path(recipe).stem]
    for path in data or []:
        file = Path(path).resolve().name
        words.append(file.split(".")[0] or file)
    return "-".join(words)


def _study(study: Study, settings: dict[str, Any], plugins: list[Path]) -> None:
    """Run a study and print its answer; exit code 1 when a run failed."""
    from rich.console import Console

    from scgnn.api.studies import run_study
    from scgnn.cli import progress as shown
    from scgnn.cli.study_progress import showing
    from scgnn.cli.study_summary import summary

    with shown.logging_to(Console(stderr=True)), showing(Console(stderr=True)) as board:
        try:
            result = run_study(study, **settings, plugins=plugins, board=board)
        except KeyboardInterrupt:
            advice = "the same command with --resume does the rest"
            raise Interrupted(f"interrupted; what is done is kept, and {advice}") from None
    summary(Console(), result)
    if result.outcome.failed:
        raise typer.Exit(1)
