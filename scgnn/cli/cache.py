"""The command ``cache``: the contents of a stage cache."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from scgnn.cli.app import app
from scgnn.cli.options import CacheDirOption, CacheSizeOption, parse_size
from scgnn.cli.streams import print_text
from scgnn.errors import UserError
from scgnn.execution.formatting import format_count

if TYPE_CHECKING:
    from scgnn.execution.cache import CacheEntry, StageCache


@app.command()
def cache(
    cache_dir: CacheDirOption = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all values.")] = False,
    cache_size: CacheSizeOption = None,
) -> None:
    """Show the contents of a stage cache, clear it or reduce its size."""
    from scgnn.cli.summary import print_columns
    from scgnn.execution.cache import StageCache

    if cache_dir is None:
        raise UserError("no cache given: use --cache-dir DIR or set SCGNN_CACHE_DIR")
    if not cache_dir.is_dir():
        problem = "not a directory" if cache_dir.exists() else "no such directory"
        raise UserError(f"--cache-dir {cache_dir}: {problem}")
    stage_cache = StageCache(cache_dir)
    if clear or cache_size is not None:
        n_removed = stage_cache.shrink(0 if clear else parse_size(cache_size))
        print_text(f"{format_count(n_removed, 'value')} removed")
    entries = _group_entries(stage_cache)
    if entries:
        rows = [_format_stage(label, entries[label]) for label in sorted(entries)]
        total = _format_stage("total", [entry for stage in entries.values() for entry in stage])
        print_columns([("stage", "values", "size", "last used"), *rows, total])
    else:
        print_text(f"{cache_dir}: empty")


def _group_entries(stage_cache: StageCache) -> dict[str, list[CacheEntry]]:
    stages = defaultdict(list)
    for entry in stage_cache.list_entries():
        stages[stage_cache.read_stage_label(entry.key)].append(entry)
    return stages


def _format_stage(label: str, entries: list[CacheEntry]) -> tuple[str, ...]:
    last_used = datetime.fromtimestamp(max(entry.last_used for entry in entries))
    size = sum(entry.n_bytes for entry in entries) / 1e6
    return label, f"{len(entries):,}", f"{size:,.1f} MB", f"{last_used:%F %R}"
