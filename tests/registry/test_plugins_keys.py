"""Keys of stages cover the code of plug-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin_texts import LUMP_PLUGIN
from scgnn.execution.stages import Stages
from scgnn.registry import plugin_files
from scgnn.registry.kinds import registered_components, restore

pytestmark = pytest.mark.usefixtures("restore_registry")


def test_the_key_of_a_stage_covers_the_code_of_a_plug_in_file(lump_plugin):
    (cls,) = plugin_files.load_file(lump_plugin)
    before = Stages().compute_key(cls())
    assert Stages().compute_key(cls()) == before
    lump_plugin.write_text(LUMP_PLUGIN.replace("np.zeros", "np.ones"))
    (cls,) = plugin_files.load_file(lump_plugin)
    assert Stages().compute_key(cls()) != before


def test_the_key_of_a_stage_covers_the_whole_package_of_a_plug_in(tmp_path, monkeypatch):
    keys = []
    for number in (1, 2):
        package = tmp_path / str(number) / f"plugged_pack{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "lump.py").write_text(LUMP_PLUGIN)
        (package / "numbers.py").write_text(f"STEP = {number}")
        monkeypatch.syspath_prepend(package.parent)
        before = registered_components()
        module = __import__(f"plugged_pack{number}.lump").lump
        keys.append(Stages().compute_key(module.Lump()))
        restore(before)
    assert keys[0] != keys[1]


def test_the_key_of_a_stage_covers_what_a_plug_in_inherits(tmp_path):
    keys = []
    for number in (1, 2):
        path = Path(tmp_path / f"mine{number}.py")
        path.write_text(LUMP_PLUGIN + f"\nSTEP = {number}\n")
        before = registered_components()
        (base,) = plugin_files.load_file(path)
        keys.append(Stages().compute_key(type("Other", (base,), {"__module__": "__main__"})()))
        restore(before)
    assert keys[0] != keys[1]
