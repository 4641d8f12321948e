"""Generate ``docs/components``: a page for each kind of component, and one for recipes.

The pages are made from docstrings and bundled recipes. Each example is loaded when it is written,
so an invalid one fails the build.
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

from scgnn.cli.scaffold import RECIPE_SNIPPETS
from scgnn.recipe import Data
from scgnn.recipe.describe import (
    ParameterDoc,
    extract_description,
    find_slots,
    list_parameters,
    summarize_recipe_file,
    to_flow_yaml,
)
from scgnn.recipe.load import list_bundled_recipes, load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.registry.annotations import describe_type
from scgnn.registry.component import Component
from scgnn.registry.introspection import iter_components
from scgnn.registry.kinds import kinds, registered_components
from scgnn.training.settings import Training

EXAMPLES = {  # for components that the generic snippet of their kind does not suit
    "encoder.mlp": "pipeline:\n  feature_encoder: {name: mlp, hidden: [256, 32]}",
    "decoder.inner_product": "pipeline:\n  graph_decoder: {name: inner_product, block_size: 512}",
    "decoder.inner_product_sampled": "pipeline:\n  graph_decoder: inner_product_sampled",
    "graph_builder.bbknn": "data:\n  batch_key: group\npipeline:\n  graph_builder: bbknn",
    "pipeline.single_pass": "pipeline:\n  name: single_pass\n  feature_encoder: pca",
    "regularizer.ltmg": "pipeline:\n  feature_regularizers: [{name: ltmg, weight: 0.5}]",
    "regularizer.ltmg_binary": "pipeline:\n"
    "  feature_regularizers: [{name: ltmg_binary, weight: 0.9}]",
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
    "transform.filter": "data:\n  transforms: [{name: filter, min_cell_fraction: 0.05}, log1p]",
    "transform.log1p": "data:\n  transforms: [normalize_total, log1p]",
    "transform.normalize_total": "data:\n  transforms: [normalize_total, log1p]",
    "transform.scale": "data:\n  transforms: [top_genes, log1p, scale]\npipeline:\n"
    "  feature_decoder: {name: mlp, output_activation: null}",
    "transform.top_genes": "data:\n  transforms: [{name: top_genes, n_top_genes: 500}, log1p]",
}
EXAMPLE_BASES = {"decoder.nb": "scgnn_zinb"}


def write_pages(folder: Path) -> None:
    """Replace the folder by one with all pages."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for kind in kinds():
        (folder / f"{kind}.md").write_text(render_kind_page(kind), encoding="utf-8")
    (folder / "recipes.md").write_text(render_recipes_page(), encoding="utf-8")


def render_kind_page(kind: str) -> str:
    """Return the page of a kind."""
    cls = kinds()[kind]
    members = dict(sorted(registered_components()[cls].items()))
    rows = [
        [f"[`{name}`](#{make_anchor(m)})", to_markdown(get_summary(m))]
        for name, m in members.items()
    ]
    return "\n".join(
        [
            f"# {describe_type(cls).partition(' ')[2].capitalize()}s\n",
            f"{to_markdown(extract_description(cls))}\n",
            render_table(["name", "description"], rows),
            *(render_section(member) for member in members.values()),
            render_contract(cls),
        ]
    )


def render_section(cls: type[Component]) -> str:
    """Return the section of a component on the page of its kind."""
    lines = [
        f"({make_anchor(cls)})=\n## {cls.name}\n",
        f"{to_markdown(extract_description(cls))}\n",
    ]
    if rows := build_parameter_rows(cls):
        lines.append(render_table(["parameter", "type", "default", "description"], rows))
    else:
        lines.append("No parameters.\n")
    needs = ", ".join(f"`{need}`" for need in sorted(cls.requires)) or "only its input"
    slots = ", ".join(f"`{slot}`" for slot in find_slots(cls))
    lines.append(f"- Requires: {needs}\n- Slots: {slots}")
    if users := find_recipes_naming(cls):
        links = ", ".join(f"[`{name}`](#recipe-{slugify(name)})" for name in users)
        lines.append(f"- Bundled recipes: {links}")
    return "\n".join([*lines, "", f"```yaml\n{build_example(cls)}\n```\n"])


def build_example(cls: type[Component]) -> str:
    """Return a valid recipe with a component: a bundled one, or a base and a change."""
    for name in (f"scgnn_{cls.name}", cls.name):
        if name in list_bundled_recipes() and uses_component(name, cls):
            return list_bundled_recipes()[name].read_text(encoding="utf-8").strip()
    key = f"{cls.kind}.{cls.name}"
    lines = EXAMPLES.get(key, RECIPE_SNIPPETS[cls.kind]).replace("$name", cls.name)
    text = f"base: {EXAMPLE_BASES.get(key, 'scgnn')}\n{lines}"
    if cls not in map(type, iter_components(load_recipe_text(text))):
        raise ValueError(f"the example of {key} does not use it")
    return text


