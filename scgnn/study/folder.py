"""Output folder of a study: claimed before it starts, kept for ``--resume``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scgnn.arguments import check_local_path
from scgnn.errors import RecipeError, UserError
from scgnn.execution.files import write_atomic
from scgnn.interface import by_interface
from scgnn.recipe.yaml_tree import dump_yaml, load_yaml, to_plain
from scgnn.runs.folder import (
    LONGEST_FILENAME,
    ensure_writable,
    format_not_resumable,
    is_unused,
    list_numbered_folders,
    locked_folder,
    other_folder_hint,
    own_folder_hint,
)
from scgnn.study.load import load_study
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
    ensure_writable(out, other_folder_hint())
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
        raise UserError(f"{out}: not empty and not a study; {other_folder_hint()}")
    if not resume:
        hint = by_interface("add --resume", "pass resume=True")
        raise UserError(f"{out}: holds a study; {hint} to finish it, or {other_folder_hint()}")
    saved = _load_saved_study(path, study)
    if isinstance(saved, RecipeError):
        raise UserError(f"{out}: {format_not_resumable('study', saved)}")
    keys = dict.fromkeys([*saved, *study.source])
    different = ", ".join(key for key in keys if saved.get(key) != study.source.get(key))
    if different:
        problem = f"holds another study (different: {different})"
        raise UserError(f"{out}: {problem}; {other_folder_hint()}")


def _load_saved_study(path: Path, study: Study) -> Mapping[str, Any] | RecipeError:
    """Return the saved study with all defaults of this version, or why it cannot be loaded."""
    try:
        source = to_plain(load_yaml(path))
        return source if source == dict(study.source) else load_study(path).source
    except RecipeError as error:
        return error


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
        if source.is_file() and _load_saved_study(source, study) == dict(study.source):
            return folder
    raise UserError(f"{path}: no run of this study to resume; {own_folder_hint()}")
