"""Budgets: early stopping, validation cells, steps and precision of a training."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import scgnn
from scgnn.errors import DivergenceError
from scgnn.training.device import supports_bfloat16, use_precision
from scgnn.training.fit import EarlyStopping, fit
from scgnn.training.settings import Training


def line(cells=40, seed=0):
    """Return cells with a linear target, and a network that can learn it."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(cells, 3)).astype(np.float32))
    y = x @ torch.tensor([1.0, -2.0, 0.5])
    torch.manual_seed(0)
    return x, y, nn.Linear(3, 1)


def trained(training, seen=None, noise=0.0, cells=40):
    x, y, network = line(cells)
    y = y + noise * torch.from_numpy(np.random.default_rng(1).normal(size=cells)).float()

    def loss(cells):
        if seen is not None:
            seen.append((network.training, None if cells is None else sorted(cells.tolist())))
        rows, target = (x, y) if cells is None else (x[cells], y[cells])
        return (network(rows)[:, 0].float() - target).square().sum()

    return fit(network, loss, len(x), training, 5), network


def test_without_patience_every_epoch_is_trained():
    losses, _ = trained(Training(epochs=30, learning_rate=0.1))
    assert len(losses) == 30


def test_patience_stops_a_training_that_has_converged():
    losses, _ = trained(
        Training(epochs=3000, learning_rate=0.1, early_stopping_patience=5), noise=1.0
    )
    full, _ = trained(Training(epochs=3000, learning_rate=0.1), noise=1.0)
    assert 20 < len(losses) < 1500
    np.testing.assert_array_equal(losses, full[: len(losses)])
    assert losses[-1] < 1.1 * full.min()


@pytest.mark.parametrize("batch_size", [12800, 8])
def test_validation_cells_are_never_trained_on(batch_size):
    seen = []
    training = Training(
        epochs=4, batch_size=batch_size, validation_fraction=0.25, early_stopping_patience=3
    )
    losses, _ = trained(training, seen)
    held_out = {tuple(cells) for in_training, cells in seen if not in_training}
    used = {cell for in_training, cells in seen if in_training for cell in cells}
    assert len(losses) == 4
    (held_out,) = held_out
    assert len(held_out) == 10
    assert used == set(range(40)) - set(held_out)


@pytest.mark.parametrize(
    ("fraction", "patience", "n_out"), [(0.001, 3, 1), (0.25, None, 0), (0.0, 3, 0)]
)
def test_fraction_holds_out_at_least_one_cell_and_none_without_patience(fraction, patience, n_out):
    seen = []
    trained(
        Training(
            epochs=2, batch_size=8, validation_fraction=fraction, early_stopping_patience=patience
        ),
        seen,
    )
    used = {cell for in_training, cells in seen if in_training for cell in cells}
    assert len(used) == 40 - n_out


def test_patience_monitors_the_validation_loss():
    """Four cells and three weights overfit, which the validation loss shows."""
    budget = {"epochs": 2000, "learning_rate": 0.1, "early_stopping_patience": 20}
    of_training, _ = trained(Training(**budget), noise=3.0, cells=6)
    of_held_out, _ = trained(Training(**budget, validation_fraction=0.34), noise=3.0, cells=6)
    assert len(of_held_out) < len(of_training)


def test_epoch_of_limited_steps_continues_the_pass():
    seen, all_seen = [], []
    short, _ = trained(Training(epochs=10, batch_size=8, steps_per_epoch=2), seen)
    passes, _ = trained(Training(epochs=4, batch_size=8), all_seen)
    assert len(short) == 10
    assert seen == all_seen  # 4 passes of 5 batches are 10 epochs of 2
    assert sorted(cell for _, cells in seen[:5] for cell in cells) == list(range(40))
    assert short[0] == pytest.approx(passes[0], rel=0.5)  # of all cells, not of 16


def test_more_steps_than_a_pass_has_no_effect():
    unlimited, network = trained(Training(epochs=5, batch_size=16))
    limited, other = trained(Training(epochs=5, batch_size=16, steps_per_epoch=3))
    np.testing.assert_array_equal(unlimited, limited)
    torch.testing.assert_close(network.weight, other.weight, rtol=0, atol=0)


