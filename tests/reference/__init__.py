"""Tests against the published scGNN and the formulas of METHOD.md, one file per array file.

The arrays are in ``tests/data/scgnn``; its README gives the formula and tolerance of each.
``ARRAYS`` in each test module maps a pattern of array names to the test that uses them, to
``input`` (data, parameters, initial weights) or to ``information``.
"""

import numpy as np


def assert_near(actual, expected, atol: float = 0.0, rtol: float = 0.0) -> None:
    """Assert ``|a − b| <= atol + rtol · max|b|``, the maximum taken over the whole array."""
    expected = np.asarray(expected)
    assert np.shape(actual) == expected.shape
    largest = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol + rtol * largest)