def load_recipe_text(text: str) -> Recipe:
    """Load a recipe from YAML text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "example.yaml"
        path.write_text(text, encoding="utf-8")
        return load_recipe(path)


@cache
def uses_component(recipe: str, cls: type[Component]) -> bool:
    """Return whether a bundled recipe contains a component."""
    return cls in map(type, iter_components(load_recipe(recipe)))


def find_recipes_naming(cls: type[Component]) -> list[str]:
    """Return the bundled recipes whose file, not only its base, names a component."""
    mention = re.compile(rf"^(?!base:)[^#]*[:\[,-] *(name: *)?{cls.name}\b", re.M)
    files = list_bundled_recipes().items()
    return [n for n, file in files if mention.search(file.read_text()) and uses_component(n, cls)]


def render_contract(cls: type[Component]) -> str:
    """Return the section with the methods that a class of this kind implements."""
    lines = [f"({slugify(cls.kind)}-contract)=\n## The contract\n"]
    lines.append(f"Methods of `{cls.__module__}.{cls.__name__}`:\n")
    for name, method in vars(cls).items():
        if inspect.isfunction(method) and (name == "__call__" or name[0] != "_"):
            signature = str(inspect.signature(method)).replace("'", "")
            description = to_markdown(inspect.cleandoc(method.__doc__ or ""))
            lines.append(f"```python\ndef {name}{signature}\n```\n\n{description}\n")
    return "\n".join(lines)


def render_recipes_page() -> str:
    """Return the page of the bundled recipes and of the keys of a recipe."""
    rows = []
    for name, file in list_bundled_recipes().items():
        base = re.search(r"^base: *(\S+)", file.read_text(encoding="utf-8"), re.M)
        base_name = f"`{base[1]}`" if base else ""
        anchor = f"[]{{#recipe-{slugify(name)}}}"
        rows.append([f"{anchor}`{name}`", summarize_recipe_file(file), base_name])
    lines = ["# Recipes\n", "Bundled recipes; run one with `scgnn-recipe run NAME`.\n"]
    lines.append(render_table(["recipe", "description", "base"], rows))
    lines.append("## Keys\n\nA recipe has three keys. With `base`, it lists changes only.\n")
    for title, cls in (("", Recipe), ("data", Data), ("training", Training)):
        if title:
            lines.append(f"(keys-{title})=\n### {title}\n\n{get_summary(cls)}\n")
        lines.append(
            render_table(["key", "type", "default", "description"], build_parameter_rows(cls))
        )
    return "\n".join(lines)


def build_parameter_rows(cls: type) -> list[list[str]]:
    """Return name, type, default and description of each parameter."""
    return [
        [
            f"`{p.name}`",
            format_type(p),
            f"`{to_flow_yaml(abbreviate_default(p.default))}`",
            to_markdown(p.description),
        ]
        for p in list_parameters(cls)
    ]


def format_type(parameter: ParameterDoc) -> str:
    """Return the type of a parameter, with links to the pages of component kinds."""
    if isinstance(parameter.default, Training):
        return "a [training](#keys-training)"
    nouns = {describe_type(cls).partition(" ")[2]: kind for kind, cls in kinds().items()}
    return re.sub(
        rf"\b(an?|list of) (({'|'.join(nouns)})s?)\b",
        lambda m: f"{m[1]} [{m[2]}]({nouns[m[3]]}.md)",
        parameter.type_description,
    )


def abbreviate_default(value: Any) -> Any:
    """Return a default as plain data, without nested settings that are defaults themselves."""
    if isinstance(value, tuple):
        return [abbreviate_default(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    default = type(value)()
    settings = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    changed = {
        name: abbreviate_default(setting)
        for name, setting in settings.items()
        if setting != getattr(default, name)
    }
    if not isinstance(value, Component):
        return changed
    return {"name": value.name, **changed} if changed else value.name


def get_summary(cls: type) -> str:
    """Return the first line of a docstring with its markup."""
    return (cls.__doc__ or "").strip().split("\n")[0]


def to_markdown(docstring: str) -> str:
    """Convert a docstring, or a part of one, to Markdown."""
    plain = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring)
    plain = re.sub(r"^([A-Z]\w+)\n-+\n", r"**\1**\n\n", plain, flags=re.M)
    entry = r"^(\w+)\n((?: +\S.*(?:\n|\Z))+)"
    return re.sub(entry, lambda m: f"- `{m[1]}`: {' '.join(m[2].split())}\n", plain, flags=re.M)


def render_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return (
        "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)
        + "\n"
    )


def make_anchor(cls: type[Component]) -> str:
    """Return the anchor of a component, unique across pages."""
    return f"{slugify(cls.kind)}-{slugify(cls.name)}"


def slugify(name: str) -> str:
    """Return a name in the form used in URLs."""
    return name.replace("_", "-")
