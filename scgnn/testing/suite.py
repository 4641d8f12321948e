"""The conformance suite: all checks of a component, run directly or by pytest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from scgnn.recipe.describe import format_inline
from scgnn.registry.component import Component
from scgnn.testing import (  # noqa: F401  # importing registers the checks
    clusterers,
    common,
    decoders,
    encoders,
    graph_builders,
    pipelines,
    pruners,
    readers,
    regularizers,
    stopping,
    transforms,
)
from scgnn.testing.check import CHECKS, Check, CheckFailedError
from scgnn.testing.exemptions import get_exemption_reason

ComponentOrClass = Component | type[Component]


class CheckResult(NamedTuple):
    """Result of one check of a component."""

    check: Check
    status: Literal["passed", "failed", "exempt"]
    reason: str  # of a failure or an exemption


def get_checks(component: ComponentOrClass) -> list[Check]:
    """Return the checks of a component, those of all kinds first.

    Parameters
    ----------
    component
        A component or its class.
    """
    return [c for kind in (None, component.kind) for c in CHECKS if c.kind == kind]


def run_checks(component: ComponentOrClass) -> Iterator[CheckResult]:
    """Run every check of a component.

    Parameters
    ----------
    component
        A component, or a class, which is tested with its defaults.

    Yields
    ------
    CheckResult
        The result of each check; if a class has no defaults, of that check only.
    """
    checks = get_checks(component)
    if isinstance(component, type):
        try:
            component()
        except Exception as error:
            check = next(c for c in checks if c.name == "has_default_parameters")
            yield CheckResult(check, "failed", f"{type(error).__name__}: {error}")
            return
    for check in checks:
        if exemption := get_exemption_reason(check.name, component):
            yield CheckResult(check, "exempt", exemption)
            continue
        try:
            check(component)
        except CheckFailedError as error:
            yield CheckResult(check, "failed", str(error))
        except Exception as error:  # third-party components can raise anything
            yield CheckResult(check, "failed", f"{type(error).__name__}: {error}")
        else:
            yield CheckResult(check, "passed", "")


def check_component(component: ComponentOrClass) -> None:
    """Test a component against every rule of its kind.

    Parameters
    ----------
    component
        A component, or a class, which is tested with its defaults.

    Raises
    ------
    CheckFailedError
        The component breaks rules; the message has a line for each.
    """
    failed = [result for result in run_checks(component) if result.status == "failed"]
    if failed:
        raise CheckFailedError("\n".join(f"{r.check.name}: {r.reason}" for r in failed))


def parametrize_with_checks(components: Sequence[ComponentOrClass]) -> Any:
    """Return a pytest decorator that runs a test ``(component, check)`` once for each check.

    Checks that do not apply are skipped with their reason, and checks that take minutes are
    marked ``slow``.

    Parameters
    ----------
    components
        Components, or classes, which are tested with their defaults.
    """
    import pytest  # a dependency of tests only

    def make_case(component: ComponentOrClass, check: Check) -> Any:
        exemption = get_exemption_reason(check.name, component)
        marks = [pytest.mark.skip(reason=exemption)] if exemption else []
        marks += [pytest.mark.slow] if check.slow else []
        name = f"{_format_test_id(component)}-{check.name}"
        return pytest.param(component, check, marks=marks, id=name)

    cases = [make_case(c, check) for c in components for check in get_checks(c)]
    return pytest.mark.parametrize(("component", "check"), cases)


def _format_test_id(component: ComponentOrClass) -> str:
    """Return kind and name of a component, and its parameters that are not defaults."""
    cls = component if isinstance(component, type) else type(component)
    name = f"{cls.kind}.{getattr(cls, 'name', cls.__name__)}"
    has_defaults = isinstance(component, type) or component == cls()
    return name if has_defaults else f"{name}-{format_inline(component)}"
