"""``cache``: the contents of a stage cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scgnn.cli.app import app
from scgnn.cli.options import CacheDirOption, CacheSizeOption, parse_size
from scgnn.errors import UserError

if TYPE_CHECKING:
    from scgnn.execution.cache import CacheEntry, StageCache


@app.command()
def cache(
    cache_dir: CacheDirOption = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False,
    cache_size: CacheSizeOption = None,
) -> None:
    """Say what a store of stages holds and how large it is; clear or shrink it."""
    from scgnn.execution.cache import StageCache

    if cache_dir is None:
        raise UserError(
            "name the store with --cache-dir FOLDER, or by the variable SCGNN_CACHE_DIR"
        )
    if not cache_dir.is_dir():
        raise UserError(
            f"{cache_dir}: {'a file, not a folder' if cache_dir.exists() else 'no such folder'}"
        )
    kept = StageCache(cache_dir)
    if clear or cache_size is not None:
        removed = kept.shrink(0 if clear else parse_size(cache_size))
        typer.echo(f"{removed:,} values removed")
    _print_entries(kept)


def _print_entries(cache: StageCache) -> None:
    from datetime import datetime

    stages: dict[str, list[CacheEntry]] = {}
    for entry in cache.list_entries():
        stages.setdefault(cache.read_stage_label(entry.key), []).append(entry)
    for label, entries in sorted(stages.items()):
        used = datetime.fromtimestamp(max(entry.last_used for entry in entries))
        size = sum(entry.n_bytes for entry in entries) / 1e6
        typer.echo(f"  {label:<22} {len(entries):>7,} {size:>10,.1f} MB  last used {used:%F %R}")
    every = [entry for entries in stages.values() for entry in entries]
    size = sum(entry.n_bytes for entry in every) / 1e6
    typer.echo(f"{cache.folder}: {len(every):,} values, {size:,.1f} MB")
