"""The folder of a study: claimed before it starts; what is done in it stays."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scgnn.errors import RecipeError, UserError
from scgnn.execution.files import TEMPORARY_FILE_PATTERN, write_text
from scgnn.recipe.yaml_tree import dump_yaml, load_yaml, to_plain
from scgnn.runs.folder import LOCK_FILENAME, acquire_lock, ensure_writable, list_numbered_folders
from scgnn.study.spec import Study

OTHER_FOLDER_HINT = "choose another folder with --out"
log = logging.getLogger("scgnn")


@contextmanager
def open_study_folder(out: Path, study: Study, resume: bool) -> Iterator[Path]:
    """A folder for a study, with the study in it from the start, and its log.

    Raises
    ------
    UserError
        The folder cannot be made or written, holds something else, another study, or this one
        and ``resume`` is not said.
    """
    check_study_folder(out, study, resume)
    ensure_writable(out, OTHER_FOLDER_HINT)
    lock = acquire_lock(out)
    for folder, _, names in os.walk(out):
        for part in filter(TEMPORARY_FILE_PATTERN.fullmatch, names):
            Path(folder, part).unlink()  # of a file that was being written at a kill
    handler = logging.FileHandler(out / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        write_text(out / "study.yaml", dump_yaml(dict(study.source)))
        yield out
    finally:
        log.removeHandler(handler)
        handler.close()
        lock.release()
        (out / LOCK_FILENAME).unlink(missing_ok=True)


def check_study_folder(out: Path, study: Study, resume: bool) -> None:
    """Refuse a folder that holds something else, without touching it."""
    if not (out.is_dir() and any(out.iterdir())):
        return
    written = out / "study.yaml"
    if not written.is_file():
        raise UserError(f"{out}: not empty and not a study; {OTHER_FOLDER_HINT}")
    if not resume:
        raise UserError(
            f"{out}: holds a study; add --resume to do what is missing in it, or {OTHER_FOLDER_HINT}"
        )
    try:
        there, here = to_plain(load_yaml(written)), dict(study.source)
    except RecipeError:
        raise UserError(f"{out}: its study.yaml cannot be read; {OTHER_FOLDER_HINT}") from None
    other = [key for key in {**there, **here} if there.get(key) != here.get(key)]
    if other:
        raise UserError(
            f"{out}: holds another study ({', '.join(other)} differ); {OTHER_FOLDER_HINT}"
        )


def select_study_folder(path: Path, study: Study, resume: bool) -> Path:
    """``wanted``, or the first of ``wanted-2``, ``wanted-3`` … that is free.

    With ``resume`` the latest of them that holds this study.
    """
    *taken, free = list_numbered_folders(path)
    if not resume:
        return free
    for old in reversed(taken):
        written = old / "study.yaml"
        if written.is_file() and to_plain(load_yaml(written)) == dict(study.source):
            return old
    raise UserError(f"{path}: no run of this study to resume; name its folder with --out")
