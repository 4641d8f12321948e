"""Encoders: PCA against an SVD, and attention heads."""

import numpy as np
import pytest
import torch
from scipy import sparse

from scgnn.components.encoders import GAT, PCA


@pytest.mark.parametrize("shape", [(120, 40), (40, 120), (30, 8)], ids=str)
@pytest.mark.parametrize("form", [sparse.csr_matrix, np.asarray])
def test_pca_is_the_projection_on_the_largest_variances(shape, form):
    x = np.random.default_rng(0).poisson(1.0, shape).astype(np.float32)
    encoder = PCA(n_components=10)
    module = encoder.build(shape[1])
    encoder.prepare(module, form(x), 0)
    scores = module(None, torch.from_numpy(x)).numpy()
    largest = np.linalg.svd(x - x.mean(0), compute_uv=False)[:10]
    expected = np.zeros(10)
    expected[: len(largest)] = largest
    assert np.allclose(np.linalg.norm(scores, axis=0), expected, rtol=1e-3, atol=1e-3)
    assert np.abs(scores.mean(0)).max() < 1e-3


def test_pca_of_one_cell_is_zero():
    encoder = PCA(n_components=3)
    module = encoder.build(5)
    encoder.prepare(module, np.ones((1, 5), np.float32), 0)
    assert not module(None, torch.ones(1, 5)).any()


def test_heads_must_divide_inner_widths():
    with pytest.raises(ValueError, match="33 cannot be divided among 2 heads"):
        GAT(hidden=(33, 16))
