"""Installed plug-ins: discovered without importing, imported on use, rejected in one sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from plugin_texts import COMPONENT_TEMPLATE, LUMP_PLUGIN
from scgnn.recipe.load import load_recipe
from scgnn.registry.kinds import get_component, registered_components

pytestmark = pytest.mark.usefixtures("restore_registry")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a distribution: its entry points, and its modules by name."""

    def install(name: str, entries: str, **modules: str) -> None:
        site = tmp_path / name
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nSummary: What {name} is.\n"
        (info / "METADATA").write_text(about)
        (info / "entry_points.txt").write_text(f"[scgnn.components]\n{entries}\n")
        for module, text in modules.items():
            (site / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(site)

    return install


def get_error(kind: str, name: str) -> str:
    with pytest.raises(ValueError, match=f"\\b{name}\\b") as error:
        get_component(f"{kind}.{name}")
    return str(error.value)


# --- entry points -------------------------------------------------------------------------------


def test_a_plug_in_is_listed_without_being_imported(installed, run_cli):
    installed("labs", "clusterer.lump = plugged_lump:Lump", plugged_lump="raise SystemExit(3)")
    result = run_cli("list", "clusterer")
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("  lump ")]
    assert line.split(maxsplit=1)[1] == "What labs is.  [labs 1.0]"
    assert "plugged_lump" not in sys.modules


def test_a_plug_in_is_imported_when_a_recipe_asks_for_it(installed):
    installed("labs", "clusterer.lump = plugged_lump:Lump", plugged_lump=LUMP_PLUGIN)
    load_recipe("scgnn")
    assert "plugged_lump" not in sys.modules
    recipe = load_recipe({"base": "scgnn", "pipeline": {"clusterer": {"name": "lump", "k": 2}}})
    assert type(recipe.pipeline.clusterer) is sys.modules["plugged_lump"].Lump
    assert recipe.pipeline.clusterer.k == 2


def test_a_plug_in_that_was_imported_says_what_it_is_and_whose(installed, run_cli):
    installed("labs", "clusterer.lump = plugged_lump:Lump", plugged_lump=LUMP_PLUGIN)
    assert run_cli("show", "clusterer.lump").stdout.startswith("clusterer.lump\n\nPuts every cell")
    assert "  Puts every cell into one cluster.  [labs 1.0]" in run_cli("list", "clusterer").stdout


def test_a_misspelled_plug_in_gets_the_suggestion(installed):
    installed("labs", "clusterer.lump = plugged_lump:Lump", plugged_lump=LUMP_PLUGIN)
    assert "Did you mean 'lump'? " in get_error("clusterer", "lumq")


def test_without_its_plug_in_a_recipe_says_which_name_is_unknown(tmp_path, run_cli):
    (tmp_path / "my.yaml").write_text("base: scgnn\npipeline:\n  clusterer: {name: lump, k: 2}\n")
    result = run_cli("check", tmp_path / "my.yaml")
    assert result.exit_code == 2
    assert "my.yaml:3: pipeline.clusterer.name: unknown clusterer 'lump'." in result.stderr


def test_a_plug_in_never_takes_the_place_of_a_built_in(installed, run_cli):
    built_in = get_component("clusterer.leiden")
    entry = "clusterer.leiden = plugged_leiden:Lump"
    installed("labs", entry, plugged_leiden=COMPONENT_TEMPLATE.format(name="leiden", cls="Lump"))
    assert get_component("clusterer.leiden") is built_in
    message = (
        "plug-in clusterer.leiden of labs 1.0 is ignored: scgnn has a clusterer of that name\n"
    )
    assert run_cli("list").stderr == message
    doctor = run_cli("doctor")
    assert doctor.exit_code == 1
    assert message in doctor.stdout


def test_two_distributions_with_one_name_are_refused(installed, run_cli):
    for name in ("labs", "others"):
        installed(name, "clusterer.lump = plugged_lump:Lump", plugged_lump=LUMP_PLUGIN)
    message = "plug-in clusterer.lump is provided by labs 1.0 and others 1.0; uninstall all but one"
    assert get_error("clusterer", "lump") == message
    assert run_cli("list").stderr == message + "\n"
    assert get_component("clusterer.leiden")


def test_a_name_offered_twice_does_not_come_in_through_a_neighbour(installed):
    two = LUMP_PLUGIN + COMPONENT_TEMPLATE.format(name="heap", cls="Heap")
    both = "clusterer.lump = plugged_two:Lump\nclusterer.heap = plugged_two:Heap"
    installed("labs", both, plugged_two=two)
    installed("others", "clusterer.lump = plugged_lump:Lump", plugged_lump=LUMP_PLUGIN)
    assert get_component("clusterer.heap").__name__ == "Heap"
    assert "is provided by labs 1.0 and others 1.0" in get_error("clusterer", "lump")


