"""Files that are not recipes: one line, exit code 2, no output folder."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("work_dir")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "my.yaml: empty; a recipe needs at least 'base: scgnn'"),
        ("# nothing\n", "my.yaml: empty; a recipe needs at least 'base: scgnn'"),
        ("- base: scgnn", "my.yaml:1: a list, but a recipe is a mapping such as 'base: scgnn'"),
        ("scgnn", "my.yaml:1: a single value, but a recipe is a mapping such as 'base: scgnn'"),
        ("seed: 1\nseed: 2", "my.yaml:2: duplicate key 'seed' (first on line 1)"),
        ("data:\n\tseed: 1", "my.yaml:2: indented by a tab; use spaces"),
        ("data: [1", "my.yaml:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c", "my.yaml:1: not YAML: mapping values are not allowed here"),
        ("a: *b", "my.yaml:1: not YAML: found undefined alias 'b'"),
        ("? [a]\n: 1", "my.yaml:1: keys must be plain text"),
        (
            "seed: 1\n---\nseed: 2",
            "my.yaml:2: not YAML: expected a single document in the stream but ",
        ),
        ('data: {reader: "C:\\Users"}', "my.yaml:1: not YAML: expected escape sequence of 8 "),
        ("data: &a\n  b: *a", "my.yaml:1: more than 20,000 values or 40 levels, aliases expanded"),
        ("seed: " + "[" * 50, "my.yaml:1: not YAML: "),
        (
            "seed: " + "[" * 50 + "]" * 50,
            "my.yaml:1: more than 20,000 values or 40 levels, aliases",
        ),
        ("seed: " + "[" * 9000 + "]" * 9000, "my.yaml: nested too deeply"),
        ("seed: !!python/object/apply:os.getcwd []", "my.yaml:1: tag:yaml.org,2002:python/object"),
        ("pipeline: !!python/object:os.system {name: scgnn}", "my.yaml:1: tag:yaml.org,2002:pyt"),
        ("seed: !!python/name:os.system", "my.yaml:1: tag:yaml.org,2002:python/name:os.system"),
        ("seed: !mine 3", "my.yaml:1: !mine '3': a recipe is plain data, without objects or code"),
        ("seed: !!int abc", "my.yaml:1: tag:yaml.org,2002:int 'abc': a recipe is plain data"),
        ("seed: \x07", "my.yaml: not YAML (unacceptable character #x0007"),
        (
            "a: &a {seed: 1}\n<<: *a",
            "my.yaml:2: '<<' is not supported; use 'base: RECIPE' to start from another recipe, or "
            "repeat the settings",
        ),
        ("data: {<<: {seed: 1}, layer: X}", "my.yaml:1: '<<' is not supported; use 'base: RECIPE'"),
        ("pipeline:\n  - <<: [a, b]", "my.yaml:2: '<<' is not supported; use 'base: RECIPE'"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_in_one_line(run_rejected, text, line):
    Path("my.yaml").write_text(text)
    (message,) = run_rejected("run", "my.yaml", "--out", "out")
    assert message.startswith(line)


def test_backslashes_in_double_quotes_get_advice(run_rejected):
    for text in ('data: {reader: "C:\\Users"}', 'data: {reader: "D:\\data"}'):
        Path("my.yaml").write_text(text)
        (message,) = run_rejected("check", "my.yaml")
        assert message.endswith("; write a path with backslashes in single quotes")


def alias_bomb() -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 11)]
    return "\n".join(rows)


def test_an_alias_bomb_is_refused_with_little_memory(run_rejected):
    Path("my.yaml").write_text(alias_bomb())
    tracemalloc.start()
    (line,) = run_rejected("run", "my.yaml", "--out", "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.endswith("more than 20,000 values or 40 levels, aliases expanded")
    assert peak < 30e6


NO_TEXT = {
    "a folder": (lambda: Path("my.yaml").mkdir(), "is a directory; give a .yaml file"),
    "missing": (lambda: None, "no such recipe file"),
    "binary": (
        lambda: Path("my.yaml").write_bytes(b"\x89HDF\xff"),
        "not a text file",
    ),
    "utf-16": (
        lambda: Path("my.yaml").write_text("seed: 1", "utf-16"),
        "the text is encoded as UTF-16; save it as UTF-8",
    ),
    "utf-16 without a mark": (
        lambda: Path("my.yaml").write_text("base: scgnn\nseed: 1\n", "utf-16-be"),
        "the text is encoded as UTF-16; save it as UTF-8",
    ),
    "utf-32": (
        lambda: Path("my.yaml").write_text("seed: 1", "utf-32"),
        "the text is encoded as UTF-32; save it as UTF-8",
    ),
}


@pytest.mark.parametrize("case", NO_TEXT)
def test_what_is_no_text_file_is_refused_in_one_line(run_rejected, case):
    make, line = NO_TEXT[case]
    make()
    (message,) = run_rejected("run", "my.yaml", "--out", "out")
    assert message.startswith(f"my.yaml: {line}")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "mac-roman"])
def test_text_in_another_encoding_is_refused_with_its_line(run_rejected, encoding):
    Path("my.yaml").write_text("base: scgnn\ndata:\n  labels_key: zelltyp_für_alle\n", encoding)
    (message,) = run_rejected("run", "my.yaml", "--out", "out")
    problem = "the text is not encoded as UTF-8 but probably as Latin-1; save it as UTF-8"
    assert message == f"my.yaml:3: {problem}"


@pytest.mark.parametrize(
    "case", ["unknown name", pytest.param("alias bomb", marks=pytest.mark.slow)]
)
def test_the_installed_command_refuses_a_wrong_recipe_in_one_line(work_dir, read_tree, case):
    text = alias_bomb() if case == "alias bomb" else "base: scgnn\npipeline: {clusterer: lieden}\n"
    Path("my.yaml").write_text(text)
    script = Path(sys.executable).with_name("scgnn-recipe")
    done = subprocess.run([script, "run", "my.yaml"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("my.yaml:")
    assert list(read_tree(work_dir)) == ["my.yaml"]
