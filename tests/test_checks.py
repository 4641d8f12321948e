"""The conformance suite: each rule broken on purpose, and kept by every registered component."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from broken_components.case import CASES
from broken_components.every_kind import SingleCluster
from broken_components.regularizers import SquaredErrorTerm
from scgnn.components.clusterers import Clusterer
from scgnn.components.encoders import GCN
from scgnn.components.graph_builders import KNN
from scgnn.components.readers import CSV
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
from scgnn.testing.exemptions import EXEMPTIONS

pytestmark = pytest.mark.usefixtures("restore_registry")
BUILT_IN = [
    member for cls in kinds().values() for member in map(cls.get, cls.names()) if is_builtin(member)
]


@parametrize_with_checks(BUILT_IN)
def test_every_component_keeps_every_rule(component, check):
    check(component)


@parametrize_with_checks([GCN(hidden=(8,), dropout=0.5), KNN(n_neighbors=3, metric="cosine")])
def test_settings_of_ones_own_can_be_tried_too(component, check):
    check(component)


# --- each rule, broken --------------------------------------------------------------------------


def named(cls, name="broken"):
    """A class registered under a name of its kind."""
    return kinds()[cls.kind].register(name)(cls)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.check}-{type(case.component).__name__}"
)
def test_a_broken_rule_is_said(case):
    if case.check != "registered":
        named(type(case.component))
    (check,) = [check for check in get_checks(case.component) if check.name == case.check]
    with pytest.raises(CheckFailedError, match=re.escape(case.message)):
        check(case.component)


def test_every_rule_is_broken_once():
    broken = {(case.check, case.component.kind) for case in CASES}
    for check in CHECKS:
        on = {kind for name, kind in broken if name == check.name}
        assert (check.kind in on) if check.kind else on, check


def test_every_rule_is_said_in_a_sentence():
    for check in CHECKS:
        assert re.fullmatch(r"[A-Z].*\.", check.description), check.name


# --- the suite ----------------------------------------------------------------------------------


def test_all_broken_rules_are_told_at_once():
    @dataclass(frozen=True)
    class Bad(SingleCluster):
        k: int = 1

    with pytest.raises(CheckFailedError) as found:
        check_component(named(Bad))
    lines = str(found.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "documented",
        "is_picklable",
        "separates_distant_blobs",
    ]


def test_a_class_that_wants_parameters_is_told_that_alone():
    @dataclass(frozen=True)
    class Demanding(SingleCluster):
        k: int

    with pytest.raises(CheckFailedError, match=r"^has_default_parameters: TypeError: .*'k'$"):
        check_component(named(Demanding))


def test_what_a_component_raises_is_the_reason():
    @dataclass(frozen=True)
    class Raising(Clusterer):
        """Cannot."""

        def fit_predict(self, embedding, graph, seed):
            raise KeyError("colour")

    reasons = {o.check.name: o.reason for o in run_checks(named(Raising))}
    assert reasons["clusters_are_consecutive"] == "KeyError: 'colour'"


def test_a_good_component_passes():
    check_component(KNN())


# --- exemptions ---------------------------------------------------------------------------------


def exempt(component):
    return {o.check.name: o.reason for o in run_checks(component) if o.status == "exempt"}


def test_an_exemption_is_of_checks_that_exist_and_says_why():
    names = {check.name for check in CHECKS}
    for exemption in EXEMPTIONS:
        assert set(exemption.checks) <= names
        assert len(exemption.reason) > 20


def test_readers_of_files_are_not_called():
    reasons = exempt(CSV())
    assert set(reasons) > {"returns_counts", "is_deterministic_given_seed"}
    assert set(reasons.values()) == {"it reads a file, and there is none to read"}


def test_a_control_may_see_no_difference():
    @dataclass(frozen=True)
    class Control(SingleCluster):
        """Sees nothing."""

        control = True

    assert "control" in exempt(named(Control))["separates_distant_blobs"]


def test_regularizers_of_the_embedding_need_not_be_zero_at_the_truth():
    assert exempt(Sparsity())["is_zero_at_perfect_reconstruction"].startswith(
        "it overrides penalty"
    )
    assert exempt(named(SquaredErrorTerm)()) == {}


def test_an_exempt_check_is_a_skipped_test():
    cases = parametrize_with_checks([CSV]).args[1]
    marks = {case.id: [mark.name for mark in case.marks] for case in cases}
    assert marks["reader.csv-returns_counts"] == ["skip"]
    assert marks["reader.csv-frozen"] == []


# --- the command --------------------------------------------------------------------------------

GOOD = '''
from dataclasses import dataclass
from scgnn.components.stopping import Stop


@Stop.register("{name}")
@dataclass(frozen=True)
class {cls}(Stop):
    """Stops when the clusters are the same."""

    def __call__(self, rounds):
        return "{said}" if (rounds[-1].clusters == rounds[-2].clusters).all() else ""
'''


def test_the_command_says_of_each_rule_whether_it_is_kept(run_cli):
    done = run_cli("test", "stop.clusters")
    assert (done.exit_code, done.stderr) == (0, "")
    first, *rows, last = done.stdout.splitlines()
    assert first == "stop.clusters"
    assert {row.split()[0] for row in rows} == {"passed"}
    assert last == f"{len(rows)} passed, 0 failed, 0 exempt"


def test_the_command_says_why_a_check_does_not_apply(run_cli):
    done = run_cli("test", "stop.never")
    assert done.exit_code == 0
    assert "exempt  reports_stop_reason" in done.stdout
    assert "it never stops: that is what it is for" in done.stdout


def test_the_command_fails_with_a_component_and_says_why(run_cli, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD.format(name="quiet", cls="Quiet", said=""))
    done = run_cli("test", "stop.quiet", "--plugin", path)
    assert done.exit_code == 1
    (row,) = [row for row in done.stdout.splitlines() if row.startswith("  failed")]
    assert row.split(maxsplit=2)[1:] == ["reports_stop_reason", "all stands still, and it says ''"]
    assert done.stdout.splitlines()[-1].endswith(" passed, 1 failed, 0 exempt")


def test_the_command_tries_all_components_of_a_file(run_cli, tmp_path):
    path = tmp_path / "mine.py"
    two = (("calm", "Calm"), ("still", "Still"))
    path.write_text("".join(GOOD.format(name=n, cls=c, said="still") for n, c in two))
    done = run_cli("test", path)
    assert done.exit_code == 0
    heads = [line for line in done.stdout.splitlines() if line.startswith("stop.")]
    assert heads == ["stop.calm", "stop.still"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("encoder.gattt", "unknown encoder 'gattt'. Did you mean 'gat'? Known: "),
        ("encodr.gat", "unknown kind 'encodr'. Did you mean 'encoder'? Known: "),
        ("gat", "unknown kind 'gat'. Known: "),
        ("mine.py", "mine.py: cannot be read (No such file or directory)"),
    ],
)
def test_the_command_refuses_what_is_no_component(run_cli, word, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_cli("test", word)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
