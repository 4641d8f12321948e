"""``new``: a plug-in package from a template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scgnn.cli.app import app


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="encoder, clusterer, …; see 'list'.")],
    name: Annotated[str, typer.Argument(help="Its name in recipes: lower case.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; default scgnn-KIND-NAME.")
    ] = None,
) -> None:
    """Write a plug-in package with a working component, ready to install and to test."""
    from scgnn.cli.scaffold import write_package

    folder = write_package(kind, name, out)
    typer.echo(f"{folder}: 'pip install -e {folder}', then 'scgnn-recipe test {kind}.{name}'")
