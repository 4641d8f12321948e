"""Conformance suite: the rules that every component keeps, plug-ins included.

>>> from scgnn.testing import parametrize_with_checks
>>> @parametrize_with_checks([MyEncoder])
... def test_conformance(component, check):
...     check(component)
"""

from scgnn.testing.check import Check, CheckFailedError
from scgnn.testing.suite import (
    CheckResult,
    check_component,
    get_checks,
    parametrize_with_checks,
    run_checks,
)

__all__ = [
    "Check",
    "CheckFailedError",
    "CheckResult",
    "check_component",
    "get_checks",
    "parametrize_with_checks",
    "run_checks",
]
