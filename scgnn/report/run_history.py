"""Files of a finished run, for figures; None for those that are missing or broken."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd


def read_history(folder: Path) -> pd.DataFrame | None:
    """Return the recorded values, with the columns of :class:`~scgnn.state.Record`."""
    return _read_csv(folder / "history.csv")


def read_cluster_history(folder: Path) -> pd.DataFrame | None:
    """Return the clusters, cells x iterations, the first column before any iteration."""
    return _read_csv(folder / "iterations.csv", "cell")


def read_clusters(folder: Path) -> tuple[np.ndarray, pd.Series] | None:
    """Return the embedding that was clustered, cells x d, and the clusters by cell name."""
    cells = _read_csv(folder / "cells.csv", "cell")
    try:
        with np.load(folder / "embedding.npz") as file:
            return None if cells is None else (file["clustered"], cells["cluster"])
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def _read_csv(path: Path, index: str | None = None) -> pd.DataFrame | None:
    try:
        frame = pd.read_csv(path, keep_default_na=index is None, dtype={"cell": str})
    except (OSError, ValueError):
        return None
    return frame if index is None else frame.set_index(index)
