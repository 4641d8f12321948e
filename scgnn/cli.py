"""The command scgnn-recipe. Everything heavy is imported inside the commands."""

from __future__ import annotations

import errno
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scgnn.errors import UserError

if TYPE_CHECKING:
    from scgnn.recipe import Recipe


class Interrupted(Exception):
    """A run was ended by Ctrl-C; says how to go on."""


app = typer.Typer(
    name="scgnn-recipe",
    help="Single-cell graph neural networks from recipes: run them, swap their parts, compare.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeName = Annotated[
    str, typer.Argument(help="A bundled recipe (see 'list recipe') or a .yaml file.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; may be given again."),
]
DataFile = Annotated[
    str | None, typer.Option("--data", help="Counts: h5ad, 10x mtx or h5, csv, loom, zarr.")
]
LabelsColumn = Annotated[
    str | None, typer.Option("--labels", help="Column of obs with true labels, for scores only.")
]


def _plug_in(context: typer.Context, files: list[Path] | None) -> list[Path]:
    """Register what the files of --plugin hold, before the command looks up any name."""
    if files and not context.resilient_parsing:  # the shell completes words, nothing runs
        from scgnn.plugins import load_file

        for file in files:
            load_file(file)
    return files or []


PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        callback=_plug_in,
        help="Python file with components of your own; may be given again.",
    ),
]


def _load(recipe: str, changes: list[str] | None, data: str | None, labels: str | None) -> Recipe:
    from scgnn.components.readers import sniff
    from scgnn.recipe import load_recipe, parse_changes

    paths: dict[str, Any] = {}
    if data is not None:
        paths["data.reader"] = sniff(data)
    if labels is not None:
        paths["data.labels"] = labels
    return load_recipe(recipe, {**paths, **parse_changes(changes or [])})


@app.command()
def run(
    recipe: RecipeName,
    data: DataFile = None,
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
    _plugins: PluginFiles = None,
) -> None:
    """Run a recipe and write its results to a folder."""
    from rich.console import Console

    from scgnn import console as shown

    if export not in (None, "scgnn"):
        raise UserError(f"--export {export}: unknown; 'scgnn' writes the original's four files")
    complete = _load(recipe, changes, data, labels)
    name = Path(recipe).stem + (f"-{_stem(data)}" if data else "")
    with shown.watching(Console(stderr=True), getattr(complete.pipeline, "max_iterations", 0)):
        from scgnn.folders import default_folder, output_folder
        from scgnn.results import write_folder, write_scgnn_csv
        from scgnn.runs import execute
        from scgnn.stages import Stages
        from scgnn.store import Store
        from scgnn.threads import set_threads

        set_threads(threads)
        out = out or default_folder(Path("runs") / name, complete, resume)
        try:
            with output_folder(out, complete, resume) as folder:
                result = execute(complete, None, Stages(Store(folder / "stages")))
                extra = write_scgnn_csv(result, folder, name) if export else []
                files = [*write_folder(result, folder), *extra, folder / "log.txt"]
        except KeyboardInterrupt:
            advice = "the same command with --resume goes on from the last finished stage"
            raise Interrupted(f"interrupted; {out} is kept, and {advice}") from None
    shown.summary(Console(), result.metrics, files, out)


def _stem(path: str) -> str:
    name = Path(path).resolve().name
    return name.split(".")[0] or name


@app.command()
def check(
    recipe: RecipeName,
    data: DataFile = None,
    labels: LabelsColumn = None,
    changes: Sets = None,
    _plugins: PluginFiles = None,
) -> None:
    """Say every mistake of a recipe, or what it will do. Runs nothing."""
    from scgnn.recipe.describe import plan

    complete = _load(recipe, changes, data, labels)
    typer.echo(plan(complete), nl=False)


@app.command()
def show(
    what: Annotated[str, typer.Argument(metavar="RECIPE|KIND.NAME")],
    changes: Sets = None,
    _plugins: PluginFiles = None,
) -> None:
    """Print a recipe complete, or a component, with the meaning of each setting."""
    from scgnn.recipe import bundled, is_file
    from scgnn.recipe.describe import describe, describe_component
    from scgnn.registry import kinds

    if what in kinds():
        raise UserError(
            f"{what} is a kind: 'scgnn-recipe list {what}' names its components, and "
            f"'scgnn-recipe show {what}.NAME' explains one"
        )
    if "." in what and not is_file(what) and what not in bundled():
        try:
            typer.echo(describe_component(what), nl=False)
        except ValueError as error:
            raise UserError(str(error)) from None
    else:
        typer.echo(describe(_load(what, changes, None, None)), nl=False)


