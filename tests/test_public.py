"""The public interface of the package: names, version, import time."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest

import scgnn

ROOT = Path(scgnn.__file__).parents[1]
CHECKOUT = pytest.mark.skipif(
    not (ROOT / "setup.cfg").exists(), reason="the package is installed without its repository"
)


def test_public_names_are_sorted_and_listed():
    assert scgnn.__all__ == sorted(set(scgnn.__all__))
    assert set(scgnn.__all__) <= set(dir(scgnn))


@pytest.mark.parametrize("name", scgnn.__all__)
def test_public_name_can_be_imported_and_is_documented(name):
    member = getattr(scgnn, name)
    assert inspect.getdoc(member)
    assert member.__name__ == name


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'rum'"):
        scgnn.rum  # noqa: B018
    with pytest.raises(ImportError):
        from scgnn import rum  # noqa: F401


def test_import_loads_no_large_library_and_finds_tl_and_pl():
    code = (
        "import sys, scgnn\n"
        "heavy = {'torch', 'numpy', 'scipy', 'dgl', 'anndata', 'pandas'} & set(sys.modules)\n"
        "assert callable(scgnn.tl.ltmg) and callable(scgnn.pl.ltmg)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@CHECKOUT
def test_version_is_that_of_setup_file_and_changelog():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == "attr: scgnn.__version__"
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == scgnn.__version__


def test_version_is_that_of_the_installed_package():
    assert metadata.version("scgnn") == scgnn.__version__


@CHECKOUT
def test_every_package_folder_is_installed():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    folders = [path.parent.relative_to(ROOT) for path in (ROOT / "scgnn").rglob("__init__.py")]
    assert listed == {".".join(folder.parts) for folder in folders} | {"scgnn.recipes"}


def test_only_the_scores_and_the_runner_read_true_labels():
    """``get_true_labels`` is the only access; the column is removed before the pipeline runs."""
    readers = {
        str(path.relative_to(ROOT / "scgnn"))
        for path in (ROOT / "scgnn").rglob("*.py")
        if "true_labels" in path.read_text(encoding="utf-8")
    }
    assert readers == {"evaluation/clustering.py", "runs/run.py"}


def test_dgl_is_imported_in_one_package_only():
    importers = {
        path.parent.name
        for path in (ROOT / "scgnn").rglob("*.py")
        if re.search(r"^\s*(import|from) dgl\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importers == {"encoders"}
