"""``test``: the conformance suite on a component."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scgnn.cli.app import app
from scgnn.cli.options import PluginOption
from scgnn.errors import UserError


@app.command("test")
def check_conformance(
    target: Annotated[str, typer.Argument(metavar="KIND.NAME|FILE.py")],
    _plugins: PluginOption = None,
) -> None:
    """Hold a component, or all in a plug-in file, to the rules of its kind."""
    from scgnn.registry.kinds import get_component
    from scgnn.registry.plugin_files import load_file
    from scgnn.testing import run_checks

    try:
        found = load_file(Path(target)) if target.endswith(".py") else [get_component(target)]
    except ValueError as error:
        raise UserError(str(error)) from None
    counted = {"passed": 0, "failed": 0, "exempt": 0}
    for component in found:
        typer.echo(f"{component.kind}.{component.name}")
        for check, verdict, reason in run_checks(component):
            counted[verdict] += 1
            typer.echo(f"  {verdict:<7} {check.name:<40} {reason or check.description}")
    typer.echo(", ".join(f"{number} {verdict}" for verdict, number in counted.items()))
    if counted["failed"]:
        raise typer.Exit(1)
