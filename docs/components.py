"""Writes docs/components: a page for each kind of component, and one for recipes.

All that is on them comes from docstrings and bundled recipes. Every example is loaded as it is
written, so that a wrong one ends the build.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from scgnn.cli.scaffold import SETTINGS
from scgnn.recipe import Data
from scgnn.recipe.describe import Parameter, body, flow, parameters, recipe_line, slots
from scgnn.recipe.load import bundled, load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.registry.component import Component
from scgnn.registry.introspection import parts
from scgnn.registry.kinds import kinds, registered
from scgnn.training.budget import Training

EXAMPLES = {  # where the line that does for the other components of a kind would not
    "encoder.mlp": "pipeline:\n  feature_encoder: {name: mlp, hidden: [256, 32]}",
    "decoder.inner_product": "pipeline:\n  graph_decoder: {name: inner_product, block: 512}",
    "decoder.inner_product_sampled": "pipeline:\n  graph_decoder: inner_product_sampled",
    "graph_builder.batch_balanced": "data:\n  batch: group\npipeline:\n"
    "  graph_builder: batch_balanced",
    "pipeline.single_pass": "pipeline:\n  name: single_pass\n  feature_encoder: pca",
    "regularizer.ltmg": "pipeline:\n  feature_regularizers: [{name: ltmg, weight: 0.5}]",
    "regularizer.ltmg01": "pipeline:\n  feature_regularizers: [{name: ltmg01, weight: 0.9}]",
    "regularizer.kl": "pipeline:\n  feature_encoder: vae\n  feature_regularizers: [ltmg, kl]",
    "regularizer.degree": "pipeline:\n  imputation_regularizers: [{name: degree, weight: 0.3}]",
    "regularizer.cluster_size": "pipeline:\n"
    "  imputation_regularizers: [{name: cluster_size, weight: 0.1}]",
    "reader.csv": "data:\n  reader: {name: csv, path: counts.csv.gz}",
    "reader.h5ad": "data:\n  reader: {name: h5ad, path: counts.h5ad}",
    "reader.loom": "data:\n  reader: {name: loom, path: counts.loom}",
    "reader.tenx_h5": "data:\n  reader: {name: tenx_h5, path: filtered_feature_bc_matrix.h5}",
    "reader.tenx_mtx": "data:\n  reader: {name: tenx_mtx, path: filtered_feature_bc_matrix}",
    "reader.zarr": "data:\n  reader: {name: zarr, path: counts.zarr}",
    "transform.filter": "data:\n  transforms: [{name: filter, min_cell_share: 0.05}, log1p]",
    "transform.log1p": "data:\n  transforms: [normalize_total, log1p]",
    "transform.normalize_total": "data:\n  transforms: [normalize_total, log1p]",
    "transform.scale": "data:\n  transforms: [top_genes, log1p, scale]\npipeline:\n"
    "  feature_decoder: {name: mlp, output_activation: none}",
    "transform.top_genes": "data:\n  transforms: [{name: top_genes, n: 500}, log1p]",
}
BASES = {"decoder.nb": "scgnn_zinb"}


def write_pages(folder: Path) -> None:
    """Write all pages into an empty folder of that name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for kind in kinds():
        (folder / f"{kind}.md").write_text(kind_page(kind), encoding="utf-8")
    (folder / "recipes.md").write_text(recipes_page(), encoding="utf-8")


def kind_page(kind: str) -> str:
    """The page of a kind."""
    cls = kinds()[kind]
    members = dict(sorted(registered()[cls].items()))
    rows = [[f"[`{name}`](#{anchor(m)})", text(summary_of(m))] for name, m in members.items()]
    return "\n".join(
        [
            f"# {kind.replace('_', ' ').capitalize()}s\n",
            f"{text(body(cls))}\n",
            table(["name", "what it is"], rows),
            *(section(member) for member in members.values()),
            contract(cls),
        ]
    )


def section(cls: type[Component]) -> str:
    """What a kind's page says of one component."""
    lines = [f"({anchor(cls)})=\n## {cls.name}\n", f"{text(body(cls))}\n"]
    if rows := parameter_rows(cls):
        lines.append(table(["parameter", "type", "default", "meaning"], rows))
    else:
        lines.append("It has no parameters.\n")
    needs = ", ".join(f"`{need}`" for need in sorted(cls.requires)) or "nothing besides its input"
    places = ", ".join(f"`{slot}`" for slot in slots(cls))
    lines.append(f"- It needs: {needs}.\n- It can stand at: {places}.")
    if users := recipes_that_name(cls):
        links = ", ".join(f"[`{name}`](#recipe-{dashed(name)})" for name in users)
        lines.append(f"- Bundled recipes that name it: {links}.")
    return "\n".join([*lines, "", f"```yaml\n{example(cls)}\n```\n"])