def test_neighbours_in_a_module_are_both_there(installed):
    two = LUMP_PLUGIN + COMPONENT_TEMPLATE.format(name="heap", cls="Heap")
    both = "clusterer.lump = plugged_two:Lump\nclusterer.heap = plugged_two:Heap"
    installed("labs", both, plugged_two=two)
    assert get_component("clusterer.heap").__name__ == "Heap"
    assert get_component("clusterer.lump").__name__ == "Lump"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import nowhere", "cannot be imported (ModuleNotFoundError: No module named 'nowhere')"),
        ("raise SystemExit", "cannot be imported (SystemExit)"),
        ("", "cannot be imported (AttributeError: module 'plugged_lump' has no attribute 'Lump')"),
        ("Lump = 3", ": plugged_lump:Lump is not a class of the kind clusterer"),
        (
            COMPONENT_TEMPLATE.format(name="heap", cls="Lump"),
            ": plugged_lump:Lump is registered as 'heap'; decorate it with .register(\"lump\")",
        ),
        (
            LUMP_PLUGIN.replace('@Clusterer.register("lump")', ""),
            ': plugged_lump:Lump is not registered; decorate it with .register("lump")',
        ),
        (
            COMPONENT_TEMPLATE.format(name="leiden", cls="Other") + LUMP_PLUGIN,
            "cannot be imported (ValueError: clusterer 'leiden' is already "
            f"{get_component('clusterer.leiden').__module__}.Leiden; choose another name)",
        ),
    ],
    ids=["import", "exit", "attribute", "class", "name", "decorator", "taken"],
)
def test_a_broken_plug_in_is_one_sentence_with_its_distribution(installed, run_cli, module, reason):
    installed("labs", "clusterer.lump = plugged_lump:Lump", plugged_lump=module)
    message = f"plug-in clusterer.lump of labs 1.0{'' if reason[0] == ':' else ' '}{reason}"
    assert get_error("clusterer", "lump") == message
    assert get_error("clusterer", "lump") == message  # and again
    result = run_cli("check", "scgnn", "--set", "pipeline.clusterer=lump")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"pipeline.clusterer.name: {message}\n")


def test_a_broken_plug_in_breaks_nothing_else(installed, run_cli):
    broken = COMPONENT_TEMPLATE.format(name="heap", cls="Heap") + "raise RuntimeError('half way')"
    installed("labs", "clusterer.lump = plugged_lump:Lump", plugged_lump=broken)
    before = registered_components()
    get_error("clusterer", "lump")
    assert registered_components() == before
    assert run_cli("check", "scgnn").exit_code == 0
    assert run_cli("list").exit_code == 0
    doctor = run_cli("doctor")
    (line,) = [line for line in doctor.stdout.splitlines() if line.startswith("FAIL")]
    assert line.endswith("of labs 1.0 cannot be imported (RuntimeError: half way)")


def test_an_offer_of_no_kind_is_said_by_list(installed, run_cli):
    installed("labs", "lump = plugged_lump:Lump\ncolor.red = plugged_lump:Lump")
    lines = run_cli("list", "clusterer").stderr.splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "plug-in color.red of labs 1.0: unknown kind 'color'",
        "plug-in lump of labs 1.0: unknown kind 'lump'",
    ]


def test_doctor_names_plug_ins_that_work(installed, run_cli):
    installed("labs", "clusterer.lump = plugged_lump:Lump", plugged_lump=LUMP_PLUGIN)
    assert "ok   clusterer.lump   labs 1.0" in run_cli("doctor").stdout.splitlines()


def test_help_does_not_import_torch_with_plug_ins_there(installed, tmp_path):
    installed("labs", "clusterer.lump = plugged_lump:Lump", plugged_lump="import torch")
    check = (
        "import sys, scgnn.cli, scgnn.registry.entry_points\n"
        "assert 'clusterer.lump' in scgnn.registry.entry_points.discover_entry_points()\n"
        "sys.argv = ['scgnn-recipe', '--help']\n"
        "try:\n    scgnn.cli.main()\n"
        "except SystemExit:\n    sys.exit('torch' in sys.modules)\n"
    )
    path = {"PYTHONPATH": str(tmp_path / "labs"), "PATH": ""}
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, env=path)
    assert result.returncode == 0, result.stderr
