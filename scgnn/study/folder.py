"""Output folder of a study: claimed before it starts, kept for ``--resume``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scgnn.arguments import check_local_path
from scgnn.errors import RecipeError, UserError
from scgnn.execution.files import write_atomic
from scgnn.recipe.yaml_tree import dump_yaml, load_yaml, to_plain
from scgnn.runs.folder import (
    LONGEST_FILENAME,
    OTHER_FOLDER_HINT,
    ensure_writable,
    is_unused,
    list_numbered_folders,
    locked_folder,
)
from scgnn.study.spec import Study


@contextmanager
def open_study_folder(out: Path, study: Study, resume: bool) -> Iterator[Path]:
    """Create the folder of a study with its ``study.yaml`` and log.

    Raises
    ------
    UserError
        The folder cannot be written, or :func:`check_study_folder` rejects it.
    """
    check_study_folder(out, study, resume)
    for run in study.runs:
        check_local_path(out / "runs" / run.label / LONGEST_FILENAME)
    ensure_writable(out, OTHER_FOLDER_HINT)
    with locked_folder(out):
        write_atomic(out / "study.yaml", dump_yaml(dict(study.source)))
        yield out


def check_study_folder(out: Path, study: Study, resume: bool) -> None:
    """Check that a folder is new, or holds this study and is to be resumed; changes nothing.

    Raises
    ------
    UserError
        It is not empty and holds something else, another study, or this one without ``resume``.
    """
    check_local_path(out)
    if is_unused(out):
        return
    path = out / "study.yaml"
    if not path.is_file():
        raise UserError(f"{out}: not empty and not a study; {OTHER_FOLDER_HINT}")
    if not resume:
        raise UserError(f"{out}: holds a study; add --resume to finish it, or {OTHER_FOLDER_HINT}")
    try:
        source = to_plain(load_yaml(path))
    except RecipeError:
        raise UserError(f"{out}: its study.yaml cannot be read; {OTHER_FOLDER_HINT}") from None
    keys = dict.fromkeys([*source, *study.source])
    different = ", ".join(key for key in keys if source.get(key) != study.source.get(key))
    if different:
        raise UserError(f"{out}: holds another study (different: {different}); {OTHER_FOLDER_HINT}")


def select_study_folder(path: Path, study: Study, resume: bool) -> Path:
    """Return ``path``, or the first of ``path-2``, ``path-3`` … that does not exist.

    With ``resume``, the latest of them that holds this study.

    Raises
    ------
    UserError
        With ``resume``: none of them holds this study.
    """
    *existing, new = list_numbered_folders(path)
    if not resume:
        return new
    for folder in reversed(existing):
        source = folder / "study.yaml"
        if source.is_file() and to_plain(load_yaml(source)) == dict(study.source):
            return folder
    raise UserError(f"{path}: no run of this study to resume; name its folder with --out")
