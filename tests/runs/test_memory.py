"""Nothing that a run makes is cells by cells."""

from __future__ import annotations

import tracemalloc

import pytest

from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute


@pytest.fixture
def largest_tensor():
    """The most numbers that any torch operation gave inside the block."""
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            for part in out if isinstance(out, tuple | list) else [out]:
                if isinstance(part, Tensor):
                    self.numbers = max(self.numbers, part.numel())
            return out

    return Largest()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["scgnn", "scgnn_gat_leiden", "scgnn_published_code"])
def test_nothing_is_cells_by_cells(recipe, make_small_changes, largest_tensor):
    """tracemalloc sees what numpy holds, the dispatch mode what torch makes."""
    n = 3000
    execute(load_recipe(recipe, make_small_changes(recipe)))  # imports are not counted
    changes = {**make_small_changes(recipe), "data.reader.n_cells": n, "data.reader.n_genes": 30}
    tracemalloc.start()
    with largest_tensor:
        execute(load_recipe(recipe, {**changes, "pipeline.max_iterations": 1}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n * 4 / 2  # half of cells x cells in single precision
    assert largest_tensor.numbers < n * n / 2  # the graph autoencoder's loss has 1024 x cells
