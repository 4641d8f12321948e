"""The reference numbers as a fixture, and small cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scgnn.state import State

from .small_scgnn import make_three_groups

REFERENCE_DIR = Path(__file__).parents[2].parent / "shared" / "reference" / "scgnn"


@pytest.fixture(scope="module")
def arrays(request) -> dict[str, np.ndarray]:
    """All arrays of the file that a test module is named after: test_knn.py reads knn.npz."""
    return load_reference(request.module.__name__.rpartition("test_")[2])


@pytest.fixture(scope="session")
def load_arrays():
    """Gives the arrays of a file by its name without .npz."""
    return load_reference


def load_reference(name: str) -> dict[str, np.ndarray]:
    file = REFERENCE_DIR / f"{name}.npz"
    if not file.exists():
        pytest.skip("the reference numbers are not here")
    with np.load(file, allow_pickle=False) as opened:
        return dict(opened)


@pytest.fixture
def cells() -> State:
    """Three groups of cells, mixed."""
    return make_three_groups()
