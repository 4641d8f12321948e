"""The folder of a run: claimed before it starts, and left whole or not at all."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from scgnn.errors import UserError
from scgnn.recipe import Recipe, load_recipe, to_yaml
from scgnn.results import write_text

log = logging.getLogger("scgnn")


@contextmanager
def output_folder(out: Path, recipe: Recipe, resume: bool) -> Iterator[Path]:
    """A folder for a run: its recipe from the start, its log, and its stages until it is done.

    A folder made here is taken away again when the input turns out to be wrong, so nothing
    half-written stays; after any other interruption it stays, for ``resume``.

    Raises
    ------
    UserError
        The folder cannot be made or written, holds something else, a finished run, or another
        recipe than the one to resume.
    """
    fresh = not out.exists()
    recipe = absolute_paths(recipe)
    _claim(out, recipe, resume)
    handler = logging.FileHandler(out / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        write_text(out / "recipe.yaml", to_yaml(recipe))
        yield out
    except UserError:
        if not (out / "stages").exists():
            handler.close()
            _take_away(out, fresh)
        raise
    finally:
        log.removeHandler(handler)
        handler.close()
    shutil.rmtree(out / "stages", ignore_errors=True)


def _take_away(out: Path, whole: bool) -> None:
    for name in ("recipe.yaml", "log.txt"):
        (out / name).unlink(missing_ok=True)
    if whole:
        out.rmdir()


def _claim(out: Path, recipe: Recipe, resume: bool) -> None:
    if out.is_dir() and any(out.iterdir()):
        if not (out / "recipe.yaml").is_file():
            raise UserError(f"{out}: not empty and not a run; choose another folder with --out")
        if not resume:
            state = "a finished" if (out / "metrics.json").exists() else "an unfinished"
            advice = "" if state == "a finished" else "add --resume to go on with it, or "
            raise UserError(f"{out}: holds {state} run; {advice}choose another folder with --out")
        if load_recipe(out / "recipe.yaml") != recipe:
            raise UserError(
                f"{out}: holds a run of another recipe; choose another folder with --out"
            )
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose --out") from None


def absolute_paths(recipe: Recipe) -> Recipe:
    """The recipe with its data path written out, so that it runs from any folder."""
    path = getattr(recipe.data.reader, "path", "")
    if not path:
        return recipe
    reader = replace(recipe.data.reader, path=os.path.abspath(path))  # type: ignore[type-var]
    return replace(recipe, data=replace(recipe.data, reader=reader))


def default_folder(wanted: Path, recipe: Recipe, resume: bool) -> Path:
    """``wanted``, or the first of ``wanted-2``, ``wanted-3`` … that is free.

    With ``resume`` the latest of them that holds this recipe, unfinished.
    """
    number, taken = 1, []
    folder = wanted
    while folder.exists():
        taken.append(folder)
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    if not resume:
        return folder
    complete = absolute_paths(recipe)
    for run in reversed(taken):
        unfinished = (run / "recipe.yaml").is_file() and not (run / "metrics.json").exists()
        if unfinished and load_recipe(run / "recipe.yaml") == complete:
            return run
    raise UserError(f"{wanted}: no unfinished run of this recipe to resume; name it with --out")
