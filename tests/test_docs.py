"""What the pages say is so: their code runs, their recipes load, their settings exist."""

import importlib.util
import re
from pathlib import Path

import pytest

from scgnn.cli.options import parse_changes
from scgnn.errors import RecipeError
from scgnn.recipe.load import list_bundled_recipes, load_recipe
from scgnn.registry import plugin_files
from scgnn.registry.introspection import to_dict
from scgnn.registry.kinds import kinds, registered_components, restore
from scgnn.study.load import is_study, load_study

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
OWN, MAP = PAGES["write_your_own"], PAGES["from_paper_to_recipe"]
FLAGS = {"scGNN.py": 57, "PreprocessingscGNN.py": 17, "scGNN_v2.py": 72}  # of the programs
SMALL = {"data.reader.n_cells": 60, "data.reader.n_genes": 50, "pipeline.max_iterations": 1}
SMALL |= {
    f"pipeline.{word}_training.epochs": 2
    for word in ("feature", "graph", "iteration", "imputation")
}

_spec = importlib.util.spec_from_file_location("docs_components", DOCS / "components.py")
generator = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generator)


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, re.S)


@pytest.fixture(autouse=True)
def as_it_was():
    before = registered_components()
    yield
    restore(before)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with the two files that the page says to save."""
    monkeypatch.chdir(tmp_path)
    Path("my_gnn.py").write_text(blocks(OWN, "python")[0], encoding="utf-8")
    Path("my_recipe.yaml").write_text(blocks(OWN, "yaml")[0], encoding="utf-8")
    return tmp_path


# --- write your own -----------------------------------------------------------------------------


def test_the_encoder_is_twenty_lines():
    lines = [line for line in blocks(OWN, "python")[0].splitlines() if line.strip()]
    assert len(lines) == 20


@pytest.mark.parametrize("word", ["check", "run", "diff"])
def test_its_commands_work_with_the_file(own, run_cli, to_set_options, word):
    lines = [line.partition("#")[0].split() for line in "".join(blocks(OWN, "bash")).splitlines()]
    (line,) = [line[1:] for line in lines if line[1] == word and "--plugin" in line]
    done = run_cli(*line, *(to_set_options(SMALL) if word == "run" else []))
    assert done.exit_code == 0, done.stderr
    if word == "run":
        assert "name: my_gnn" in (own / "runs/my_recipe/recipe.yaml").read_text()
    else:
        assert "my_gnn (hidden [64, 16]" in done.stdout


def test_it_keeps_the_rules_as_the_page_says(own, run_cli):
    done = run_cli("test", "my_gnn.py")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == blocks(OWN, "text")[0].strip()


def test_the_package_it_shows_is_the_one_that_is_written(own, run_cli):
    shown = blocks(OWN, "bash")[-1]
    assert "scgnn-recipe new encoder my_gnn\n" in shown
    assert run_cli("new", "encoder", "my_gnn").exit_code == 0
    (folder,) = re.findall(r"pip install -e (\S+)", shown)
    table = OWN.partition("works as it stands:")[2].partition("## ")[0]
    for name in re.findall(r"^\| `(\S+)` \|", table, re.M):
        assert (own / folder / name).is_file()
    plugin_files.load_file(own / folder / "scgnn_encoder_my_gnn.py")
    (change,) = re.findall(r"--set (\S+)", shown)
    assert load_recipe("scgnn_quick", parse_changes([change]))


# --- recipes and links --------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_recipe_of_a_page_loads(page, own):
    plugin_files.load_file(own / "my_gnn.py")
    for block in blocks(PAGES[page], "yaml"):
        Path("shown.yaml").write_text(block, encoding="utf-8")
        (load_study if is_study("./shown.yaml") else load_recipe)("./shown.yaml")


def test_every_command_of_a_page_is_one():
    from typer.main import get_command

    from scgnn.cli import app

    known = get_command(app).commands
    for page in PAGES.values():
        assert set(re.findall(r"scgnn-recipe ([a-z]\w*)", page)) <= set(known)


def test_there_is_a_page_for_each_kind_and_every_link_of_every_page_leads_somewhere(tmp_path):
    generator.write_pages(tmp_path / "components")  # loads every example
    made = {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "components").iterdir()}
    assert set(made) == {*(f"{kind}.md" for kind in kinds()), "recipes.md"}
    everything = "\n".join([*PAGES.values(), *made.values()])
    places = set(re.findall(r"^\((\S+)\)=$|\{#(\S+?)\}", everything, re.M))
    places = {one or other for one, other in places}
    for link in re.findall(r"\]\((\S+?)\)", everything):
        if link.startswith("https://"):
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]+/[\w./()-]*", link)
        elif link.startswith("#"):
            assert link[1:] in places
        else:
            assert (DOCS / link).is_file() or link.removeprefix("components/") in made


@pytest.mark.parametrize("kind", kinds())
def test_a_page_says_everything_of_its_components(kind):
    page = generator.render_kind_page(kind)
    for name, cls in registered_components()[kinds()[kind]].items():
        said = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert all(f"| `{p.name}` |" in said for p in generator.list_parameters(cls))
        assert "It can stand at: `" in said
        assert len(blocks(said, "yaml")) == 1


def test_a_wrong_example_ends_the_build(monkeypatch):
    monkeypatch.setitem(generator.EXAMPLES, "encoder.mlp", "pipeline:\n  graph_encoder: mpl")
    with pytest.raises(RecipeError, match="unknown encoder 'mpl'"):
        generator.render_kind_page("encoder")


def test_every_bundled_recipe_has_a_line():
    page = generator.render_recipes_page()
    assert all(f"`{name}` |" in page for name in list_bundled_recipes())


# --- from the paper to the recipe ---------------------------------------------------------------


def tables():
    """Section, cell of the setting and all cells of each row of the map."""
    for title, text in re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", MAP, re.M):
        at = 0
        for line in re.findall(r"^\| *(.*?) *\|$", text, re.M):
            row = re.split(r" *\| *", line)
            headed = [n for n, cell in enumerate(row) if cell.startswith("setting")]
            at = headed[0] if headed else at
            if not headed and set(line) - set("-| "):
                yield title, row[at], row


ROWS = list(tables())


@pytest.mark.parametrize(("title", "cell", "row"), ROWS, ids=[row[0] for _, _, row in ROWS])
def test_every_setting_of_the_map_exists(title, cell, row):
    base = "scgnn2" if "v2" in title else "scgnn"
    assert re.match(r"`|not here, because \S+", cell), row
    for alternative in cell.split(" or "):
        together = [c for c in codes(alternative) if "=" in c]
        load_recipe(base, parse_changes(together))
    known = {name for option in run_options() for name in option.opts}
    for code in codes(" ".join(row[1:])):
        if code.startswith("--"):
            assert code.split()[0] in known
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
        found = [item for item in tree if item["name"] == first]
        return bool(found) and (not rest or exists(found[0], rest))
    return isinstance(tree, dict) and first in tree and (not rest or exists(tree[first], rest))


@pytest.mark.parametrize("program", FLAGS)
def test_the_map_has_every_flag_of_the_programs_once(program):
    rows = [row for title, _, row in ROWS if title == f"Flags of {program}"]
    flags = [code for row in rows for code in codes(row[0])]
    assert len(flags) == len(set(flags)) == FLAGS[program]


def test_the_steps_are_those_of_the_default_recipe():
    steps = [(cell, row) for title, cell, row in ROWS if title.startswith("The method")]
    assert len(steps) > 20
    for cell, row in steps:
        if row[0] != "stop, by graph":  # the other rule
            described = [code for code in codes(cell.split(" or ")[0]) if "=" in code]
            assert load_recipe("scgnn", parse_changes(described)) == load_recipe("scgnn"), row
