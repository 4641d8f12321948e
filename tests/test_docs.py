"""The documentation: its code runs, its recipes load, its settings exist."""

import importlib.util
import re
from pathlib import Path

import pytest

from budgets import SINGLE_ITERATION, SMALL_DATA
from paths import ROOT
from scgnn.cli.options import parse_changes
from scgnn.errors import RecipeError
from scgnn.recipe.load import list_bundled_recipes, load_recipe
from scgnn.registry import plugin_files
from scgnn.registry.introspection import to_dict
from scgnn.registry.kinds import kinds, registered_components, restore
from scgnn.study.load import is_study, load_study

DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
GUIDE, MAP = PAGES["write_your_own"], PAGES["from_paper_to_recipe"]
FLAGS = {"scGNN.py": 57, "PreprocessingscGNN.py": 17, "scGNN_v2.py": 72}  # of the programs

_spec = importlib.util.spec_from_file_location("docs_components", DOCS / "components.py")
generator = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generator)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, re.S)


@pytest.fixture(autouse=True)
def restore_registry():
    before = registered_components()
    yield
    restore(before)


@pytest.fixture
def guide_folder(tmp_path, monkeypatch):
    """Change to a folder with the two files that the guide saves."""
    monkeypatch.chdir(tmp_path)
    Path("my_gnn.py").write_text(blocks(GUIDE, "python")[0], encoding="utf-8")
    Path("my_recipe.yaml").write_text(blocks(GUIDE, "yaml")[0], encoding="utf-8")
    return tmp_path


# --- write your own -----------------------------------------------------------------------------


def test_example_encoder_has_sixteen_lines():
    lines = [line for line in blocks(GUIDE, "python")[0].splitlines() if line.strip()]
    assert len(lines) == 16


@pytest.mark.parametrize("command", ["check", "run", "diff"])
def test_commands_of_the_guide_work(guide_folder, run_cli, to_set_options, command):
    lines = [line.partition("#")[0].split() for line in "".join(blocks(GUIDE, "bash")).splitlines()]
    (args,) = [line[1:] for line in lines if line[1] == command and "--plugin" in line]
    small = to_set_options(SMALL_DATA | SINGLE_ITERATION) if command == "run" else []
    result = run_cli(*args, *small)
    assert result.exit_code == 0, result.stderr
    if command == "run":
        assert "name: my_gnn" in (guide_folder / "runs/my_recipe/recipe.yaml").read_text()
    else:
        assert "my_gnn (hidden [64, 16]" in result.stdout


def test_example_encoder_passes_the_conformance_checks(guide_folder, run_cli):
    result = run_cli("test", "my_gnn.py")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == blocks(GUIDE, "text")[0].strip()


def test_package_of_the_guide_is_the_one_that_is_written(guide_folder, run_cli):
    commands = blocks(GUIDE, "bash")[-1]
    assert "scgnn-recipe new encoder my_gnn\n" in commands
    assert run_cli("new", "encoder", "my_gnn").exit_code == 0
    (folder,) = re.findall(r"pip install -e (\S+)", commands)
    table = GUIDE.partition("| file | contents |")[2].partition("## ")[0]
    for name in re.findall(r"^\| `(\S+)` \|", table, re.M):
        assert (guide_folder / folder / name).is_file()
    plugin_files.load_file(guide_folder / folder / "scgnn_encoder_my_gnn.py")
    (change,) = re.findall(r"--set (\S+)", commands)
    assert load_recipe("scgnn_quick", parse_changes([change]))


# --- recipes and links --------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_recipe_of_a_page_loads(page, guide_folder):
    plugin_files.load_file(guide_folder / "my_gnn.py")
    for block in blocks(PAGES[page], "yaml"):
        Path("example.yaml").write_text(block, encoding="utf-8")
        (load_study if is_study("./example.yaml") else load_recipe)("./example.yaml")


def test_every_command_of_a_page_exists():
    from typer.main import get_command

    from scgnn.cli import app

    commands = set(get_command(app).commands)
    for page in PAGES.values():
        assert set(re.findall(r"scgnn-recipe ([a-z]\w*)", page)) <= commands