def test_at_most_2000_cells_are_held_out():
    seen = []
    trained(
        Training(epochs=1, batch_size=1000, validation_fraction=0.5, early_stopping_patience=1),
        seen,
        cells=10_000,
    )
    assert [len(cells) for in_training, cells in seen if not in_training] == [2000]
    assert sum(len(cells) for in_training, cells in seen if in_training) == 8000


def test_improvement_must_be_a_thousandth():
    patience = EarlyStopping(2)
    assert [patience.should_stop(loss) for loss in (100.0, 99.95, 99.0, 98.95, 98.94)] == [
        False,
        False,
        False,
        False,
        True,
    ]
    assert not any(EarlyStopping(None).should_stop(1.0) for _ in range(1000))


def test_bfloat16_rounds_products_and_keeps_weights_in_float32():
    exact, _ = trained(Training(epochs=50, learning_rate=0.05))
    rounded, network = trained(Training(epochs=50, learning_rate=0.05, precision="bfloat16"))
    assert network.weight.dtype == torch.float32
    np.testing.assert_allclose(rounded[:10], exact[:10], rtol=0.05)
    if supports_bfloat16():
        assert (rounded != exact).any()


def use_processor(monkeypatch, capability, capabilities):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)


@pytest.mark.parametrize(
    ("capability", "capabilities", "supported"),
    [
        ("AVX512", {"avx512_f": True}, True),
        ("AVX2", {"avx2": True}, False),
        ("DEFAULT", {"neon": True, "bf16": True}, True),
        ("SVE256", {"neon": True, "sve": True, "bf16": True}, True),
        ("DEFAULT", {"neon": True, "bf16": False}, False),
    ],
)
def test_bfloat16_is_used_where_the_processor_multiplies_it(
    monkeypatch, capability, capabilities, supported
):
    use_processor(monkeypatch, capability, capabilities)
    assert supports_bfloat16() is supported


def test_bfloat16_needs_avx512_where_torch_lists_no_capabilities(monkeypatch):
    use_processor(monkeypatch, "DEFAULT", {})
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not supports_bfloat16()


def test_bfloat16_is_float32_on_processors_without_it(monkeypatch):
    use_processor(monkeypatch, "AVX2", {"avx2": True})
    exact, _ = trained(Training(epochs=5))
    other, _ = trained(Training(epochs=5, precision="bfloat16"))
    np.testing.assert_array_equal(exact, other)


def test_tf32_of_two_threads_ends_with_the_last():
    matmul = torch.backends.cuda.matmul
    first, second = use_precision("tf32", "cuda"), use_precision("tf32", "cuda")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert matmul.allow_tf32
    second.__exit__(None, None, None)
    assert not matmul.allow_tf32


def test_loss_that_is_not_finite_raises():
    _, _, network = line()
    with pytest.raises(DivergenceError, match="lower learning_rate"):
        fit(network, lambda _: network.weight.sum() * torch.nan, 3, Training(epochs=2), 0)


def test_every_training_of_scgnn_supports_early_stopping_and_bfloat16(make_small_changes):
    settings = {
        "early_stopping_patience": 1,
        "validation_fraction": 0.2,
        "precision": "bfloat16",
        "batch_size": 16,
    }
    changes = make_small_changes("scgnn") | {
        f"pipeline.{name}_training.{key}": value
        for name in ("feature", "graph", "cluster", "iteration", "imputation")
        for key, value in settings.items()
    }
    changes |= {f"pipeline.{n}_training.epochs": 60 for n in ("feature", "graph", "cluster")}
    adata = scgnn.run("scgnn", **changes)
    assert np.isfinite(adata.layers["scgnn_imputed"]).all()
    assert adata.obsm["X_scgnn"].dtype == np.float32
    history = pd.DataFrame(adata.uns["scgnn"]["history"])
    first = history[(history["stage"] == "feature autoencoder") & (history["iteration"] == 0)]
    assert 1 < (first["quantity"] == "loss").sum() < 60


def test_training_does_not_load_the_compiler_of_torch(tmp_path):
    code = (
        "import scgnn, sys\n"
        "scgnn.run('scgnn_quick', data__reader__n_cells=60, data__reader__n_genes=40,"
        " pipeline__feature_training__epochs=2, pipeline__graph_training__epochs=2,"
        " pipeline__max_iterations=0)\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
