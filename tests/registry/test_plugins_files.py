"""Plug-in files: known to every command, without side effects, rejected in one sentence."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch

from plugin_texts import COMPONENT_TEMPLATE, LUMP_PLUGIN
from scgnn.components.clusterers import Clusterer
from scgnn.components.encoders import Encoder
from scgnn.errors import RecipeError, UserError
from scgnn.execution.attribution import attribute_errors
from scgnn.recipe.load import load_recipe
from scgnn.registry import plugin_files
from scgnn.registry.kinds import get_component, registered_components

pytestmark = pytest.mark.usefixtures("restore_registry")


@pytest.mark.parametrize(
    "args",
    [
        ("check", "scgnn", "--set", "pipeline.clusterer=lump"),
        ("show", "clusterer.lump"),
        ("show", "scgnn", "--set", "pipeline.clusterer=lump"),
        ("list", "clusterer"),
    ],
    ids=lambda args: " ".join(args),
)
def test_a_plug_in_file_is_known_to_every_command(run_cli, lump_plugin, args):
    result = run_cli(*args, "--plugin", lump_plugin)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "lump" in result.stdout


def test_a_run_with_a_plug_in_file_and_its_saved_recipe(
    run_cli, lump_plugin, to_set_options, make_small_changes, tmp_path
):
    args = [
        "run",
        "scgnn_quick",
        *to_set_options(make_small_changes("scgnn")),
        "--set",
        "pipeline.clusterer=lump",
    ]
    result = run_cli(*args, "--out", tmp_path / "out", "--plugin", lump_plugin)
    assert result.exit_code == 0
    assert re.search(r"^clusters +1$", result.stdout, re.M)
    noted = json.loads((tmp_path / "out" / "versions.json").read_text())
    assert noted["clusterer.lump"].startswith(f"{lump_plugin.name}, code ")
    saved = tmp_path / "out" / "recipe.yaml"
    plugged = run_cli("diff", "scgnn_quick", saved, "--plugin", lump_plugin)
    assert "pipeline.clusterer: " in plugged.stdout


def test_a_plug_in_that_breaks_in_a_run_is_named(
    run_cli, tmp_path, to_set_options, make_small_changes
):
    broken = COMPONENT_TEMPLATE.format(name="ragged", cls="Ragged").replace("(len(embedding)", "(k")
    (tmp_path / "own.py").write_text(broken)
    args = [
        "run",
        "scgnn_quick",
        *to_set_options(make_small_changes("scgnn")),
        "--set",
        "pipeline.clusterer=ragged",
    ]
    result = run_cli(*args, "--out", tmp_path / "out", "--plugin", tmp_path / "own.py")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "clustering: NameError: name 'k' is not defined (own.py:23), in clusterer.ragged of "
        f"own.py; run 'scgnn-recipe test {tmp_path / 'own.py'}' to debug it"
    )


def test_an_error_is_named_where_the_module_of_the_component_is_gone(lump_plugin, monkeypatch):
    (cls,) = plugin_files.load_file(lump_plugin)
    monkeypatch.delitem(sys.modules, cls.__module__)
    message = (
        f"^clustering: ZeroDivisionError: by 0, in clusterer.lump of {cls.__module__}; "
        "run 'scgnn-recipe test clusterer.lump' to debug it$"
    )
    with pytest.raises(UserError, match=message), attribute_errors("clustering", (cls(),)):
        raise ZeroDivisionError("by 0")


def test_a_full_gpu_is_not_attributed_to_a_component(lump_plugin):
    (cls,) = plugin_files.load_file(lump_plugin)
    error = torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(torch.OutOfMemoryError), attribute_errors("clustering", (cls(),)):
        raise error


def test_two_plug_in_files_of_one_name_do_not_meet(tmp_path, run_cli):
    files = []
    for name in ("lump", "heap"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "mine.py")
        files[-1].write_text(COMPONENT_TEMPLATE.format(name=name, cls="Mine"))
    result = run_cli("list", "clusterer", "--plugin", files[0], "--plugin", files[1])
    assert result.stdout.count("[mine.py]") == 2


def test_a_component_of_a_file_can_be_pickled(lump_plugin):
    import pickle

    (cls,) = plugin_files.load_file(lump_plugin)
    assert pickle.loads(pickle.dumps(cls())) == cls()


def test_a_plug_in_file_leaves_nothing_beside_itself(lump_plugin, read_tree):
    before = read_tree(lump_plugin.parent)
    plugin_files.load_file(lump_plugin)
    assert read_tree(lump_plugin.parent) == before


DECORATOR_LINE = 9 if sys.version_info >= (3, 11) else 11  # before, that of the class


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (\n", ":1: SyntaxError: '(' was never closed"),
        ("\n\nimport nowhere\n", ":3: ModuleNotFoundError: No module named 'nowhere'"),
        ("\nraise SystemExit\n", ":2: SystemExit"),
        ("\nint('x')\n", ":2: ValueError: invalid literal for int() with base 10: 'x'"),
        (
            COMPONENT_TEMPLATE.format(name="leiden", cls="Lump"),
            f":{DECORATOR_LINE}: ValueError: clusterer 'leiden' is already "
            f"{get_component('clusterer.leiden').__module__}.Leiden; choose another name",
        ),
        ("x = 1\n", ': registers no component; decorate a class, e.g. @Encoder.register("mine")'),
    ],
    ids=["syntax", "import", "exit", "error", "taken", "nothing"],
)
def test_a_mistake_in_a_plug_in_file_is_one_sentence(tmp_path, run_cli, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    before = registered_components()
    result = run_cli("list", "--plugin", path)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{path}{message}\n")
    assert registered_components() == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py", "cannot be read (No such file or directory)"),
        ("folder.py", "cannot be read (Is a directory)"),
        ("bytes.py", "not a text file"),
        ("mine.yaml", "not a Python file; plug-in files end in .py"),
    ],
)
def test_a_plug_in_file_that_cannot_be_read_is_one_sentence(tmp_path, name, message):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError) as error:
        plugin_files.load_file(tmp_path / name)
    assert str(error.value) == f"{tmp_path / name}: {message}"


def test_a_class_of_a_notebook_is_a_component():
    @Clusterer.register("here")
    class Here(Clusterer):
        """Of this session."""

    assert get_component("clusterer.here") is Here
    assert "here" not in Encoder.names()


DECORATORS = '@Clusterer.register("lump")\n@dataclass(frozen=True)\n'


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("@dataclass(frozen=True)\n", "", "Lump: not a dataclass; decorate it with @dataclass"),
        ("(frozen=True)", "", "Lump: not hashable; decorate it with @dataclass(frozen=True)"),
        (
            DECORATORS + "class Lump(Clusterer)",
            '@Clusterer.register("lump")\nclass Lump(type(get_component("clusterer.leiden")()))',
            "Lump: not a dataclass; decorate it with @dataclass(frozen=True)",
        ),
    ],
    ids=["none", "not frozen", "inherited"],
)
def test_a_class_whose_fields_cannot_be_set_is_one_sentence(tmp_path, run_cli, old, new, problem):
    path = tmp_path / "mine.py"
    header = "from scgnn.registry import get_component\n"
    path.write_text(header + LUMP_PLUGIN.replace(old, new, 1))
    for command in ("check scgnn --set pipeline.clusterer=lump", "show clusterer.lump", "list"):
        result = run_cli(*command.split(), "--plugin", path)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"{path}: {problem}")


def test_a_dataclass_can_be_the_outer_decorator(tmp_path):
    path = tmp_path / "mine.py"
    reversed_decorators = "".join(f"{line}\n" for line in DECORATORS.split("\n")[1::-1])
    path.write_text(LUMP_PLUGIN.replace(DECORATORS, reversed_decorators))
    plugin_files.load_file(path)
    assert load_recipe("scgnn", {"pipeline.clusterer": {"name": "lump", "k": 3}})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("k: int = 1", "k: 'Unknown' = 1", "NameError: name 'Unknown' is not defined"),
        ("k: int = 1", "k: np.random.Generator = None", "PydanticSchemaGenerationError"),
        ("k: int = 1", "k: int", "TypeError: Lump.__init__() missing 1 required"),
        (
            "    def fit",
            "    def __post_init__(self):\n        1 / 0\n\n    def fit",
            "ZeroDivision",
        ),
    ],
    ids=["annotation", "type", "default", "error"],
)
def test_a_class_that_cannot_be_built_is_one_sentence(tmp_path, old, new, problem):
    path = tmp_path / "mine.py"
    path.write_text(LUMP_PLUGIN.replace(old, new, 1))
    plugin_files.load_file(path)
    settings = {"name": "lump", "k": 2} if "Generator" in new else "lump"
    with pytest.raises(RecipeError) as error:
        load_recipe("scgnn", {"pipeline.clusterer": settings})
    (line,) = error.value.problems
    assert "clusterer 'lump' of mine.py cannot be used" in line and problem in line


@pytest.mark.parametrize("name", ["mine.py", "./mine.py", "../here/mine.py"])
def test_errors_in_a_plug_in_file_with_a_relative_path_have_their_line(tmp_path, monkeypatch, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    text = LUMP_PLUGIN.replace("return np.zeros", "1 / 0\n        return np.zeros")
    Path("mine.py").write_text(text)
    (cls,) = plugin_files.load_file(Path(name))
    line = 1 + text.splitlines().index("        1 / 0")
    with (
        pytest.raises(UserError, match=rf"ZeroDivisionError: .* \(mine\.py:{line}\)"),
        attribute_errors("clustering", (cls(),)),
    ):
        cls().fit_predict(None, None, 0)
