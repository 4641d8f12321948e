"""scgnn-recipe new: a package that installs, works and passes its own tests; or one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scgnn import load_recipe
from scgnn.cli import scaffold
from scgnn.registry import plugin_files
from scgnn.registry.introspection import iter_components
from scgnn.registry.kinds import get_component, kinds, registered_components, restore
from scgnn.testing import get_checks
from scgnn.testing.exemptions import get_exemption_reason


@pytest.fixture(autouse=True)
def work_dir(tmp_path, monkeypatch):
    """Every test works in an empty folder, and leaves the registry as it was."""
    before = registered_components()
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    restore(before)


def test_there_is_an_example_for_every_kind():
    assert sorted(scaffold.RECIPE_SNIPPETS) == list(kinds())


@pytest.mark.parametrize("kind", sorted(scaffold.RECIPE_SNIPPETS))
def test_the_example_keeps_the_rules_of_its_kind(kind):
    written = scaffold.write_package(kind, "my_own")
    (cls,) = plugin_files.load_file(written / f"scgnn_{kind}_my_own.py")
    assert get_component(f"{kind}.my_own") is cls
    for check in get_checks(cls):
        assert not get_exemption_reason(check.name, cls)
        if not check.slow:
            check(cls)


@pytest.mark.parametrize("kind", sorted(scaffold.RECIPE_SNIPPETS))
def test_the_example_recipe_has_the_component(kind, run_cli):
    done = run_cli("new", kind, "my_own", "--out", "mine")
    assert done.stdout == f"mine: 'pip install -e mine', then 'scgnn-recipe test {kind}.my_own'\n"
    (cls,) = plugin_files.load_file(Path(f"mine/scgnn_{kind}_my_own.py"))
    assert cls in map(type, iter_components(load_recipe("mine/recipe.yaml")))


def test_a_package_has_what_pip_and_pytest_want(read_tree, work_dir):
    written = scaffold.write_package("stop", "calm")
    assert written == Path("scgnn-stop-calm")
    assert [path for path in read_tree(written) if path != "tests"] == [
        "README.md",
        "pyproject.toml",
        "recipe.yaml",
        "scgnn_stop_calm.py",
        "setup.cfg",
        "tests/test_calm.py",
    ]
    setup = (written / "setup.cfg").read_text()
    assert "scgnn.components =\n    stop.calm = scgnn_stop_calm:CalmStop\n" in setup
    assert os.listdir(work_dir) == ["scgnn-stop-calm"]
    assert "$" not in "".join(text.decode() for text in read_tree(written).values() if text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("encodr", "mine"), "unknown kind 'encodr'. Did you mean 'encoder'? Known: clusterer, "),
        (("encoder", "Mine"), "invalid component name 'Mine': use lower-case letters, digits"),
        (("encoder", "2mine"), "invalid component name '2mine'"),
        (("encoder", "my-own"), "invalid component name 'my-own'"),
        (("encoder", "../mine"), "invalid component name '../mine'"),
        (("encoder", "mine_"), "invalid component name 'mine_'"),
        (("encoder", "gat"), "encoder 'gat' is there already; choose another name"),
        (("encoder", "mine", "--out", "there"), "there is there already; name another folder"),
        (("encoder", "mine", "--out", "file/x"), "file/x cannot be written (Not a directory)"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_written_is_one_sentence(run_cli, work_dir, read_tree, words, said):
    Path("there").mkdir()
    Path("file").write_text("")
    before = read_tree(work_dir)
    done = run_cli("new", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
    assert read_tree(work_dir) == before


def test_half_a_package_is_never_there(monkeypatch, work_dir, read_tree):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(scaffold.UserError, match=r"cannot be written \(No space left on device\)"):
        scaffold.write_package("stop", "calm")
    assert read_tree(work_dir) == {}


# --- real distributions -------------------------------------------------------------------------

BUDGET = ["data.reader.n_cells=60", "data.reader.n_genes=50", "pipeline.max_iterations=1"]
BUDGET += [
    f"pipeline.{word}_training.epochs=2" for word in ("feature", "graph", "iteration", "imputation")
]


@pytest.fixture
def environment(tmp_path):
    """An environment of its own that sees this one's packages: run(words) and install(folder)."""
    home = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    # the packages of the environment that runs this test, which may be one too
    site = next((home / "lib").glob("python*/site-packages"))
    seen = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "seen.pth").write_text("\n".join([*seen, str(Path(scaffold.__file__).parents[1])]))
    free = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*words):
        done = subprocess.run(
            [home / "bin" / "python", *map(str, words)], capture_output=True, text=True, env=free
        )
        return done.returncode, done.stdout, done.stderr

    def install(package):
        flags = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet")
        code, out, err = run("-m", "pip", "install", *flags, f"./{package}")
        assert code == 0, out + err

    run.install = install
    return run


@pytest.mark.slow
def test_installed_distributions_are_listed_tested_run_and_refused(environment, tmp_path):
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

    sets = [word for change in [*BUDGET, "pipeline.clusterer=far"] for word in ("--set", change)]
    code, out, err = environment("-m", "scgnn", "run", "scgnn_quick", *sets, "--out", "out")
    assert code == 0, out + err
    assert "name: far" in Path("out/recipe.yaml").read_text()

    second = scaffold.write_package("clusterer", "far", Path("second"))
    setup = second / "setup.cfg"
    setup.write_text(setup.read_text().replace("name = scgnn-clusterer-far", "name = others"))
    environment.install(second)
    broken = scaffold.write_package("stop", "broken")
    (broken / "scgnn_stop_broken.py").write_text("import nowhere\n")
    environment.install(broken)
    said = "plug-in clusterer.far is provided by others 0.1.0 and scgnn-clusterer-far 0.1.0"
    code, out, err = environment("-m", "scgnn", "check", "scgnn", "--set", "pipeline.clusterer=far")
    assert (code, out) == (2, "")
    assert said in err
    code, out, err = environment("-m", "scgnn", "doctor")
    assert code == 1
    assert said in out
    assert (
        "plug-in stop.broken of scgnn-stop-broken 0.1.0 cannot be imported "
        "(ModuleNotFoundError: No module named 'nowhere')"
    ) in out
    assert environment("-m", "scgnn", "check", "scgnn", "--set", "pipeline.stop=calm")[0] == 0