def test_every_kind_has_a_page_and_every_link_a_target(tmp_path):
    generator.write_pages(tmp_path / "components")  # loads every example
    generated = {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "components").iterdir()}
    assert set(generated) == {*(f"{kind}.md" for kind in kinds()), "recipes.md"}
    text = "\n".join([*PAGES.values(), *generated.values()])
    targets = {a or b for a, b in re.findall(r"^\((\S+)\)=$|\{#(\S+?)\}", text, re.M)}
    for link in re.findall(r"\]\((\S+?)\)", text):
        if link.startswith("https://"):
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]+/[\w./()-]*", link)
        elif link.startswith("#"):
            assert link[1:] in targets
        else:
            assert (DOCS / link).is_file() or link.removeprefix("components/") in generated


@pytest.mark.parametrize("kind", kinds())
def test_page_of_a_kind_describes_its_components(kind):
    page = generator.render_kind_page(kind)
    for name, cls in registered_components()[kinds()[kind]].items():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert all(f"| `{p.name}` |" in section for p in generator.list_parameters(cls))
        assert "- Slots: `" in section
        assert len(blocks(section, "yaml")) == 1


def test_invalid_example_fails_the_build(monkeypatch):
    monkeypatch.setitem(generator.EXAMPLES, "encoder.mlp", "pipeline:\n  graph_encoder: mpl")
    with pytest.raises(RecipeError, match="unknown encoder 'mpl'"):
        generator.render_kind_page("encoder")


def test_every_bundled_recipe_is_listed():
    page = generator.render_recipes_page()
    assert all(f"`{name}` |" in page for name in list_bundled_recipes())


def test_api_reference_has_every_public_name():
    import scgnn
    from scgnn import pl

    documented = set(re.findall(r"^\.\. \w+:: scgnn\.(\S+)$", PAGES["api"], re.M))
    assert {*scgnn.__all__, *(f"pl.{name}" for name in pl.__all__)} <= documented


# --- from the paper to the recipe ---------------------------------------------------------------


def iter_rows():
    """Yield section, cell of the setting and all cells of each row of the map."""
    for title, text in re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", MAP, re.M):
        column = 0
        for line in re.findall(r"^\| *(.*?) *\|$", text, re.M):
            row = re.split(r" *\| *", line)
            header = [i for i, cell in enumerate(row) if cell.startswith("setting")]
            column = header[0] if header else column
            if not header and set(line) - set("-| "):
                yield title, row[column], row


ROWS = list(iter_rows())


@pytest.mark.parametrize(("title", "cell", "row"), ROWS, ids=[row[0] for _, _, row in ROWS])
def test_setting_of_the_map_exists(title, cell, row):
    base = "scgnn2" if "v2" in title else "scgnn"
    assert re.match(r"`|not available: \S+", cell), row
    for alternative in cell.split(" or "):
        load_recipe(base, parse_changes([c for c in codes(alternative) if "=" in c]))
    options = {name for option in run_options() for name in option.opts}
    for code in codes(" ".join(row[1:])):
        if code.startswith("--"):
            assert code.split()[0] in options
        elif re.match(r"(data|pipeline)\b|seed", code):
            path = code.partition("=")[0]
            assert exists(to_dict(load_recipe(base)), path), path
        else:
            assert code in ("top_genes", "filter", "history.csv", "result.h5ad")


def codes(text):
    return re.findall(r"`([^`]+)`", text)


def run_options():
    from typer.main import get_command

    from scgnn.cli import app

    return get_command(app).commands["run"].params


def exists(tree, path):
    first, _, rest = path.partition(".")
    if isinstance(tree, list):
        items = [item for item in tree if item["name"] == first]
        return bool(items) and (not rest or exists(items[0], rest))
    return isinstance(tree, dict) and first in tree and (not rest or exists(tree[first], rest))


@pytest.mark.parametrize("program", FLAGS)
def test_map_has_every_flag_of_the_programs_once(program):
    rows = [row for title, _, row in ROWS if title == f"Flags of {program}"]
    flags = [code for row in rows for code in codes(row[0])]
    assert len(flags) == len(set(flags)) == FLAGS[program]


def test_steps_of_the_map_are_those_of_the_default_recipe():
    steps = [(cell, row) for title, cell, row in ROWS if title.startswith("The method")]
    assert len(steps) > 20
    for cell, row in steps:
        if row[0] != "stop, by graph":  # the other rule
            described = [code for code in codes(cell.split(" or ")[0]) if "=" in code]
            assert load_recipe("scgnn", parse_changes(described)) == load_recipe("scgnn"), row
