"""What a page draws of one run, from its folder or from memory; what is not there is None."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from scgnn.runs.results import RunResult
from scgnn.state import Record


@dataclass(frozen=True)
class RunHistory:
    """The course of a run.

    Attributes
    ----------
    history
        Columns of :class:`~scgnn.state.Record`, one row per number.
    labels
        Cluster of each cell, by its name.
    rounds
        Labels of every round in columns, the first one before any iteration.
    embedding
        The embedding that was clustered, rows as ``labels``.
    """

    records: pd.DataFrame | None = None
    clusters: pd.Series | None = None
    cluster_history: pd.DataFrame | None = None
    embedding: np.ndarray | None = None

    @classmethod
    def from_result(cls, result: RunResult) -> RunHistory:
        """The trace of a run that has just ended."""
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
        """The trace in a folder; labels and embedding only where they are to be drawn."""
        history = _read_csv(folder / "history.csv")
        if not with_embedding:
            return cls(history)
        cells, rounds = (
            _read_csv(folder / f"{name}.csv", "cell") for name in ("cells", "iterations")
        )
        labels = None if cells is None else cells["cluster"]
        return cls(history, labels, rounds, _read_embedding(folder / "embedding.npz"))

    def get_losses(self) -> dict[str, pd.DataFrame]:
        """Losses by stage; columns iteration, epoch, value.

        Stages without anything to train have a loss of 0 throughout, and are left out.
        """
        if self.records is None:
            return {}
        losses = self.records[self.records["quantity"] == "loss"]
        stages = losses.groupby("stage", sort=False)
        return {str(stage): part for stage, part in stages if (part["value"] != 0).any()}


def read_json_or_empty(path: Path) -> dict[str, Any]:
    """A file's mapping, empty where it cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


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
