"""The start of a process: what an import loads and sets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scgnn.execution.hardware import has_dgl

HEAVY = {"torch", "numpy", "scipy", "dgl", "anndata", "pandas"}
WATCHED = """
import os, sys

class Watch:
    def find_spec(self, name, *_):
        if name == "torch":
            watched.append(os.environ.get("GOMP_SPINCOUNT"))

watched = []
sys.meta_path.insert(0, Watch())
"""
SMALL_OPTIONS = ["--set", "data.reader.n_cells=60", "--set", "data.reader.n_genes=60"]
SMALL = "data__reader__n_cells=60, data__reader__n_genes=60"


@pytest.fixture
def run_python(tmp_path):
    """Runs code in a process of its own, without the settings of this one."""

    def run(code, **environment):
        names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
        env = {name: value for name, value in os.environ.items() if name not in names}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=env | {"OMP_NUM_THREADS": "1"} | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_importing_the_package_loads_nothing_heavy_and_sets_nothing(run_python):
    code = "import os, sys, time, scgnn\nprint(time.process_time())\n"
    code += f"assert not {HEAVY!r} & set(sys.modules)\nassert 'GOMP_SPINCOUNT' not in os.environ"
    assert min(float(run_python(code)) for _ in range(3)) < 0.3


@pytest.mark.slow
def test_a_run_sets_the_spin_count_before_torch_and_loads_no_study(run_python):
    run = f"scgnn.run('pca_leiden', {SMALL})\n"
    code = f"{WATCHED}import scgnn\nscgnn.load_recipe('scgnn')\nassert not watched\n{run}"
    code += "print(watched, [m for m in sys.modules if m.startswith('scgnn.study')])"
    assert run_python(code) == "['1000'] []"


@pytest.mark.slow
def test_a_study_sets_the_spin_count_that_its_workers_inherit(run_python):
    code = "import os, scgnn\n"
    code += "try:\n    scgnn.run_study('missing.yaml')\nexcept scgnn.UserError:\n    pass\n"
    assert run_python(code + "print(os.environ['GOMP_SPINCOUNT'])") == "1000"


@pytest.mark.slow
def test_a_command_sets_the_spin_count_before_torch(run_python):
    code = f"{WATCHED}from scgnn.cli import main\n"
    code += f"sys.argv = ['scgnn-recipe', 'run', 'pca_leiden', *{SMALL_OPTIONS}]\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
    code += "print(watched)"
    assert run_python(code).splitlines()[-1] == "['1000']"


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_settings_of_the_user_stay(run_python, name):
    code = "import os\nfrom scgnn.execution.resources import set_spin_count\nset_spin_count()\n"
    code += "print({k: v for k, v in os.environ.items() if k in ('GOMP_SPINCOUNT', "
    code += "'OMP_WAIT_POLICY')})"
    assert run_python(code, **{name: "7"}) == str({name: "7"})


# ---- DGL prints a message and writes into the home folder, unless its backend is set

IMPORTS = [
    "import scgnn; scgnn.Encoder",
    "import scgnn.tl, scgnn.pl; scgnn.run",
    "from scgnn.components.encoders import GCN; GCN().build(3)",
    "from scgnn.registry.plugin_files import *; load_file(Path('plugin.py'))",
    "from scgnn.study.workers import *; describe_worker(Path(), Path(), Hardware())",
]
DGL_PLUGIN = """
from dgl.nn.pytorch import SAGEConv
from dataclasses import dataclass
from scgnn.components.encoders import Encoder, MessagePassing

@Encoder.register("mine")
@dataclass(frozen=True)
class Mine(MessagePassing):
    pass
"""


@pytest.mark.skipif(not has_dgl(), reason="dgl has no build for this platform")
@pytest.mark.slow
@pytest.mark.parametrize("code", IMPORTS)
def test_dgl_is_silent_and_writes_no_file(tmp_path, code):
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "plugin.py").write_text(DGL_PLUGIN)
    env = os.environ | {"HOME": str(home), "DGLBACKEND": "nonsense"}
    if code != IMPORTS[-1]:
        del env["DGLBACKEND"]
    code = f"{code}\nimport dgl\nprint(dgl.backend.backend_name)"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "pytorch\n", "")
    assert not (home / ".dgl").exists()
