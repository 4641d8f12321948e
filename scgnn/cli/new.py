"""The command ``new``: a plug-in package from a template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scgnn.cli.app import app
from scgnn.cli.streams import print_text


@app.command()
def new(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="Kind of component, e.g. encoder; see 'list'.")
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name used in recipes, in lower case.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder to create.", show_default="scgnn-KIND-NAME"
        ),
    ] = None,
) -> None:
    """Create a plug-in package with a working component and its tests."""
    from scgnn.cli.scaffold import write_package

    folder = write_package(kind, name, out)
    print_text(f"created {folder}; next steps:")
    print_text(f"  pip install -e {folder}\n  scgnn-recipe test {kind}.{name}")
