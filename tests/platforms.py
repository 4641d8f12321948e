"""Install the wheel on several Pythons, each in a fresh environment, and try it there.

``make platforms`` runs this; it tries the versions of Python in ``setup.cfg`` that it finds on the
path or in pyenv, or those that are named. pip keeps what it downloads; environments are removed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from configparser import ConfigParser
from pathlib import Path

from budgets import REDUCED_BUDGET, SMALL_DATA, SMALL_LTMG
from paths import ROOT, TESTS

PARITY = TESTS / "components/encoders/test_backend_parity.py"
DEMO = SMALL_DATA | REDUCED_BUDGET | SMALL_LTMG
UMAP = """
import sys
from importlib.metadata import version
import scanpy as sc
adata = sc.read_h5ad(sys.argv[1])
sc.tl.umap(adata, neighbors_key="scgnn")
print("scanpy", version("scanpy"), "X_umap", adata.obsm["X_umap"].shape)
"""


def list_versions() -> list[str]:
    """Return the tested versions of Python, from the classifiers in setup.cfg."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return re.findall(r"Python :: (3\.\d+)", setup["metadata"]["classifiers"])


def get_version(python: str) -> str | None:
    """Return the version of a Python, or None if it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def find_pythons() -> list[str]:
    """Return an interpreter of each tested version that is installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    pythons = []
    for version in list_versions():
        name = f"python{version}"
        candidates = [shutil.which(name) or "", *map(str, pyenv.glob(f"{version}.*/bin/{name}"))]
        pythons += [path for path in candidates if path and get_version(path) == version][:1]
    return pythons


def try_python(python: str, wheel: Path, folder: Path) -> None:
    """Install the wheel for a Python in a folder and run doctor, a small run, UMAP and parity."""
    version = get_version(python)
    name = "constraints.txt" if version == "3.11" else f"constraints/{version}.txt"
    constraints = ["-c", str(ROOT / name)] if (ROOT / name).exists() else []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)

    def run(what: str, *command: object) -> str:
        start = time.perf_counter()
        words = list(map(str, command))
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        took = time.perf_counter() - start
        print(f"{version}  {what:<8} {'ok' if done.returncode == 0 else 'FAILED'}  {took:5.0f} s  ")
        if done.returncode:
            print(done.stdout, done.stderr)
            raise SystemExit(1)
        return done.stdout

    run("venv", python, "-m", "venv", "env")
    scripts = folder / "env/bin"
    run("install", scripts / "pip", "install", "-q", *constraints, f"{wheel}[test]")
    print(run("doctor", scripts / "scgnn-recipe", "doctor"))
    options = [word for key, value in DEMO.items() for word in ("--set", f"{key}={value}")]
    options += ["--labels-key", "group", "--out", "out"]
    run("run", scripts / "scgnn-recipe", "run", "scgnn", *options)
    print(run("umap", scripts / "python", "-c", UMAP, "out/result.h5ad"))
    parity = run(
        "parity",
        scripts / "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        ROOT / "setup.cfg",
        PARITY,
    )
    print(parity.splitlines()[-1])


def main() -> None:
    """Try each Python."""
    pythons = sys.argv[1:] or find_pythons()
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, str(ROOT)]
        subprocess.run(build, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        for python in pythons:
            with tempfile.TemporaryDirectory() as environment:
                try_python(python, wheel, Path(environment))


if __name__ == "__main__":
    main()
