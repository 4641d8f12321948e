"""Our numbers against those of the published scGNN and of METHOD.md, one file per module.

The numbers lie outside the repository, in ``../shared/reference/scgnn`` with a README that gives
every formula and tolerance; without them these tests are skipped (but for ``test_traps_…``).
``ARRAYS`` in each file says which test uses which array: a pattern for the whole name, and the
name of a test, ``input`` (data, parameters, starting weights) or ``information``.
"""

import numpy as np


def assert_near(actual, expected, atol: float = 0.0, rtol: float = 0.0) -> None:
    """``|a − b| <= atol + rtol · max|b|``, the README's tolerance: over the array, not by entry."""
    expected = np.asarray(expected)
    assert np.shape(actual) == expected.shape
    largest = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol + rtol * largest)
