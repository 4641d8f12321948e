"""The command ``test``: the conformance suite on a component."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from scgnn.cli.app import app
from scgnn.cli.options import PluginOption
from scgnn.cli.streams import print_text
from scgnn.errors import UserError


@app.command("test")
def check_conformance(
    target: Annotated[
        str,
        typer.Argument(
            metavar="KIND.NAME|FILE.py", help="Component, or plug-in file with components."
        ),
    ],
    _plugins: PluginOption = None,
) -> None:
    """Run the conformance checks on a component, or on all components of a plug-in file."""
    from scgnn.registry.kinds import get_component
    from scgnn.registry.plugin_files import load_file
    from scgnn.testing import run_checks

    try:
        components = load_file(Path(target)) if target.endswith(".py") else [get_component(target)]
    except ValueError as error:
        raise UserError(_describe_wrong_target(target, str(error))) from None
    counts = Counter(passed=0, failed=0, exempt=0)
    for component in components:
        print_text(f"{component.kind}.{component.name}")
        for check, outcome, reason in run_checks(component):
            counts[outcome] += 1
            line = f"  {outcome:<7} {check.name:<40} {reason or check.description}"
            print_text(line, flush=True)
    print(", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    if counts["failed"]:
        raise typer.Exit(1)


def _describe_wrong_target(target: str, problem: str) -> str:
    """Return the message for what is neither a component nor a plug-in file."""
    file = Path(f"{target}.py")
    if file.is_file():
        return f"{target}: to test the components of the file {file}, give its name with .py"
    from scgnn.registry.component import suggest_components

    if "." in target or suggest_components(target):
        return problem
    return f"{target}: give KIND.NAME, such as encoder.gat, or a plug-in file with the ending .py"