@app.command()
def diff(a: RecipeName, b: RecipeName, _plugins: PluginFiles = None) -> None:
    """Print what differs between two recipes, defaults filled in."""
    from scgnn.recipe import diff as differences
    from scgnn.recipe import load_recipe
    from scgnn.recipe.describe import brief

    found = differences(load_recipe(a), load_recipe(b))
    if not found:
        typer.echo("no difference")
    for path, left, right in found:
        shown = [
            ", ".join(map(brief, v)) or "none" if isinstance(v, tuple) else brief(v)
            for v in (left, right)
        ]
        typer.echo(f"{path}: {shown[0]} -> {shown[1]}")


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(help="One kind, or 'recipe'.")] = None,
    _plugins: PluginFiles = None,
) -> None:
    """List components and recipes: name, one line, where it comes from."""
    from scgnn import plugins
    from scgnn.recipe import bundled
    from scgnn.recipe.describe import recipe_line
    from scgnn.registry import kinds, unknown

    known = [*kinds(), "recipe"]
    if kind is not None and kind not in known:
        raise UserError(unknown("kind", kind, known))
    for word in [kind] if kind else known:
        typer.echo(word)
        if word == "recipe":
            rows = [(name, recipe_line(path), "scgnn") for name, path in bundled().items()]
        else:
            rows = list(plugins.rows(word))
        for name, line, source in rows:
            typer.echo(f"  {name:<24} {line}  [{source}]")
    for _, reason in plugins.unusable():
        typer.echo(reason, err=True)


@app.command("test")
def conform(
    what: Annotated[str, typer.Argument(metavar="KIND.NAME|FILE.py")],
    _plugins: PluginFiles = None,
) -> None:
    """Hold a component, or all in a plug-in file, to the rules of its kind."""
    from scgnn.checks import outcomes
    from scgnn.plugins import load_file
    from scgnn.registry import find

    try:
        found = load_file(Path(what)) if what.endswith(".py") else [find(what)]
    except ValueError as error:
        raise UserError(str(error)) from None
    counted = {"passed": 0, "failed": 0, "exempt": 0}
    for component in found:
        typer.echo(f"{component.kind}.{component.name}")
        for check, verdict, reason in outcomes(component):
            counted[verdict] += 1
            typer.echo(f"  {verdict:<7} {check.name:<40} {reason or check.rule}")
    typer.echo(", ".join(f"{number} {verdict}" for verdict, number in counted.items()))
    if counted["failed"]:
        raise typer.Exit(1)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="encoder, clusterer, …; see 'list'.")],
    name: Annotated[str, typer.Argument(help="Its name in recipes: lower case.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; default scgnn-KIND-NAME.")
    ] = None,
) -> None:
    """Write a plug-in package with a working component, ready to install and to test."""
    from scgnn.scaffold import write_package

    folder = write_package(kind, name, out)
    typer.echo(f"{folder}: 'pip install -e {folder}', then 'scgnn-recipe test {kind}.{name}'")


@app.command("doctor")
def doctor_() -> None:
    """Say what is installed, what works, and what to do about the rest."""
    from scgnn import doctor, plugins

    broken = 0
    for name, works, said in chain(doctor.examine(), plugins.examine()):
        broken += not works
        typer.echo(f"{'ok  ' if works else 'BAD '} {name:<16} {said}")
    if broken:
        raise typer.Exit(1)


def main() -> None:
    """Run the command; a person's mistake is one sentence and exit code 2, no traceback."""
    try:
        app(prog_name="scgnn-recipe")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
            raise
        where = f"{error.filename}: " if error.filename else ""
        advice = "make room, then --resume goes on from the last finished stage"
        sys.stderr.write(f"{where}{error.strerror}; {advice}\n")
        sys.exit(1)
    except Interrupted as stop:
        sys.stderr.write(f"{stop}\n")
        sys.exit(130)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
