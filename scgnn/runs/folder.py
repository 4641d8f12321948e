"""The folder of a run: claimed before it starts, and left whole or not at all."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from scgnn.errors import RecipeError, UserError
from scgnn.execution.files import TEMPORARY_FILE_PATTERN, write_text
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe, to_yaml

log = logging.getLogger("scgnn")

LOCK_FILENAME = ".running"


@contextmanager
def open_output_folder(out: Path, recipe: Recipe, resume: bool) -> Iterator[Path]:
    """A folder for a run: its recipe from the start, its log, and its stages until it is done.

    What is made here is taken away again when the input turns out to be wrong, so nothing
    half-written stays; after any other interruption it stays, for ``resume``.

    Raises
    ------
    UserError
        The folder cannot be made or written, holds something else, a finished run, or another
        recipe than the one to resume.
    """
    recipe = make_paths_absolute(recipe)
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    going_on = _create_or_resume(out, recipe, resume)
    lock = acquire_lock(out)
    for part in filter(TEMPORARY_FILE_PATTERN.fullmatch, os.listdir(out)):
        (out / part).unlink()  # of a file that was being written when the run was killed
    handler = logging.FileHandler(out / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        write_text(out / "recipe.yaml", to_yaml(recipe))
        yield out
    except UserError:
        if not going_on and not (out / "stages").exists():
            handler.close()
            _clean_up(out, missing)
        raise
    finally:
        log.removeHandler(handler)
        handler.close()
        lock.release()
        (out / LOCK_FILENAME).unlink(missing_ok=True)
    shutil.rmtree(out / "stages", ignore_errors=True)


def acquire_lock(out: Path) -> FileLock:
    """The folder held for this process; a killed process lets go of it."""
    lock = FileLock(out / LOCK_FILENAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{out}: another process is running in it; wait for it, or choose another folder"
        ) from None
    return lock


def _clean_up(out: Path, folders: list[Path]) -> None:
    for name in ("recipe.yaml", "log.txt", LOCK_FILENAME):
        (out / name).unlink(missing_ok=True)
    for folder in folders:
        if not any(folder.iterdir()):
            folder.rmdir()


def _create_or_resume(out: Path, recipe: Recipe, resume: bool) -> bool:
    """Make the folder, or go on with the run in it; says whether there is one."""
    elsewhere = "choose another folder with --out"
    if out.is_dir() and any(out.iterdir()):
        if not all((out / name).is_file() for name in ("recipe.yaml", "log.txt")):
            raise UserError(f"{out}: not empty and not a run; {elsewhere}")
        if (out / "metrics.json").exists():
            raise UserError(f"{out}: holds a finished run; {elsewhere}")
        if not resume:
            raise UserError(
                f"{out}: holds an unfinished run; add --resume to go on with it, or {elsewhere}"
            )
        if load_recipe(out / "recipe.yaml") != recipe:
            raise UserError(f"{out}: holds a run of another recipe; {elsewhere}")
        return True
    ensure_writable(out, elsewhere)
    return False


def ensure_writable(out: Path, hint: str) -> None:
    """Make a folder and see whether it can be written; ``elsewhere`` is the advice if not."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); {hint}") from None


def check_data_files(recipes: Iterable[Recipe]) -> None:
    """Refuse data files that are not there.

    Raises
    ------
    RecipeError
        Every one of them, with the key that names it.
    """
    named = {
        (key, path): None
        for data in (recipe.data for recipe in recipes)
        for key, path in (
            ("data.reader.path", getattr(data.reader, "path", None)),
            ("data.truth_path", data.truth_path),
        )
        if path
    }
    missing = [f"{key}: {path} does not exist" for key, path in named if not Path(path).exists()]
    if missing:
        raise RecipeError(missing)


def make_paths_absolute(recipe: Recipe) -> Recipe:
    """The recipe with the paths of its data written out, so that it runs again from any folder."""
    data = recipe.data
    if path := getattr(data.reader, "path", ""):
        data = replace(data, reader=replace(data.reader, path=_make_absolute(path)))  # type: ignore[type-var]
    if data.truth_path:
        data = replace(data, truth_path=_make_absolute(data.truth_path))
    return replace(recipe, data=data)


def _make_absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def list_numbered_folders(path: Path) -> list[Path]:
    """``wanted``, ``wanted-2``, ``wanted-3`` … up to the first that is free."""
    folders = [path]
    while folders[-1].exists():
        folders.append(path.with_name(f"{path.name}-{len(folders) + 1}"))
    return folders


def _load_run_recipe(run: Path) -> Recipe | None:
    """The recipe of a run; None where it needs a plug-in that is not here."""
    try:
        return load_recipe(run / "recipe.yaml")
    except RecipeError:
        return None


def select_output_folder(path: Path, recipe: Recipe, resume: bool) -> Path:
    """``wanted``, or the first of ``wanted-2``, ``wanted-3`` … that is free.

    With ``resume`` the latest of them that holds this recipe, unfinished.
    """
    *taken, free = list_numbered_folders(path)
    if not resume:
        return free
    recipe = make_paths_absolute(recipe)
    for run in reversed(taken):
        unfinished = (run / "recipe.yaml").is_file() and not (run / "metrics.json").exists()
        if unfinished and _load_run_recipe(run) == recipe:
            return run
    raise UserError(f"{path}: no unfinished run of this recipe to resume; name it with --out")
