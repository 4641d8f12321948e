"""``test``: the conformance suite on a component."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scgnn.cli.app import app
from scgnn.cli.options import PluginFiles
from scgnn.errors import UserError


@app.command("test")
def conform(
    what: Annotated[str, typer.Argument(metavar="KIND.NAME|FILE.py")],
    _plugins: PluginFiles = None,
) -> None:
    """Hold a component, or all in a plug-in file, to the rules of its kind."""
    from scgnn.registry.kinds import find
    from scgnn.registry.plugin_files import load_file
    from scgnn.testing import outcomes

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
