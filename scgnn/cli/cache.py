"""``cache``: the contents of a stage cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scgnn.cli.app import app
from scgnn.cli.options import StoreFolder, StoreLimit, bytes_of
from scgnn.errors import UserError

if TYPE_CHECKING:
    from scgnn.execution.cache import Entry, Store


@app.command()
def cache(
    store: StoreFolder = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False,
    limit: StoreLimit = None,
) -> None:
    """Say what a store of stages holds and how large it is; clear or shrink it."""
    from scgnn.execution.cache import Store

    if store is None:
        raise UserError("name the store with --store FOLDER, or by the variable SCGNN_STORE")
    if not store.is_dir():
        raise UserError(
            f"{store}: {'a file, not a folder' if store.exists() else 'no such folder'}"
        )
    kept = Store(store)
    if clear or limit is not None:
        removed = kept.shrink(0 if clear else bytes_of(limit))
        typer.echo(f"{removed:,} values removed")
    _list(kept)


def _list(store: Store) -> None:
    from datetime import datetime

    stages: dict[str, list[Entry]] = {}
    for entry in store.entries():
        stages.setdefault(store.label(entry.key), []).append(entry)
    for label, entries in sorted(stages.items()):
        used = datetime.fromtimestamp(max(entry.used for entry in entries))
        size = sum(entry.size for entry in entries) / 1e6
        typer.echo(f"  {label:<22} {len(entries):>7,} {size:>10,.1f} MB  last used {used:%F %R}")
    every = [entry for entries in stages.values() for entry in entries]
    size = sum(entry.size for entry in every) / 1e6
    typer.echo(f"{store.folder}: {len(every):,} values, {size:,.1f} MB")
