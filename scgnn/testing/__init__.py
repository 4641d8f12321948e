"""The conformance suite: the rules that every component keeps, plug-ins included.

>>> from scgnn.testing import parametrize_with_checks
>>> @parametrize_with_checks([MyEncoder])
... def test_it_keeps_the_rules(component, check):
...     check(component)
"""

from scgnn.testing.check import Broken, Check
from scgnn.testing.suite import (
    Outcome,
    check_component,
    checks_of,
    outcomes,
    parametrize_with_checks,
)

__all__ = [
    "Broken",
    "Check",
    "Outcome",
    "check_component",
    "checks_of",
    "outcomes",
    "parametrize_with_checks",
]
