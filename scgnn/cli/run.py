"""``run``: a recipe or a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scgnn.cli.app import RunInterruptedError, app
from scgnn.cli.options import (
    CacheDirOption,
    CacheSizeOption,
    DataListOption,
    LabelsKeyOption,
    PluginOption,
    RecipeArgument,
    SetOption,
    load_recipe_from_options,
    load_study_from_options,
    parse_size,
    require_single_path,
)
from scgnn.errors import UserError
from scgnn.execution import process_group

if TYPE_CHECKING:
    from scgnn.execution.cache import StageCache
    from scgnn.recipe.recipe import Recipe
    from scgnn.study.spec import Study


@app.command()
def run(
    recipe: RecipeArgument,
    data: DataListOption = None,
    labels_key: LabelsKeyOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results; default runs/RECIPE-DATA.")
    ] = None,
    changes: SetOption = None,
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
    cache_dir: CacheDirOption = None,
    cache_size: CacheSizeOption = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Study: end with the first run that fails.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run what is too large for the memory, by the estimate.")
    ] = False,
    plugins: PluginOption = None,
) -> None:
    """Run a recipe, or a study, and write its results to a folder."""
    from scgnn.execution.cache import StageCache
    from scgnn.study.load import is_study

    if cache_dir is not None and cache_dir.exists() and not cache_dir.is_dir():
        raise UserError(f"--cache-dir {cache_dir}: a file, not a folder")
    kept = (
        StageCache(cache_dir, parse_size(cache_size) if cache_size else None) if cache_dir else None
    )
    if is_study(recipe):
        if process_group.world_size() > 1:
            raise UserError("a study is divided by --jobs or --scheduler, not by torchrun")
        if export:
            raise UserError("--export is for a recipe; a study writes tables")
        settings: dict[str, Any] = {
            "out": out,
            "jobs": jobs,
            "threads": threads or 1,
            "scheduler": scheduler,
        }
        settings |= {"resume": resume, "fail_fast": fail_fast, "cache": kept, "force": force}
        _run_study(
            load_study_from_options(recipe, data, labels_key, seeds, changes),
            settings,
            plugins or [],
        )
        return
    for given, option in (
        (jobs, "jobs"),
        (scheduler, "scheduler"),
        (seeds, "seeds"),
        (fail_fast or None, "fail-fast"),
    ):
        if given is not None:
            raise UserError(f"--{option} is for a study, and {recipe} is a recipe")
    complete = load_recipe_from_options(recipe, changes, require_single_path(data), labels_key)
    _run_recipe(complete, _derive_run_name(recipe, data), out, resume, export, threads, kept, force)


def _run_recipe(
    recipe: Recipe,
    name: str,
    out: Path | None,
    resume: bool,
    export: str | None,
    threads: int | None,
    cache: StageCache | None,
    force: bool,
) -> None:
    from rich.console import Console

    from scgnn.cli import progress as shown
    from scgnn.execution.cache import StageCache

    if export not in (None, "scgnn"):
        raise UserError(f"--export {export}: unknown; 'scgnn' writes the original's four files")
    if process_group.world_size() > 1:
        from scgnn.execution.resources import set_threads
        from scgnn.runs import distributed

        distributed.check_distributed_support(recipe, resume or cache is not None)
        if process_group.rank():
            set_threads(threads)
            distributed.serve_worker(recipe)
            return
    with shown.show_progress(Console(stderr=True), getattr(recipe.pipeline, "max_iterations", 0)):
        from scgnn.api.runs import write_folder
        from scgnn.execution.resources import set_threads
        from scgnn.execution.stages import Stages
        from scgnn.runs.export import write_scgnn_csv
        from scgnn.runs.folder import open_output_folder, select_output_folder
        from scgnn.runs.run import execute

        set_threads(threads)
        out = out or select_output_folder(Path("runs") / name, recipe, resume)
        try:
            with open_output_folder(out, recipe, resume) as folder:
                if process_group.world_size() > 1:
                    result = distributed.execute(recipe)
                else:
                    stages = Stages(cache or StageCache(folder / "stages"))
                    result = execute(recipe, None, stages, force)
                extra = write_scgnn_csv(result, folder, name) if export else []
                files = [*write_folder(result, folder), *extra, folder / "log.txt"]
        except KeyboardInterrupt:
            if process_group.world_size() > 1:
                raise
            advice = "the same command with --resume goes on from the last finished stage"
            raise RunInterruptedError(f"interrupted; {out} is kept, and {advice}") from None
    from scgnn.cli.summary import print_summary

    print_summary(Console(), result.metrics, files, out)


def _derive_run_name(recipe: str, data: list[str] | None) -> str:
    """What the folder of a run is called by default."""
    words = [Path(recipe).stem]
    for path in data or []:
        file = Path(path).resolve().name
        words.append(file.split(".")[0] or file)
    return "-".join(words)


def _run_study(study: Study, settings: dict[str, Any], plugins: list[Path]) -> None:
    """Run a study and print its answer; exit code 1 when a run failed."""
    from rich.console import Console

    from scgnn.api.studies import run_study
    from scgnn.cli import progress as shown
    from scgnn.cli.study_progress import show_study_progress
    from scgnn.cli.study_summary import print_study_summary

    with (
        shown.log_to_console(Console(stderr=True)),
        show_study_progress(Console(stderr=True)) as board,
    ):
        try:
            result = run_study(study, **settings, plugin_files=plugins, progress=board)
        except KeyboardInterrupt:
            advice = "the same command with --resume does the rest"
            raise RunInterruptedError(f"interrupted; what is done is kept, and {advice}") from None
    print_study_summary(Console(), result)
    if result.outcome.failures:
        raise typer.Exit(1)
