"""What the command shows without a run: help, lists, recipes, components, differences, doctor."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from paths import ROOT
from scgnn.cli import doctor
from scgnn.components.encoders import Encoder
from scgnn.execution import hardware
from scgnn.execution.hardware import has_dgl, resolve_hardware
from scgnn.recipe.load import list_bundled_recipes, load_recipe
from scgnn.registry.kinds import kinds
from scgnn.study.load import list_bundled_studies

pytestmark = pytest.mark.usefixtures("work_dir")


def in_a_process_of_its_own(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_help_loads_neither_torch_nor_any_other_heavy_library():
    check = (
        "import sys\n"
        "from scgnn.cli import main\n"
        "sys.argv = ['scgnn-recipe', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    heavy = {'torch', 'numpy', 'scipy', 'dgl', 'anndata', 'pandas', 'yaml', 'pydantic'}\n"
        "    sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = in_a_process_of_its_own(check)
    assert done.returncode == 0, done.stderr
    for word in ("run", "check", "show", "diff", "list", "test", "new", "doctor"):
        assert f" {word} " in done.stdout


@pytest.mark.parametrize(
    "words", ["check scgnn_gat_leiden", "show scgnn", "diff scgnn pca_leiden", "list"]
)
def test_what_runs_nothing_loads_only_what_describes_it(words):
    heavy = {"torch._C", "dgl", "igraph", "leidenalg", "sklearn", "scipy.special"}
    heavy |= {"pandas", "anndata", "h5py", "matplotlib", "distributed", "rich"}
    check = (
        "import gc, sys\n"
        "from scgnn.cli import main\n"
        f"sys.argv = ['scgnn-recipe', *{words.split()!r}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as ended:\n"
        "    assert not ended.code and gc.isenabled() and gc.get_freeze_count()\n"
        f"    sys.exit(', '.join({heavy!r} & set(sys.modules)) or 0)\n"
    )
    done = in_a_process_of_its_own(check)
    assert done.returncode == 0, done.stderr


def test_a_late_library_is_the_real_one_for_everybody_else():
    check = (
        "import sys\n"
        "from scgnn.execution.lazy_module import lazy_import\n"
        "with lazy_import('torch'):\n"
        "    from scgnn.training import fit\n"
        "assert 'torch' not in sys.modules\n"
        "from torch.autograd import Function\n"
        "import torch\n"
        "assert torch.autograd.Function is Function\n"
        "assert fit.torch.Tensor is torch.Tensor\n"
    )
    done = in_a_process_of_its_own(check)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow  # two processes
def test_a_torch_that_cannot_be_imported_is_one_sentence(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libtorch.so: not there')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for words in ("run scgnn_quick", "doctor"):
        call = [sys.executable, "-m", "scgnn", *words.split()]
        done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 1
        assert "libtorch.so: not there" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_list_names_every_component_and_recipe(run_cli):
    done = run_cli("list")
    assert done.exit_code == 0
    assert done.stderr == ""
    rows = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert sorted(rows) == sorted(
        [name for kind in kinds().values() for name in kind.names()]
        + list(list_bundled_recipes())
        + list(list_bundled_studies())
    )


def test_list_of_a_kind_names_it_alone(run_cli):
    done = run_cli("list", "encoder")
    assert done.stdout.splitlines()[0] == "encoder"
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(Encoder.names())
    done = run_cli("list", "recipe")
    assert len(done.stdout.splitlines()) == 1 + len(list_bundled_recipes())


def test_show_prints_a_recipe_that_runs(run_cli):
    done = run_cli("show", "scgnn_gat_leiden", "--set", "seed=5")
    Path("shown.yaml").write_text(done.stdout)
    assert load_recipe("shown.yaml") == load_recipe("scgnn_gat_leiden", {"seed": 5})
    assert all(len(line) < 160 for line in done.stdout.splitlines())
    assert "…" not in done.stdout


def test_show_explains_a_component(run_cli):
    out = run_cli("show", "encoder.gat").stdout
    assert "Graph attention" in out
    assert "heads: 2    (a positive integer)" in out
    description = (
        "Number of attention heads, concatenated in inner layers and averaged in the last."
    )
    assert description in out
    assert out.endswith("requires: graph\n")


def test_diff_names_what_differs(run_cli):
    assert run_cli("diff", "scgnn", "scgnn").stdout == "no differences\n"
    lines = run_cli("diff", "scgnn", "scgnn_gat_leiden").stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "pipeline.graph_encoder",
        "pipeline.clusterer",
    ]
    assert " -> leiden (" in lines[1]


def test_check_says_what_a_recipe_will_do_and_runs_nothing(run_cli, work_dir, read_tree):
    done = run_cli(
        "check", "scgnn", "--set", "pipeline.graph_builder.n_neighbors=7", "--labels-key", "group"
    )
    assert done.exit_code == 0
    assert "knn (n_neighbors 7, " in done.stdout
    assert "labels      group" in done.stdout
    assert done.stdout.endswith("all checks passed; nothing was run\n")
    assert read_tree(work_dir) == {}


def test_doctor_says_what_works(run_cli):
    done = run_cli("doctor")
    assert done.exit_code == 0
    assert all(line.startswith("ok ") for line in done.stdout.splitlines())
    backend = resolve_hardware().backend
    dgl = metadata.version("dgl") if has_dgl() else "not installed, backend torch is used ("
    assert f"dgl              {dgl}" in done.stdout
    assert f"backend          {backend}" in done.stdout


@pytest.mark.parametrize(
    ("python", "remedy"),
    [
        ((3, 11), "pip install dgl==1.1.3 packaging"),
        ((3, 12), "pip install dgl==2.1.0 packaging"),
        ((3, 13), "pip uninstall dgl (backend torch needs none)"),
    ],
)
def test_doctor_says_what_to_do_about_what_does_not_work(run_cli, monkeypatch, python, remedy):
    def break_dgl(device, backend):
        if backend == "dgl":
            raise OSError("libdgl.so: cannot open shared object file")

    monkeypatch.setattr(doctor, "_pass_messages", break_dgl)
    monkeypatch.setattr(hardware, "get_dgl_version", lambda: (1, 1))
    monkeypatch.setattr(doctor, "PYTHON", python)
    done = run_cli("doctor")
    assert done.exit_code == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert line == (
        f"FAIL dgl              OSError: libdgl.so: cannot open shared object file; try: {remedy}"
    )


@pytest.mark.parametrize(
    ("python", "version", "details"),
    [
        ((3, 11), "", "not installed, backend torch is used (for backend dgl: pip install dgl==1."),
        ((3, 13), "", "not installed, backend torch is used (there is no build for this Python)"),
        ((3, 13), "0.1.3", "0.1.3 is too old, backend torch is used (there is no build for this"),
    ],
)
def test_doctor_passes_without_dgl(run_cli, monkeypatch, python, version, details):
    numbers = tuple(map(int, version.split(".")[:2])) if version else ()
    monkeypatch.setattr(hardware, "get_dgl_version", lambda: numbers)
    monkeypatch.setattr(metadata, "version", lambda _: version)
    monkeypatch.setattr(doctor, "PYTHON", python)
    done = run_cli("doctor")
    assert done.exit_code == 0
    assert f"ok   dgl              {details}" in done.stdout
    assert "backend          torch" in done.stdout


@pytest.mark.parametrize(
    ("python", "line"),
    [
        ((3, 9), "FAIL python           3.9.1: not supported, use Python 3.10 to 3.13"),
        ((3, 10), "ok   python           3.10.1"),
        ((3, 13), "ok   python           3.13.1"),
        ((3, 14), "ok   python           3.14.1, untested (tested: 3.10 to 3.13)"),
    ],
)
def test_doctor_knows_the_tested_versions_of_python(run_cli, monkeypatch, python, line):
    version = ".".join(map(str, (*python, 1)))
    monkeypatch.setattr(doctor, "PYTHON", python)
    monkeypatch.setattr(platform, "python_version", lambda: version)
    assert line in run_cli("doctor").stdout.splitlines()


def test_tested_versions_of_python_and_builds_of_dgl_are_those_of_setup_file():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    versions = re.findall(r"Python :: 3\.(\d+)", setup["metadata"]["classifiers"])
    oldest, newest = doctor.OLDEST_PYTHON, doctor.NEWEST_TESTED_PYTHON
    assert [(3, int(minor)) for minor in versions] == [
        (3, minor) for minor in range(oldest[1], newest[1] + 1)
    ]
    requirements = setup["options"]["install_requires"].splitlines()
    dgl = [Requirement(line) for line in requirements if line.startswith("dgl")]
    for minor in range(oldest[1], newest[1] + 1):
        for system in ("linux", "darwin", "win32"):
            environment = {"python_version": f"3.{minor}", "sys_platform": system}
            builds = [str(r.specifier) for r in dgl if r.marker.evaluate(environment)]
            build = None if system == "win32" else doctor.DGL_BUILDS.get((3, minor))
            assert builds == ([f"=={build}"] if build else [])


@pytest.mark.parametrize("name", ["components", "own.yaml"])
def test_show_says_what_a_study_is(run_cli, work_dir, name):
    (work_dir / "own.yaml").write_text("base: pca_leiden\nseeds: 2\n")
    result = run_cli("show", name)
    assert result.exit_code == 2
    assert result.stderr == (
        f"'{name}' is a study: use 'scgnn-recipe check {name}' to list its variants, or "
        "'scgnn-recipe show RECIPE' for a recipe\n"
    )
