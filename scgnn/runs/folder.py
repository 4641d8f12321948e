"""The output folder of a run: locking, resuming and cleaning up."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from scgnn.arguments import check_local_path, escape_controls
from scgnn.errors import FolderRemovedError, RecipeError, UserError
from scgnn.execution.files import (
    TEMPORARY_FILE_PATTERN,
    remove_temporary_files,
    write_atomic,
)
from scgnn.execution.formatting import LOG_FORMAT
from scgnn.interface import by_interface
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe, to_yaml

log = logging.getLogger("scgnn")

LOCK_FILENAME = ".running"
LOG_FILENAME = "log.txt"
LONGEST_FILENAME = "x" * 100  # longer than any path in the folder of a run


class LogFileHandler(logging.FileHandler):
    """Handler for ``log.txt``; messages that a full disk has no room for are lost."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_controls(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def open_output_folder(out: Path, recipe: Recipe, resume: bool) -> Iterator[Path]:
    """Open the folder of a run, with its recipe and its log, and keep its stages until the end.

    A new folder is removed again if the run fails by a mistake of the user; after any other
    interruption it stays, to be resumed.

    Raises
    ------
    UserError
        The folder is not writable, or holds other files, a finished run, or an unfinished run
        that ``resume`` does not ask for or that has another recipe.
    """
    check_local_path(out)
    recipe = make_paths_absolute(recipe)
    new_folders = [folder for folder in (out, *out.parents) if not folder.exists()]
    is_resumed = _create_or_resume(out, recipe, resume)
    with locked_folder(out):
        try:
            write_atomic(out / "recipe.yaml", to_yaml(recipe))
            yield out
        except UserError:
            if not is_resumed and not (out / "stages").exists():
                for name in ("recipe.yaml", LOG_FILENAME, LOCK_FILENAME):
                    (out / name).unlink(missing_ok=True)
                for folder in new_folders:
                    if folder.is_dir() and not any(folder.iterdir()):
                        folder.rmdir()
            raise
    shutil.rmtree(out / "stages", ignore_errors=True)


@contextmanager
def locked_folder(out: Path) -> Iterator[None]:
    """Lock a folder, remove what a killed process left, and log to its ``log.txt``.

    Raises
    ------
    UserError
        Another process holds the lock; that of a killed process is released.
    """
    lock = FileLock(out / LOCK_FILENAME)
    try:
        lock.acquire(timeout=1)  # a killed process may be ending
    except Timeout:
        advice = "wait for it, or choose another folder"
        raise UserError(f"{out}: another process is running in it; {advice}") from None
    except OSError as error:  # e.g. a link
        problem = f"cannot be locked ({error.strerror or error})"
        raise UserError(f"{out / LOCK_FILENAME}: {problem}; remove it") from None
    remove_temporary_files(out)
    handler = LogFileHandler(out / LOG_FILENAME, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    log.addHandler(handler)
    try:
        yield
        check_locked(out)
    finally:
        log.removeHandler(handler)
        handler.close()
        if is_unused(out):
            (out / LOG_FILENAME).unlink(missing_ok=True)
        lock.release()
        (out / LOCK_FILENAME).unlink(missing_ok=True)


def check_locked(out: Path) -> None:
    """Check that a folder is the one that was locked.

    Raises
    ------
    FolderRemovedError
        It was removed or replaced.
    """
    if not (out / LOCK_FILENAME).exists():
        raise FolderRemovedError(out)


def _create_or_resume(out: Path, recipe: Recipe, resume: bool) -> bool:
    """Create a folder, or check that its run can be resumed; return whether it is resumed."""
    if is_unused(out):
        ensure_writable(out, other_folder_hint())
        return False
    if not all((out / name).is_file() for name in ("recipe.yaml", LOG_FILENAME)):
        raise UserError(f"{out}: not empty and not a run; {other_folder_hint()}")
    if (out / "metrics.json").exists():
        raise UserError(f"{out}: holds a finished run; {other_folder_hint()}")
    if not resume:
        resume_hint = by_interface("add --resume", "pass resume=True")
        advice = f"{resume_hint} to continue it, or {other_folder_hint()}"
        raise UserError(f"{out}: holds an unfinished run; {advice}")
    try:
        saved = load_recipe(out / "recipe.yaml")
    except RecipeError as error:
        raise UserError(f"{out}: {format_not_resumable('run', error)}") from None
    if saved != recipe:
        raise UserError(f"{out}: holds a run of another recipe; {other_folder_hint()}")
    return True


def other_folder_hint() -> str:
    """Return the advice where an output folder cannot be used."""
    return f"choose another folder {by_interface('with --out', 'with out')}"


def own_folder_hint() -> str:
    """Return the advice where no folder to resume was found."""
    return f"name its folder with {by_interface('--out', 'out')}"


def format_not_resumable(noun: str, error: RecipeError) -> str:
    """Return the message for an unfinished run or study that this version cannot load."""
    first, *others = error.problems
    reason = f"{first} and {len(others)} more" if others else first
    problem = f"holds a {noun} that this version of scgnn cannot resume"
    return f"{problem}; {other_folder_hint()} ({reason})"


def is_unused(out: Path) -> bool:
    """Return whether a folder is absent or empty, or a run ended in it before it wrote a file."""
    if not out.is_dir():
        return True
    names = {path.name for path in out.iterdir()}
    if LOCK_FILENAME in names:  # without it, the log is a file of the user
        names -= {LOCK_FILENAME, LOG_FILENAME}
    return all(map(TEMPORARY_FILE_PATTERN.fullmatch, names))


def ensure_writable(out: Path, hint: str) -> None:
    """Create a folder and check that it can be written; errors end with ``hint``."""
    check_local_path(out / LONGEST_FILENAME)
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); {hint}") from None


def make_paths_absolute(recipe: Recipe) -> Recipe:
    """Return the recipe with absolute data paths, so that it runs in any working directory."""
    data = recipe.data
    if path := getattr(data.reader, "path", ""):
        data = replace(data, reader=replace(data.reader, path=_make_absolute(path)))  # type: ignore[type-var]
    if data.truth_path:
        data = replace(data, truth_path=_make_absolute(data.truth_path))
    if data.labels_file:
        data = replace(data, labels_file=_make_absolute(data.labels_file))
    return replace(recipe, data=data)


def _make_absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def list_numbered_folders(path: Path) -> list[Path]:
    """Return ``path``, ``path-2``, ``path-3`` …, of which only the last does not exist."""
    folders = [path]
    while folders[-1].exists():
        folders.append(path.with_name(f"{path.name}-{len(folders) + 1}"))
    return folders


def select_output_folder(path: Path, recipe: Recipe, resume: bool) -> Path:
    """Return the first free folder of ``path``, ``path-2``, ``path-3`` and so on.

    With ``resume``, return the latest that holds an unfinished run of this recipe.
    """
    *existing, free = list_numbered_folders(path)
    if not resume:
        return free
    recipe = make_paths_absolute(recipe)
    for folder in reversed(existing):
        if not (folder / "metrics.json").exists() and _load_saved_recipe(folder) == recipe:
            return folder
    raise UserError(f"{path}: no unfinished run of this recipe to resume; {own_folder_hint()}")


def _load_saved_recipe(folder: Path) -> Recipe | None:
    try:
        return load_recipe(folder / "recipe.yaml")
    except RecipeError:  # none, of another version, or with a plug-in that is not installed
        return None
