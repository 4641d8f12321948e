"""The conformance suite: every component passes it, and every check detects a broken one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import pytest

from broken_components.case import CASES
from broken_components.every_kind import SingleCluster
from broken_components.regularizers import SquaredErrorTerm
from scgnn.components.clusterers import Clusterer
from scgnn.components.encoders import GCN
from scgnn.components.graph_builders import KNN
from scgnn.components.readers import CSV, InMemory
from scgnn.components.regularizers import Sparsity
from scgnn.registry.introspection import is_builtin
from scgnn.registry.kinds import kinds
from scgnn.testing import (
    CheckFailedError,
    check_component,
    get_checks,
    parametrize_with_checks,
    run_checks,
)
from scgnn.testing.check import CHECKS
from scgnn.testing.exemptions import CALLING_CHECKS

pytestmark = pytest.mark.usefixtures("restore_registry")
BUILTINS = [
    member for kind in kinds().values() for member in map(kind.get, kind.names())
    if is_builtin(member)
]  # fmt: skip


@parametrize_with_checks(BUILTINS)
def test_builtin_component_passes(component, check):
    check(component)


@parametrize_with_checks([GCN(hidden=(8,), dropout=0.5), KNN(n_neighbors=3, metric="cosine")])
def test_component_with_parameters_passes(component, check):
    check(component)


# --- broken components --------------------------------------------------------------------------


def register(cls, name="broken"):
    """Register a class under a name of its kind."""
    return kinds()[cls.kind].register(name)(cls)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.check}-{type(case.component).__name__}"
)
def test_check_detects_broken_component(case):
    if case.check != "is_registered":
        register(type(case.component))
    (check,) = [check for check in get_checks(case.component) if check.name == case.check]
    with pytest.raises(CheckFailedError, match=re.escape(case.message)):
        check(case.component)


def test_every_check_has_a_broken_component():
    broken = {(case.check, case.component.kind) for case in CASES}
    for check in CHECKS:
        kinds_broken = {kind for name, kind in broken if name == check.name}
        assert (check.kind in kinds_broken) if check.kind else kinds_broken, check


def test_every_check_is_described_by_a_sentence():
    for check in CHECKS:
        assert re.fullmatch(r"[A-Z].*\.", check.description), check.name


# --- the suite ----------------------------------------------------------------------------------


def test_check_component_reports_all_failures():
    @dataclass(frozen=True)
    class Bad(SingleCluster):
        k: int = 1

    with pytest.raises(CheckFailedError) as error:
        check_component(register(Bad))
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "is_documented",
        "is_picklable",
        "separates_distant_blobs",
    ]


def test_class_without_defaults_fails_one_check_only():
    @dataclass(frozen=True)
    class Demanding(SingleCluster):
        k: int

    with pytest.raises(CheckFailedError, match=r"^has_default_parameters: TypeError: .*'k'$"):
        check_component(register(Demanding))


def test_exception_of_a_component_is_the_reason():
    @dataclass(frozen=True)
    class Raising(Clusterer):
        """Raises an exception."""

        def fit_predict(self, embedding, graph, seed):
            raise KeyError("color")

    reasons = {result.check.name: result.reason for result in run_checks(register(Raising))}
    assert reasons["clusters_are_consecutive"] == "KeyError: 'color'"


def test_check_component_accepts_a_valid_component():
    check_component(KNN())


# --- exemptions ---------------------------------------------------------------------------------


def exemptions_of(component):
    return {r.check.name: r.reason for r in run_checks(component) if r.status == "exempt"}


def test_exemptions_name_existing_checks_and_a_reason():
    assert set(CALLING_CHECKS) <= {check.name for check in CHECKS}
    reasons = exemptions_of(InMemory())
    assert set(reasons) == set(CALLING_CHECKS)
    assert set(reasons.values()) == {"its data are passed from Python, and none are available"}


def test_file_readers_are_not_called():
    reasons = exemptions_of(CSV())
    assert set(reasons) > {"returns_counts", "is_deterministic_given_seed"}
    assert set(reasons.values()) == {"it reads a file, and none is available"}


def test_baseline_need_not_separate_blobs():
    @dataclass(frozen=True)
    class Baseline(SingleCluster):
        """Ignores all differences."""

        is_baseline: ClassVar[bool] = True

    assert "baseline" in exemptions_of(register(Baseline))["separates_distant_blobs"]


def test_regularizer_of_the_embedding_need_not_be_zero():
    reason = exemptions_of(Sparsity())["is_zero_at_perfect_reconstruction"]
    assert reason.startswith("its acts_on is not reconstruction")
    assert exemptions_of(register(SquaredErrorTerm)()) == {}


def test_exempt_check_is_a_skipped_test():
    cases = parametrize_with_checks([CSV]).args[1]
    marks = {case.id: [mark.name for mark in case.marks] for case in cases}
    assert marks["reader.csv-returns_counts"] == ["skip"]
    assert marks["reader.csv-is_frozen_dataclass"] == []


# --- the command --------------------------------------------------------------------------------

STOPPING_RULE = '''
from dataclasses import dataclass
from scgnn.components.stopping import StoppingRule


@StoppingRule.register("{name}")
@dataclass(frozen=True)
class {cls}(StoppingRule):
    """Stop when the clusters are equal."""

    def __call__(self, snapshots):
        return "{reason}" if (snapshots[-1].clusters == snapshots[-2].clusters).all() else ""
'''


def test_command_lists_every_check(run_cli):
    result = run_cli("test", "stop.clusters")
    assert (result.exit_code, result.stderr) == (0, "")
    first, *rows, last = result.stdout.splitlines()
    assert first == "stop.clusters"
    assert {row.split()[0] for row in rows} == {"passed"}
    assert last == f"{len(rows)} passed, 0 failed, 0 exempt"


def test_command_gives_the_reason_of_an_exemption(run_cli):
    result = run_cli("test", "stop.never")
    assert result.exit_code == 0
    assert "exempt  reports_stop_reason" in result.stdout
    assert "it never stops by design" in result.stdout


def test_command_fails_with_the_reason(run_cli, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(STOPPING_RULE.format(name="quiet", cls="Quiet", reason=""))
    result = run_cli("test", "stop.quiet", "--plugin", path)
    assert result.exit_code == 1
    (row,) = [row for row in result.stdout.splitlines() if row.startswith("  failed")]
    assert row.split(maxsplit=2)[1:] == [
        "reports_stop_reason",
        "clusters and graph have converged, and it returns ''",
    ]
    assert result.stdout.splitlines()[-1].endswith(" passed, 1 failed, 0 exempt")


def test_command_tests_all_components_of_a_file(run_cli, tmp_path):
    path = tmp_path / "mine.py"
    classes = (("calm", "Calm"), ("still", "Still"))
    path.write_text(
        "".join(STOPPING_RULE.format(name=n, cls=c, reason="equal") for n, c in classes)
    )
    result = run_cli("test", path)
    assert result.exit_code == 0
    headings = [line for line in result.stdout.splitlines() if line.startswith("stop.")]
    assert headings == ["stop.calm", "stop.still"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("encoder.gattt", "unknown encoder 'gattt'. Did you mean 'gat'? "),
        ("encodr.gat", "unknown kind 'encodr'. Did you mean 'encoder'? Known: "),
        ("gat", "unknown kind 'gat'. There is a component encoder.gat. Known: "),
        ("own", "own: to test the components of the file own.py, give its name with .py"),
        ("nothing", "nothing: give KIND.NAME, such as encoder.gat, or a plug-in file with the"),
        ("mine.py", "mine.py: cannot be read (No such file or directory)"),
    ],
)
def test_command_rejects_an_unknown_target(run_cli, target, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").touch()
    result = run_cli("test", target)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)
