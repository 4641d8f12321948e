"""The checks of a component, run one by one or as tests of pytest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from scgnn.recipe.describe import format_inline
from scgnn.registry.component import Component
from scgnn.testing import (  # noqa: F401  # each registers its checks
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
    """What one check found."""

    check: Check
    status: Literal["passed", "failed", "exempt"]
    reason: str  # of a failure or an exemption


def get_checks(component: ComponentOrClass) -> list[Check]:
    """The checks for a component, those for all kinds first."""
    return [c for c in CHECKS if c.kind is None] + [c for c in CHECKS if c.kind == component.kind]


def run_checks(component: ComponentOrClass) -> Iterator[CheckResult]:
    """Try a component on every check of its kind.

    Parameters
    ----------
    component
        A component, or a class, which is tried with its defaults.
    """
    if isinstance(component, type):
        try:
            component()
        except Exception as error:
            check = next(c for c in CHECKS if c.function is common.check_has_default_parameters)
            yield CheckResult(check, "failed", f"{type(error).__name__}: {error}")
            return
    for check in get_checks(component):
        exempt = get_exemption_reason(check.name, component)
        if exempt:
            yield CheckResult(check, "exempt", exempt)
            continue
        try:
            check(component)
        except CheckFailedError as broken:
            yield CheckResult(check, "failed", str(broken))
        except Exception as error:  # a stranger's component raises anything
            yield CheckResult(check, "failed", f"{type(error).__name__}: {error}")
        else:
            yield CheckResult(check, "passed", "")


def check_component(component: ComponentOrClass) -> None:
    """Hold a component to every rule of its kind.

    Parameters
    ----------
    component
        A component, or a class, which is tried with its defaults.

    Raises
    ------
    Broken
        With every rule that it breaks, one line each.
    """
    failed = [o for o in run_checks(component) if o.status == "failed"]
    if failed:
        raise CheckFailedError("\n".join(f"{o.check.name}: {o.reason}" for o in failed))


def parametrize_with_checks(components: Sequence[ComponentOrClass]) -> Any:
    """Decorate a test ``(component, check)`` so that pytest runs it once a rule.

    A check that does not apply is skipped with its reason, and one that takes minutes is marked
    ``slow``.

    Parameters
    ----------
    components
        Components, or classes, which are tried with their defaults.
    """
    import pytest  # only tests need it

    def case(component: ComponentOrClass, check: Check) -> Any:
        exempt = get_exemption_reason(check.name, component)
        marks = [pytest.mark.skip(reason=exempt)] if exempt else []
        marks += [pytest.mark.slow] if check.slow else []
        return pytest.param(
            component, check, marks=marks, id=f"{_format_test_id(component)}-{check.name}"
        )

    cases = [case(component, check) for component in components for check in get_checks(component)]
    return pytest.mark.parametrize(("component", "check"), cases)


def _format_test_id(component: ComponentOrClass) -> str:
    """A component in the id of a test: its kind and name, and its settings if it has any."""
    cls = component if isinstance(component, type) else type(component)
    name = f"{cls.kind}.{getattr(cls, 'name', cls.__name__)}"
    changed = not isinstance(component, type) and component != cls()
    return f"{name}-{format_inline(component)}" if changed else name
