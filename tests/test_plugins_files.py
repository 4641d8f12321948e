"""Plug-in files: known to every command, leaving nothing behind, refused in one sentence."""

from __future__ import annotations

import json

import pytest

from plugin_texts import COMPONENT
from scgnn.components.clusterers import Clusterer
from scgnn.components.encoders import Encoder
from scgnn.errors import UserError
from scgnn.registry import plugin_files
from scgnn.registry.kinds import find, registered

pytestmark = pytest.mark.usefixtures("as_before")


@pytest.mark.parametrize(
    "words",
    [
        ("check", "scgnn", "--set", "pipeline.clusterer=lump"),
        ("show", "clusterer.lump"),
        ("show", "scgnn", "--set", "pipeline.clusterer=lump"),
        ("list", "clusterer"),
    ],
    ids=lambda words: " ".join(words),
)
def test_a_plug_in_file_is_known_to_every_command(command, lump, words):
    done = command(*words, "--plugin", lump)
    assert (done.code, done.err) == (0, "")
    assert "lump" in done.out


def test_a_run_with_a_plug_in_file_and_its_saved_recipe(command, lump, sets, small, tmp_path):
    words = ["run", "scgnn_quick", *sets(small("scgnn")), "--set", "pipeline.clusterer=lump"]
    done = command(*words, "--out", tmp_path / "out", "--plugin", lump)
    assert done.code == 0
    assert "clusters: 1\n" in done.out
    noted = json.loads((tmp_path / "out" / "versions.json").read_text())
    assert noted["clusterer.lump"].startswith(f"{lump.name}, code ")
    saved = tmp_path / "out" / "recipe.yaml"
    plugged = command("diff", "scgnn_quick", saved, "--plugin", lump)
    assert "pipeline.clusterer: " in plugged.out


def test_a_plug_in_that_breaks_in_a_run_is_named(command, tmp_path, sets, small):
    broken = COMPONENT.format(name="ragged", cls="Ragged").replace("(len(embedding)", "(k")
    (tmp_path / "own.py").write_text(broken)
    words = ["run", "scgnn_quick", *sets(small("scgnn")), "--set", "pipeline.clusterer=ragged"]
    done = command(*words, "--out", tmp_path / "out", "--plugin", tmp_path / "own.py")
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "clustering: NameError: name 'k' is not defined (own.py:23), with clusterer.ragged of "
        f"own.py; scgnn-recipe test {tmp_path / 'own.py'} tries it alone"
    )


def test_two_plug_in_files_of_one_name_do_not_meet(tmp_path, command):
    files = []
    for name in ("lump", "heap"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "mine.py")
        files[-1].write_text(COMPONENT.format(name=name, cls="Mine"))
    done = command("list", "clusterer", "--plugin", files[0], "--plugin", files[1])
    assert done.out.count("[mine.py]") == 2


def test_a_component_of_a_file_can_be_pickled(lump):
    import pickle

    (cls,) = plugin_files.load_file(lump)
    assert pickle.loads(pickle.dumps(cls())) == cls()


def test_a_plug_in_file_leaves_nothing_beside_itself(lump, tree):
    before = tree(lump.parent)
    plugin_files.load_file(lump)
    assert tree(lump.parent) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", ":1: SyntaxError: '(' was never closed"),
        ("\n\nimport nowhere\n", ":3: ModuleNotFoundError: No module named 'nowhere'"),
        ("\nraise SystemExit\n", ":2: SystemExit"),
        ("\nint('x')\n", ":2: ValueError: invalid literal for int() with base 10: 'x'"),
        (
            COMPONENT.format(name="leiden", cls="Lump"),
            ":9: ValueError: clusterer 'leiden' is already "
            f"{find('clusterer.leiden').__module__}.Leiden; choose another name",
        ),
        ("x = 1\n", ': registers no component; decorate a class, e.g. @Encoder.register("mine")'),
    ],
    ids=["syntax", "import", "exit", "error", "taken", "nothing"],
)
def test_a_mistake_in_a_plug_in_file_is_one_sentence(tmp_path, command, text, said):
    path = tmp_path / "mine.py"
    path.write_text(text)
    before = registered()
    done = command("list", "--plugin", path)
    assert (done.code, done.out, done.err) == (2, "", f"{path}{said}\n")
    assert registered() == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.py", "cannot be read (No such file or directory)"),
        ("folder.py", "cannot be read (Is a directory)"),
        ("bytes.py", "not a text file, so not Python"),
        ("mine.yaml", "not a Python file; a plug-in file ends in .py"),
    ],
)
def test_a_plug_in_file_that_cannot_be_read_is_one_sentence(tmp_path, name, said):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError) as refused:
        plugin_files.load_file(tmp_path / name)
    assert str(refused.value) == f"{tmp_path / name}: {said}"


def test_a_class_of_a_notebook_is_a_component():
    @Clusterer.register("here")
    class Here(Clusterer):
        """Of this session."""

    assert find("clusterer.here") is Here
    assert "here" not in Encoder.names()