def example(cls: type[Component]) -> str:
    """A recipe with a component, loaded: a bundled one, else a base and the line of its slot."""
    for name in (f"scgnn_{cls.name}", cls.name):
        if name in bundled() and uses(name, cls):
            return bundled()[name].read_text(encoding="utf-8").strip()
    word = f"{cls.kind}.{cls.name}"
    lines = EXAMPLES.get(word, SETTINGS[cls.kind]).replace("$name", cls.name)
    written = f"base: {BASES.get(word, 'scgnn')}\n{lines}"
    if cls not in map(type, parts(loaded(written))):
        raise ValueError(f"the example of {word} does not use it")
    return written


def loaded(written: str) -> Recipe:
    """The recipe that a text is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.yaml"
        path.write_text(written, encoding="utf-8")
        return load_recipe(path)


@cache
def uses(recipe: str, cls: type[Component]) -> bool:
    """Whether a bundled recipe has a component."""
    return cls in map(type, parts(load_recipe(recipe)))


def recipes_that_name(cls: type[Component]) -> list[str]:
    """The bundled recipes with a component whose own lines name it."""
    named = re.compile(rf"^(?!base:)[^#]*[:\[,-] *(name: *)?{cls.name}\b", re.M)
    files = bundled().items()
    return [n for n, file in files if named.search(file.read_text()) and uses(n, cls)]


def contract(cls: type[Component]) -> str:
    """What a class of this kind is asked for."""
    lines = [f"({dashed(cls.kind)}-contract)=\n## The contract\n"]
    lines.append(f"What `{cls.__module__}.{cls.__name__}` says:\n")
    for name, method in vars(cls).items():
        if inspect.isfunction(method) and (name == "__call__" or name[0] != "_"):
            signature = str(inspect.signature(method)).replace("'", "")
            said = text(inspect.cleandoc(method.__doc__ or ""))
            lines.append(f"```python\ndef {name}{signature}\n```\n\n{said}\n")
    return "\n".join(lines)


def recipes_page() -> str:
    """The bundled recipes, and the keys that a recipe has besides components."""
    rows = []
    for name, file in bundled().items():
        base = re.search(r"^base: *(\S+)", file.read_text(encoding="utf-8"), re.M)
        over = f"`{base[1]}`" if base else ""
        rows.append([f"[]{{#recipe-{dashed(name)}}}`{name}`", recipe_line(file), over])
    lines = ["# Recipes\n", "These come with the package: `scgnn-recipe run NAME`.\n"]
    lines.append(table(["recipe", "what it is", "base"], rows))
    lines.append("## Keys\n\nA recipe has three keys, and may have a `base:` that it changes.\n")
    for title, cls in (("", Recipe), ("data", Data), ("training", Training)):
        said = summary_of(cls)
        lines.append(f"(keys-{title})=\n### {title}\n\n{said}\n" if title else "")
        lines.append(table(["key", "type", "default", "meaning"], parameter_rows(cls)))
    return "\n".join(lines)


def parameter_rows(cls: type) -> list[list[str]]:
    """Name, type, default and meaning of each parameter."""
    return [
        [f"`{p.name}`", linked(p), f"`{flow(short(p.default))}`", text(p.meaning)]
        for p in parameters(cls)
    ]


def linked(parameter: Parameter) -> str:
    """The type of a parameter, with links to what can stand there."""
    if isinstance(parameter.default, Training):
        return "a [training](#keys-training)"
    return re.sub(
        rf"\b(an?) ({'|'.join(kinds())})\b",
        lambda m: f"{m[1]} [{m[2].replace('_', ' ')}]({m[2]}.md)",
        parameter.wanted,
    )


def short(value: Any) -> Any:
    """A default without the settings that are themselves defaults."""
    if isinstance(value, tuple):
        return [short(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    fresh = type(value)()
    pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if f.init)
    changed = {name: short(set_) for name, set_ in pairs if set_ != getattr(fresh, name)}
    if not isinstance(value, Component):
        return changed
    return {"name": value.name, **changed} if changed else value.name


def summary_of(cls: type) -> str:
    """The first line of a docstring, its markup kept."""
    return (cls.__doc__ or "").strip().split("\n")[0]


def text(docstring: str) -> str:
    """A docstring, or a part of one, as Markdown."""
    plain = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring)
    plain = re.sub(r"^([A-Z]\w+)\n-+\n", r"**\1**\n\n", plain, flags=re.M)
    entry = r"^(\w+)\n((?: +\S.*(?:\n|\Z))+)"
    return re.sub(entry, lambda m: f"- `{m[1]}`: {' '.join(m[2].split())}\n", plain, flags=re.M)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)
        + "\n"
    )


def anchor(cls: type[Component]) -> str:
    """The name of a component's place among all pages."""
    return f"{dashed(cls.kind)}-{dashed(cls.name)}"


def dashed(word: str) -> str:
    """A name as it stands in an address."""
    return word.replace("_", "-")
