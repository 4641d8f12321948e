"""What a stage is known by covers the code of plug-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin_texts import LUMP
from scgnn.execution.stages import Stages
from scgnn.registry import plugin_files
from scgnn.registry.kinds import put_back, registered

pytestmark = pytest.mark.usefixtures("as_before")


def test_the_key_of_a_stage_covers_the_code_of_a_plug_in_file(lump):
    (cls,) = plugin_files.load_file(lump)
    before = Stages().key(cls())
    assert Stages().key(cls()) == before
    lump.write_text(LUMP.replace("np.zeros", "np.ones"))
    (cls,) = plugin_files.load_file(lump)
    assert Stages().key(cls()) != before


def test_the_key_of_a_stage_covers_the_whole_package_of_a_plug_in(tmp_path, monkeypatch):
    keys = []
    for number in (1, 2):
        package = tmp_path / str(number) / f"plugged_pack{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "lump.py").write_text(LUMP)
        (package / "numbers.py").write_text(f"STEP = {number}")
        monkeypatch.syspath_prepend(package.parent)
        before = registered()
        module = __import__(f"plugged_pack{number}.lump").lump
        keys.append(Stages().key(module.Lump()))
        put_back(before)
    assert keys[0] != keys[1]


def test_the_key_of_a_stage_covers_what_a_plug_in_inherits(tmp_path):
    keys = []
    for number in (1, 2):
        path = Path(tmp_path / f"mine{number}.py")
        path.write_text(LUMP + f"\nSTEP = {number}\n")
        before = registered()
        (base,) = plugin_files.load_file(path)
        keys.append(Stages().key(type("Other", (base,), {"__module__": "__main__"})()))
        put_back(before)
    assert keys[0] != keys[1]
