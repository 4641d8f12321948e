"""Reference arrays and a small state as fixtures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from paths import DATA
from scgnn.state import State

from .small_scgnn import make_three_groups


@pytest.fixture(scope="module")
def arrays(request, load_arrays) -> dict[str, np.ndarray]:
    """Return the arrays of the file named like the test module: test_knn.py reads knn.npz."""
    return load_arrays(request.module.__name__.rpartition("test_")[2])


@pytest.fixture(scope="session")
def load_arrays() -> Callable[[str], dict[str, np.ndarray]]:
    """Return a function that loads the arrays of a file, named without .npz."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(DATA / "scgnn" / f"{name}.npz", allow_pickle=False) as file:
            return dict(file)

    return load


@pytest.fixture
def cells() -> State:
    """Return cells of three groups in random order."""
    return make_three_groups()
