"""History of a run, read from its folder or taken from its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from scgnn.runs.results import RunResult
from scgnn.state import Record


@dataclass(frozen=True)
class RunHistory:
    """History of a run; None for what is not available.

    Parameters
    ----------
    records
        One row per recorded value, with the columns of :class:`~scgnn.state.Record`.
    clusters
        Cluster of each cell, indexed by cell name.
    cluster_history
        Clusters, cells x iterations; the first column is the clustering before any iteration.
    embedding
        The embedding that was clustered, cells x dimensions.
    """

    records: pd.DataFrame | None = None
    clusters: pd.Series | None = None
    cluster_history: pd.DataFrame | None = None
    embedding: np.ndarray | None = None

    @classmethod
    def from_result(cls, result: RunResult) -> RunHistory:
        """Return the history of a finished run."""
        state = result.state
        cells = pd.Index(state.cells)
        return cls(
            pd.DataFrame(state.history, columns=list(Record._fields)),
            pd.Series(state.clusters, cells),
            pd.DataFrame(dict(enumerate(state.cluster_history)), index=cells),
            state.graph_embedding,
        )

    @classmethod
    def from_folder(cls, folder: Path, *, with_embedding: bool) -> RunHistory:
        """Read the history in a folder; without ``with_embedding``, the records only."""
        records = _read_csv(folder / "history.csv")
        if not with_embedding:
            return cls(records)
        cells = _read_csv(folder / "cells.csv", "cell")
        history = _read_csv(folder / "iterations.csv", "cell")
        clusters = None if cells is None else cells["cluster"]
        return cls(records, clusters, history, _read_embedding(folder / "embedding.npz"))

    def get_losses(self) -> dict[str, pd.DataFrame]:
        """Return the losses by stage, without stages whose loss is always 0 (not trained)."""
        if self.records is None:
            return {}
        losses = self.records[self.records["quantity"] == "loss"]
        stages = losses.groupby("stage", sort=False)
        return {str(stage): part for stage, part in stages if (part["value"] != 0).any()}


def _read_csv(path: Path, index: str | None = None) -> pd.DataFrame | None:
    try:
        frame = pd.read_csv(path, keep_default_na=index is None, dtype={"cell": str})
    except (OSError, ValueError):
        return None
    return frame if index is None else frame.set_index(index)


def _read_embedding(path: Path) -> np.ndarray | None:
    try:
        with np.load(path) as file:
            return np.asarray(file["clustered"])
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
