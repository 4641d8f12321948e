"""scgnn-recipe new: a package that installs, works and passes its own tests."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from budgets import SINGLE_ITERATION, SMALL_DATA
from scgnn import load_recipe
from scgnn.cli import scaffold
from scgnn.registry import plugin_files
from scgnn.registry.introspection import iter_components
from scgnn.registry.kinds import get_component, kinds, registered_components, restore
from scgnn.testing import get_checks
from scgnn.testing.exemptions import get_exemption_reason

KINDS = sorted(scaffold.RECIPE_SNIPPETS)


@pytest.fixture(autouse=True)
def work_dir(tmp_path, monkeypatch):
    """Run every test in an empty folder and restore the registry."""
    before = registered_components()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    restore(before)


def test_every_kind_has_a_template():
    assert list(kinds()) == KINDS


def test_tests_of_a_template_import_what_exists():
    folder = scaffold.write_package("encoder", "my_own")
    tree = ast.parse((folder / "tests" / "test_my_own.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if node.module.partition(".")[0] == "scgnn"]
    assert len(ours) >= 3
    for node in ours:
        for alias in node.names:
            assert hasattr(importlib.import_module(node.module), alias.name), alias.name


@pytest.mark.parametrize("kind", KINDS)
def test_template_passes_the_conformance_checks(kind):
    folder = scaffold.write_package(kind, "my_own")
    (cls,) = plugin_files.load_file(folder / f"scgnn_{kind}_my_own.py")
    assert get_component(f"{kind}.my_own") is cls
    for check in get_checks(cls):
        assert not get_exemption_reason(check.name, cls)
        if not check.slow:
            check(cls)


@pytest.mark.parametrize("kind", KINDS)
def test_example_recipe_uses_the_component(kind, run_cli):
    result = run_cli("new", kind, "my_own", "--out", "mine")
    commands = ["  pip install -e mine", f"  scgnn-recipe test {kind}.my_own"]
    assert result.stdout.splitlines() == ["created mine; next steps:", *commands]
    (cls,) = plugin_files.load_file(Path(f"mine/scgnn_{kind}_my_own.py"))
    assert cls in map(type, iter_components(load_recipe("mine/recipe.yaml")))


def test_package_has_the_files_of_pip_and_pytest(read_tree, work_dir):
    folder = scaffold.write_package("stop", "calm")
    assert folder == Path("scgnn-stop-calm")
    assert [path for path in read_tree(folder) if path != "tests"] == [
        "README.md",
        "pyproject.toml",
        "recipe.yaml",
        "scgnn_stop_calm.py",
        "setup.cfg",
        "tests/test_calm.py",
    ]
    setup = (folder / "setup.cfg").read_text()
    assert "scgnn.components =\n    stop.calm = scgnn_stop_calm:CalmStop\n" in setup
    assert os.listdir(work_dir) == ["scgnn-stop-calm"]
    assert "$" not in "".join(text.decode() for text in read_tree(folder).values() if text)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("encodr", "mine"), "unknown kind 'encodr'. Did you mean 'encoder'? Known: clusterer, "),
        (("encoder", "Mine"), "invalid component name 'Mine': use lower-case letters, digits"),
        (("encoder", "2mine"), "invalid component name '2mine'"),
        (("encoder", "my-own"), "invalid component name 'my-own'"),
        (("encoder", "../mine"), "invalid component name '../mine'"),
        (("encoder", "mine_"), "invalid component name 'mine_'"),
        (("encoder", "m" * 61), "component name 'mmmmmmmmmmmmmmmmmmmm…' is longer than 60 char"),
        (("encoder", "gat"), "encoder 'gat' already exists; choose another name"),
        (("encoder", "mine", "--out", "taken"), "taken already exists; choose another folder"),
        (("encoder", "mine", "--out", "file/x"), "cannot write file/x: Not a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_invalid_arguments_are_rejected(run_cli, work_dir, read_tree, args, message):
    Path("taken").mkdir()
    Path("file").write_text("")
    before = read_tree(work_dir)
    result = run_cli("new", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)
    assert len(result.stderr.splitlines()) == 1
    assert read_tree(work_dir) == before


def test_failed_write_leaves_no_files(monkeypatch, work_dir, read_tree):
    def raise_disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", raise_disk_full)
    with pytest.raises(scaffold.UserError, match=r"cannot write .*: No space left on device"):
        scaffold.write_package("stop", "calm")
    assert read_tree(work_dir) == {}


# --- installed distributions --------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path):
    """Return a function that runs Python in a new environment with this one's packages.

    Its attribute ``install`` installs the package in a folder.
    """
    home = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    site = next((home / "lib").glob("python*/site-packages"))
    paths = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "inherited.pth").write_text(
        "\n".join([*paths, str(Path(scaffold.__file__).parents[2])])
    )
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*args):
        result = subprocess.run(
            [home / "bin" / "python", *map(str, args)], capture_output=True, text=True, env=env
        )
        return result.returncode, result.stdout, result.stderr

    def install(folder):
        flags = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet")
        code, out, err = run("-m", "pip", "install", *flags, f"./{folder}")
        assert code == 0, out + err

    run.install = install
    return run


@pytest.mark.slow
def test_installed_distributions_work_and_conflicts_are_reported(
    environment, tmp_path, to_set_options
):
    for kind, name in (("clusterer", "far"), ("stop", "calm")):
        environment.install(scaffold.write_package(kind, name))
    code, out, err = environment("-m", "scgnn", "list")
    assert (code, err) == (0, "")
    assert "[scgnn-clusterer-far 0.1.0]" in out
    assert "[scgnn-stop-calm 0.1.0]" in out

    code, out, err = environment("-m", "scgnn", "test", "clusterer.far")
    assert code == 0, out + err
    assert " 0 failed, " in out
    code, out, err = environment("-m", "pytest", "scgnn-stop-calm", "-q", "-p", "no:cacheprovider")
    assert code == 0, out + err

    options = to_set_options(SMALL_DATA | SINGLE_ITERATION | {"pipeline.clusterer": "far"})
    code, out, err = environment("-m", "scgnn", "run", "scgnn_quick", *options, "--out", "out")
    assert code == 0, out + err
    assert "name: far" in Path("out/recipe.yaml").read_text()

    second = scaffold.write_package("clusterer", "far", Path("second"))
    setup = second / "setup.cfg"
    setup.write_text(setup.read_text().replace("name = scgnn-clusterer-far", "name = others"))
    environment.install(second)
    broken = scaffold.write_package("stop", "broken")
    (broken / "scgnn_stop_broken.py").write_text("import nowhere\n")
    environment.install(broken)
    conflict = "plug-in clusterer.far is provided by others 0.1.0 and scgnn-clusterer-far 0.1.0"
    code, out, err = environment("-m", "scgnn", "check", "scgnn", "--set", "pipeline.clusterer=far")
    assert (code, out) == (2, "")
    assert conflict in err
    code, out, err = environment("-m", "scgnn", "doctor")
    assert code == 1
    assert conflict in out
    assert (
        "plug-in stop.broken of scgnn-stop-broken 0.1.0 cannot be imported "
        "(ModuleNotFoundError: No module named 'nowhere')"
    ) in out
    assert environment("-m", "scgnn", "check", "scgnn", "--set", "pipeline.stop=calm")[0] == 0
