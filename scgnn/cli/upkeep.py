"""``doctor``: what is installed and works."""

from __future__ import annotations

from itertools import chain

import typer

from scgnn.cli.app import app


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
