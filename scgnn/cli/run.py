"""The command ``run``: run a recipe or a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from scgnn.cli.app import RecipeCommand, RunInterruptedError, app
from scgnn.cli.heartbeat import announce
from scgnn.cli.options import (
    STUDY_PANEL,
    BackendOption,
    CacheDirOption,
    CacheSizeOption,
    DataListOption,
    DeviceOption,
    LabelsFileOption,
    LabelsKeyOption,
    PluginOption,
    RecipeArgument,
    SeedsOption,
    SetOption,
    check_no_study_options,
    load_recipe_from_options,
    load_study_from_options,
    parse_size,
    split_data_name,
)
from scgnn.cli.watch import NOTHING_COMPUTED, RESUME_ADVICE
from scgnn.errors import UserError
from scgnn.execution import process_group
from scgnn.execution.files import truncate_name

if TYPE_CHECKING:
    from distributed.security import Security

    from scgnn.execution.cache import StageCache
    from scgnn.recipe.recipe import Recipe
    from scgnn.study.spec import Study

P = ParamSpec("P")

EXPORT_FORMATS = ("scgnn",)
MAX_NAME_BYTES = 200  # of the 255 of a file name; --export appends to it


def translate_interrupt(command: Callable[P, None]) -> Callable[P, None]:
    """Return a command that ends with a sentence where Ctrl-C arrives before its run."""

    @wraps(command)
    def translate(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            raise RunInterruptedError(NOTHING_COMPUTED) from None

    return translate


@app.command(cls=RecipeCommand)
@translate_interrupt
def run(
    recipe: RecipeArgument,
    data: DataListOption = None,
    labels_key: LabelsKeyOption = None,
    labels_file: LabelsFileOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Output folder.", show_default="runs/RECIPE-DATA"),
    ] = None,
    changes: SetOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume an interrupted run in the same folder.")
    ] = False,
    export: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT", help="'scgnn': also write the output files of the original program."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of threads; for a study, threads per worker (default 1).",
        ),
    ] = None,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    cache_dir: CacheDirOption = None,
    cache_size: CacheSizeOption = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Run even if the estimated memory exceeds what is available."),
    ] = False,
    no_baseline: Annotated[
        bool,
        typer.Option("--no-baseline", help="Do not compare the run with the baseline pca_leiden."),
    ] = False,
    plugins: PluginOption = None,
    seeds: SeedsOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Number of local workers.", rich_help_panel=STUDY_PANEL
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler to use.", rich_help_panel=STUDY_PANEL),
    ] = None,
    tls_files: Annotated[
        tuple[Path, Path, Path] | None,
        typer.Option(
            "--tls",
            metavar="CA CERT KEY",
            help="Certificate files for the scheduler (PEM).",
            rich_help_panel=STUDY_PANEL,
        ),
    ] = None,
    dashboard: Annotated[
        bool,
        typer.Option(
            "--dashboard",
            help="Show the dashboard of the local workers to all users of this machine.",
            rich_help_panel=STUDY_PANEL,
        ),
    ] = False,
    fail_fast: Annotated[
        bool,
        typer.Option(
            "--fail-fast", help="Stop at the first failed run.", rich_help_panel=STUDY_PANEL
        ),
    ] = False,
) -> None:
    """Run a recipe or a study and write the results to a folder."""
    from scgnn.execution.resources import set_spin_count

    set_spin_count()  # before torch is imported
    from scgnn.execution.cache import StageCache
    from scgnn.study.load import is_study

    cache = None
    if cache_dir is not None:
        if cache_dir.exists() and not cache_dir.is_dir():
            raise UserError(f"--cache-dir {cache_dir}: not a directory")
        cache = StageCache(cache_dir, parse_size(cache_size) if cache_size else None)
    settings: dict[str, Any] = {"out": out, "resume": resume, "cache": cache, "force": force}
    settings |= {"device": device, "backend": backend}
    if is_study(recipe):
        if process_group.world_size() > 1:
            raise UserError("torchrun: only for recipes; use --jobs or --scheduler for a study")
        if export:
            raise UserError(f"--export: only for recipes; {recipe} is a study")
        if no_baseline:
            problem = "studies compute no baseline beside their runs"
            raise UserError(f"--no-baseline: only for recipes; {problem}")
        study = load_study_from_options(recipe, data, labels_key, labels_file, seeds, changes)
        settings |= {"jobs": jobs, "scheduler": scheduler, "fail_fast": fail_fast}
        settings |= {"security": _load_certificates(tls_files), "dashboard": dashboard}
        _run_study(study, **settings, threads=threads or 1, plugin_files=plugins or [])
        return
    study_options: dict[str, object] = {"--jobs": jobs, "--scheduler": scheduler, "--seeds": seeds}
    study_options |= {"--tls": tls_files, "--dashboard": dashboard, "--fail-fast": fail_fast}
    check_no_study_options(recipe, study_options)
    if export not in (None, *EXPORT_FORMATS):
        raise UserError(f"--export {export}: unknown format; known: {', '.join(EXPORT_FORMATS)}")
    complete = load_recipe_from_options(recipe, changes, data, labels_key, labels_file)
    from scgnn.recipe.load import get_recipe_name

    names = get_recipe_name(recipe), _derive_run_name(recipe, data)
    settings |= {"export": export is not None, "baseline": not no_baseline, "threads": threads}
    _run_recipe(complete, *names, **settings)


def _run_recipe(
    recipe: Recipe,
    recipe_name: str,
    name: str,
    *,
    out: Path | None,
    resume: bool,
    cache: StageCache | None,
    force: bool,
    export: bool,
    baseline: bool,
    threads: int | None,
    device: str,
    backend: str,
) -> None:
    from scgnn.cli.progress import open_console, show_run_progress
    from scgnn.execution.cache import StageCache
    from scgnn.execution.hardware import resolve_hardware, use_hardware
    from scgnn.execution.resources import configure_process

    if cache is not None:
        cache.prepare()
    is_distributed = process_group.world_size() > 1
    if is_distributed:
        if device not in ("auto", "cpu"):
            problem = f"several processes train on the CPU; remove --device {device}"
            raise UserError(f"torchrun: {problem}, or run one process")
        device = "cpu"
        from scgnn.runs import distributed

        distributed.check_distributed_support(recipe, resume or cache is not None)
        if process_group.rank():
            configure_process(threads)
            distributed.serve_worker(recipe)
            return
    n_iterations = getattr(recipe.pipeline, "max_iterations", 0)
    progress = show_run_progress(open_console(), n_iterations)
    with progress, use_hardware(resolve_hardware(device, backend)):
        from scgnn.api.runs import add_baseline, write_folder
        from scgnn.execution.stages import Stages
        from scgnn.runs.folder import open_output_folder, select_output_folder
        from scgnn.runs.run import execute

        configure_process(threads)
        out = out or select_output_folder(Path("runs") / name, recipe, resume)
        message = f"interrupted: finished stages are in {out}; {RESUME_ADVICE}"
        announce(message)
        try:
            with open_output_folder(out, recipe, resume) as folder:
                cache = cache or StageCache(folder / "stages")
                if is_distributed:
                    result = distributed.execute(recipe)
                else:
                    result = execute(recipe, None, Stages(cache), force, to_file=True)
                result = replace(result, recipe_name=recipe_name)
                result, files = write_folder(result, folder, name if export else "")
                message = f"interrupted: the results in {out} are complete, without the baseline"
                is_interrupted = False
                if baseline:
                    announce(message)
                    try:
                        result = add_baseline(result, folder, cache)
                    except KeyboardInterrupt:
                        is_interrupted = True
            if is_interrupted:  # now that the folder is complete
                raise RunInterruptedError(message)
        except KeyboardInterrupt:
            if is_distributed:
                raise
            raise RunInterruptedError(message) from None
    from scgnn.cli.summary import print_run_summary

    print_run_summary(result, [*files, out / "log.txt"], out)


def _load_certificates(files: Sequence[Path] | None) -> Security | None:
    if not files:
        return None
    from scgnn.study.cluster import load_certificates

    return load_certificates(*files)


def _derive_run_name(recipe: str, data: list[str] | None) -> str:
    """Return the default name of the folder of a run: recipe and data."""
    from scgnn.study.level_names import strip_suffixes
    from scgnn.study.spec import slugify

    names = [Path(recipe).stem]
    for name, path in map(split_data_name, data or []):
        names.append(slugify(name) if name else strip_suffixes(Path(path).resolve().name))
    return truncate_name("-".join(names), MAX_NAME_BYTES)


def _run_study(study: Study, **settings: Any) -> None:
    """Run a study and print its summary; exit code 1 if a run failed."""
    from scgnn.api.studies import run_study
    from scgnn.cli.progress import open_console, show_study_progress
    from scgnn.cli.summary import print_study_summary

    message = f"interrupted: finished runs are kept; {RESUME_ADVICE}"
    announce(message)
    with show_study_progress(open_console()) as progress:
        try:
            result = run_study(study, **settings, progress=progress)
        except KeyboardInterrupt:
            raise RunInterruptedError(message) from None
    print_study_summary(result)
    if result.outcome.failures:
        raise typer.Exit(1)
