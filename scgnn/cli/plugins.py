"""``test`` and ``new``: components of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scgnn.cli.app import PluginFiles, app
from scgnn.errors import UserError


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
