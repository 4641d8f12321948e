"""Recipes: YAML in, a checked tree of components out, and every mistake at once."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from scgnn.components.clusterers import Clusterer, KMeans, Leiden, Louvain
from scgnn.components.decoders import MLP as MLPDecoder
from scgnn.components.decoders import InnerProduct
from scgnn.components.encoders import GAT, MLP
from scgnn.components.graph_builders import KNN
from scgnn.components.pruners import KeepAll
from scgnn.components.readers import CSV, Demo
from scgnn.components.regularizers import Degree, LTMGStates
from scgnn.components.transforms import Filter, Log1p, Scale, TopGenes, Transform
from scgnn.errors import RecipeError
from scgnn.pipelines.scgnn import ScGNN
from scgnn.pipelines.single_pass import SinglePass
from scgnn.recipe import Data, Recipe, bundled, diff, load_recipe, parse_changes, to_yaml
from scgnn.recipe.describe import describe
from scgnn.registry import Component
from scgnn.training import Training


@pytest.fixture
def load(tmp_path):
    """Loads the text of a recipe, from a file."""

    def load_text(text, changes=None):
        file = tmp_path / "my.yaml"
        file.write_text(text, encoding="utf-8")
        return load_recipe(file, changes)

    return load_text


@pytest.fixture
def mistakes(load, tmp_path):
    """The mistakes of a recipe, with the folder taken off."""

    def lines(text, changes=None):
        with pytest.raises(RecipeError) as refused:
            load(text, changes)
        return [line.replace(f"{tmp_path}/", "") for line in refused.value.problems]

    return lines


# --- to YAML and back ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_recipe_survives_being_saved(load, name):
    recipe = load_recipe(name)
    assert load(to_yaml(recipe)) == recipe


@pytest.mark.parametrize("name", bundled())
def test_what_show_prints_is_the_same_recipe(load, name):
    assert load(describe(load_recipe(name))) == load_recipe(name)


def test_the_default_recipe_says_what_the_defaults_are():
    assert load_recipe("scgnn") == Recipe()


def test_a_saved_recipe_names_every_setting():
    text = to_yaml(Recipe())
    for part in (Recipe(), Data(), ScGNN(), Demo(), Filter(), KNN(), Training()):
        for field in fields(part):
            assert f"{field.name}:" in text


READABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


def any_value(hint):
    """Any value that the type of a setting allows, in a recipe's range of numbers."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.one_of([any_value(option) for option in args])
    if origin is Annotated:
        return any_number(*args) if get_origin(args[0]) is None else any_value(args[0])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(any_value(args[0]), min_size=1, max_size=2).map(tuple)
    if isinstance(hint, type) and issubclass(hint, Component):
        return st.sampled_from(hint.names()).flatmap(lambda name: any_settings(hint.named(name)))
    if is_dataclass(hint):
        return any_settings(hint)
    plain = {bool: st.booleans(), str: READABLE, type(None): st.none()}
    return plain[hint] if hint in plain else any_number(hint)


def any_number(kind, *ranges):
    low = max((getattr(r, "gt", getattr(r, "ge", -1e9)) for r in ranges), default=-1e9)
    high = min((getattr(r, "lt", getattr(r, "le", 1e9)) for r in ranges), default=1e9)
    if kind is int:
        return st.integers(int(low) + 1, int(high) - 1)
    return st.floats(low, high, exclude_min=True, exclude_max=True)


def any_settings(cls, **fitting):
    types = get_type_hints(cls, include_extras=True)
    drawn = {f.name: fitting.get(f.name, any_value(types[f.name])) for f in fields(cls) if f.init}
    return st.fixed_dictionaries(drawn).map(lambda values: if_valid(cls, values))


def if_valid(cls, values):
    try:
        return cls(**values)
    except ValueError:  # settings that do not go together
        reject()


FITTING = {
    "feature_encoder": any_settings(MLP),
    "feature_decoder": any_settings(MLPDecoder),
    "graph_decoder": any_settings(InnerProduct),
    "feature_regularizers": any_settings(LTMGStates).map(lambda one: (one,)),
    "imputation_regularizers": any_settings(Degree).map(lambda one: (one,)),
}
ANY_PIPELINE = st.sampled_from([ScGNN, SinglePass]).flatmap(lambda p: any_settings(p, **FITTING))


@given(
    pipeline=ANY_PIPELINE,
    data=any_settings(Data, transforms=st.lists(any_value(Transform), max_size=3).map(tuple)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(
    max_examples=40, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck)
)
def test_any_valid_settings_survive_being_saved(load, pipeline, data, seed):
    recipe = if_valid(Recipe, {"seed": seed, "data": data, "pipeline": pipeline})
    assert load(to_yaml(recipe)) == recipe
    assert load(describe(recipe)) == recipe


@pytest.mark.parametrize("word", ["1e3", "1e-5", "0.5", "null", "yes", "a: b", "# no", "", "é\t"])
def test_text_that_looks_like_something_else_stays_text(load, word):
    recipe = load_recipe("scgnn", {"data": {"labels": word}})
    assert recipe.data.labels == word
    assert load(to_yaml(recipe)) == recipe
    assert load(describe(recipe)) == recipe


def test_a_number_may_be_written_without_a_point(load):
    recipe = load("pipeline: {feature_training: {learning_rate: 1e-3}, fidelity: 1}")
    assert recipe.pipeline.feature_training.learning_rate == 1e-3
    assert type(recipe.pipeline.fidelity) is float


# --- base ---------------------------------------------------------------------------------------


def test_a_base_is_changed_key_by_key(load):
    recipe = load("base: scgnn\npipeline: {graph_builder: {k: 7}, fidelity: 0.5}")
    assert recipe.pipeline == replace(ScGNN(), graph_builder=KNN(k=7), fidelity=0.5)


def test_without_a_base_the_defaults_are_changed(load):
    assert load("pipeline: {graph_builder: {k: 7}}").pipeline.graph_builder == KNN(k=7)


def test_settings_of_the_base_stay_where_the_name_is_the_same(load):
    recipe = load("base: pca_leiden\npipeline: {graph_builder: {name: knn, metric: cosine}}")
    assert recipe.pipeline.graph_builder == KNN(k=15, prune=KeepAll(), metric="cosine")


def test_a_changed_name_starts_from_its_own_defaults(load):
    text = "base: scgnn\npipeline: {clusterer: {name: leiden, iterations: 3}}"
    assert load(text).pipeline.clusterer == Leiden(iterations=3)
    assert load("base: scgnn\npipeline: {name: single_pass}").pipeline == SinglePass()


@pytest.mark.parametrize("clusterer", ["leiden", "kmeans"])
def test_a_word_is_a_mapping_with_that_name(load, clusterer):
    base = "base: scgnn\npipeline: {clusterer: "
    assert load(f"{base}{clusterer}}}") == load(f"{base}{{name: {clusterer}}}}}")


def test_a_word_that_keeps_the_name_keeps_the_settings(tmp_path, load):
    (tmp_path / "base.yaml").write_text("pipeline: {clusterer: {name: kmeans, starts: 3}}")
    assert load("base: base.yaml\npipeline: {clusterer: kmeans}").pipeline.clusterer.starts == 3


def test_lists_are_replaced(load):
    recipe = load(
        "base: scgnn\ndata: {transforms: [log1p]}\npipeline: {feature_encoder: {hidden: [9]}}"
    )
    assert recipe.data.transforms == (Log1p(),)
    assert recipe.pipeline.feature_encoder.hidden == (9,)


def test_null_and_an_empty_list_switch_parts_off(load):
    recipe = load("base: scgnn\npipeline: {graph_encoder: null, feature_regularizers: []}")
    assert recipe.pipeline.graph_encoder is None
    assert recipe.pipeline.feature_regularizers == ()


def test_a_list_of_parts_is_not_switched_off_by_null(mistakes):
    (line,) = mistakes("data: {transforms: null}")
    assert line == (
        "my.yaml:1: data.transforms: must be a list, each a transform ([] for none), not null"
    )


def test_bases_may_have_bases_in_other_folders(tmp_path, load):
    (tmp_path / "lab" / "old").mkdir(parents=True)
    (tmp_path / "lab" / "old" / "first.yaml").write_text("base: scgnn\nseed: 5")
    (tmp_path / "lab" / "second.yaml").write_text("base: old/first.yaml\ndata: {labels: type}")
    recipe = load("base: lab/second.yaml\npipeline: {clusterer: leiden}")
    assert (recipe.seed, recipe.data.labels) == (5, "type")
    assert recipe.pipeline.clusterer == Leiden()


def test_a_base_is_looked_for_beside_the_file_that_names_it(tmp_path, load, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "mine.yaml").write_text("seed: 9")
    for name in ("mine.yaml", "./mine.yaml", tmp_path / "mine.yaml", "elsewhere/../mine.yaml"):
        assert load(f"base: {name}").seed == 9


def test_bases_in_a_circle_are_refused(tmp_path, mistakes):
    (tmp_path / "a.yaml").write_text("base: b.yaml")
    (tmp_path / "b.yaml").write_text("base: a.yaml")
    (line,) = mistakes("base: a.yaml")
    assert line == "b.yaml:1: base: my.yaml -> a.yaml -> b.yaml -> a.yaml never ends"
    (line,) = mistakes("base: my.yaml")
    assert line.endswith("never ends")


def test_a_mistake_in_a_base_names_the_file_it_is_in(tmp_path, mistakes):
    (tmp_path / "base.yaml").write_text("seed: 1\npipeline: {graph_encoder: gta}")
    (line,) = mistakes("base: base.yaml")
    assert line.startswith("base.yaml:2: pipeline.graph_encoder.name: unknown encoder 'gta'")
    (tmp_path / "base.yaml").write_text("seed: 1\n\tpipeline: 2")
    assert mistakes("base: base.yaml") == [
        "base.yaml:2: a tab indents this line; YAML wants spaces"
    ]


def test_a_base_that_is_not_there_names_the_file_that_wants_it(mistakes):
    assert mistakes("seed: 1\nbase: gone.yaml") == [
        "my.yaml:2: base: gone.yaml: no such recipe file"
    ]
    (line,) = mistakes("base: scgn")
    assert line.startswith("my.yaml:1: base: unknown recipe 'scgn'. Did you mean 'scgnn'? Known: ")
    assert mistakes("base: [scgnn]") == ["my.yaml:1: base: must be the name or path of a recipe"]


def test_a_recipe_may_be_a_mapping_or_a_recipe():
    assert load_recipe({"base": "scgnn", "seed": 3}) == replace(Recipe(), seed=3)
    assert load_recipe(Recipe(), {"seed": 3}) == replace(Recipe(), seed=3)
    with pytest.raises(RecipeError, match=r"^recipe: seed: must be a whole number"):
        load_recipe({"seed": "x"})


# --- changes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "path", "value"),
    [
        ("seed=7", "seed", 7),
        ("data.labels=type", "data.labels", "type"),
        ("data.labels=a=b", "data.labels", "a=b"),
        ("data.labels=null", "data.labels", None),
        ("pipeline.fidelity=1e-2", "pipeline.fidelity", 0.01),
        ("pipeline.impute=false", "pipeline.impute", False),
        ("pipeline.graph_builder.k=7", "pipeline.graph_builder.k", 7),
        ("pipeline.graph_builder.prune.sds=2", "pipeline.graph_builder.prune.sds", 2.0),
        ("pipeline.graph_encoder=null", "pipeline.graph_encoder", None),
        ("pipeline.graph_encoder=gat", "pipeline.graph_encoder", GAT()),
        ("pipeline.graph_encoder.name=gat", "pipeline.graph_encoder", GAT()),
        ("pipeline.graph_encoder={name: gat, heads: 4}", "pipeline.graph_encoder", GAT(heads=4)),
        ("pipeline.feature_encoder.hidden=[8, 4]", "pipeline.feature_encoder.hidden", (8, 4)),
        ("pipeline.feature_encoder.hidden.1=4", "pipeline.feature_encoder.hidden", (512, 4)),
        ("pipeline.clusterer.k=7", "pipeline.clusterer.k", 7),
        ("pipeline.clusterer.k=leiden", "pipeline.clusterer.k", Leiden()),
        ("pipeline.clusterer.k.resolution=2", "pipeline.clusterer.k", Louvain(resolution=2.0)),
        ("pipeline.feature_regularizers=[]", "pipeline.feature_regularizers", ()),
        (
            "pipeline.feature_regularizers.ltmg.weight=2",
            "pipeline.feature_regularizers.0.weight",
            2,
        ),
        ("data.transforms.top_genes.n=5", "data.transforms.1", TopGenes(n=5)),
        ("data.transforms.1.n=5", "data.transforms.1", TopGenes(n=5)),
        ("data.transforms.1=log1p", "data.transforms.1", Log1p()),
        ("data.transforms.top_genes.name=scale", "data.transforms.1", Scale()),
    ],
)
def test_a_change_reaches_its_setting(word, path, value):
    changed = load_recipe("scgnn", parse_changes([word]))
    assert at(changed, path) == value
    assert all(where.startswith(path) or path.startswith(where) for where in differing(changed))


def at(value, path):
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else getattr(value, step)
    return value


def differing(recipe):
    return [path for path, _, _ in diff(Recipe(), recipe)]


def test_changes_come_one_after_the_other():
    words = ["pipeline.clusterer=leiden", "pipeline.clusterer.resolution=2", "seed=1", "seed=4"]
    recipe = load_recipe("scgnn", parse_changes(words))
    assert (recipe.seed, recipe.pipeline.clusterer) == (4, Leiden(resolution=2.0))


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("seed", "--set seed: write it as PATH=VALUE, e.g. seed=2"),
        ("=3", "--set =3: write it as PATH=VALUE, e.g. seed=2"),
        ("seed=[1", "--set seed=[1: not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "data.labels=a: b",
            "--set data.labels=a: b: not YAML: mapping values are not allowed here",
        ),
        (
            "data.transforms.scale.n=1",
            "--set data.transforms.scale.n=1: no entry 'scale' in the list "
            "(filter, top_genes, log1p)",
        ),
        (
            "data.transforms.3=log1p",
            "--set data.transforms.3=log1p: no entry '3' in the list (filter, top_genes, log1p)",
        ),
        (
            "pipeline.feature_encoder.hidden.last=4",
            "--set pipeline.feature_encoder.hidden.last=4: no entry 'last' in the list (512, 128)",
        ),
        (
            "pipline.seed=3",
            "--set pipline.seed=3: pipline: unknown key 'pipline'. Did you mean 'pipeline'? "
            "Known: seed, data, pipeline",
        ),
        (
            "pipeline.impute=maybe",
            "--set pipeline.impute=maybe: pipeline.impute: must be true or false or "
            'reconstruction, not "maybe"',
        ),
        (
            "pipeline.clusterer.k=0",
            "--set pipeline.clusterer.k=0: pipeline.clusterer.k: must be a whole number above 0 or "
            "one of silhouette, eigengap or a clusterer, not 0",
        ),
        (
            "pipeline.clusterer.k=leidn",
            "--set pipeline.clusterer.k=leidn: pipeline.clusterer.k.name: unknown clusterer "
            f"'leidn'. Did you mean 'leiden'? Known: {', '.join(Clusterer.names())}",
        ),
        (
            "seed=null",
            "--set seed=null: seed: must be a whole number at least 0 and below 4294967296, "
            "not null",
        ),
    ],
)
def test_a_wrong_change_is_named_as_it_was_given(word, line):
    with pytest.raises(RecipeError) as refused:
        load_recipe("scgnn", parse_changes([word]))
    assert refused.value.problems == [line]


def test_all_wrong_changes_are_named():
    with pytest.raises(RecipeError) as refused:
        parse_changes(["seed", "seed=[", "seed=2"])
    assert [line.split(": ")[0] for line in refused.value.problems] == [
        "--set seed",
        "--set seed=[",
    ]
    with pytest.raises(RecipeError) as refused:
        load_recipe(
            "scgnn", {"data.transforms.5": "log1p", "seed": -1, "pipeline.graph_encoder": 3}
        )
    assert len(refused.value.problems) == 3


# --- the reader as a path -----------------------------------------------------------------------


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("cell,gene_1,gene_2\ncell_1,1,2\ncell_2,3,4\n")
    return "table.csv"


def test_a_reader_may_be_a_path_whose_format_is_found_out(load, table):
    for text in (f"data: {{reader: {table}}}", f"base: scgnn\ndata: {{reader: ./{table}}}"):
        reader = load(text).data.reader
        assert type(reader) is CSV
        assert reader.path.endswith(table)


def test_a_path_replaces_the_reader_of_the_base_with_all_its_settings(tmp_path, load, table):
    (tmp_path / "base.yaml").write_text("data: {reader: {name: csv, path: a, separator: tab}}")
    assert load(f"base: base.yaml\ndata: {{reader: {table}}}").data.reader == CSV(table)
    assert load("base: base.yaml", {"data.reader": table}).data.reader == CSV(table)


def test_a_path_that_cannot_be_read_is_a_mistake_like_any_other(mistakes):
    assert mistakes("data:\n  reader: gone.h5ad\nseed: x") == [
        "my.yaml:2: data.reader: gone.h5ad does not exist",
        'my.yaml:3: seed: must be a whole number at least 0 and below 4294967296, not "x"',
    ]


def test_a_reader_that_is_replaced_need_not_be_there(load, table):
    recipe = load("base: scgnn\ndata: {reader: gone.h5ad}", {"data.reader": table})
    assert recipe.data.reader == CSV(table)


# --- what does not go together ------------------------------------------------------------------


@pytest.mark.parametrize("encoder", ["gcn", "gat"])
def test_a_graph_encoder_cannot_encode_features(mistakes, encoder):
    assert mistakes(f"base: scgnn\npipeline:\n  feature_encoder: {encoder}") == [
        f"my.yaml:3: pipeline.feature_encoder: {encoder} needs the graph, which is not known yet "
        "here (known: expression only)"
    ]


@pytest.mark.parametrize(
    "pipeline",
    [
        "{feature_regularizers: [{name: degree, phases: [initial]}]}",
        "{feature_regularizers: [{name: ltmg, phases: [imputation]}]}",
        "{name: single_pass, feature_decoder: mlp, feature_regularizers: [degree]}",
    ],
)
def test_a_regularizer_that_takes_part_in_no_training_is_refused(mistakes, pipeline):
    (line,) = mistakes(f"pipeline: {pipeline}")
    assert "takes part in no training: its phases are" in line


def test_what_counts_need_is_checked_before_any_data_is_read(mistakes):
    (line,) = mistakes("pipeline: {feature_decoder: zinb}")
    assert line.endswith(
        "pipeline.feature_decoder: zinb rebuilds counts, but after log1p there are none; "
        "leave it out of data.transforms"
    )
    text = "data: {transforms: [filter]}\npipeline: {feature_decoder: nb}"
    (line,) = mistakes(text)
    assert "ltmg reads logarithms, but nb wants counts; set its input to counts" in line


def test_batches_must_be_named_and_are_no_labels(mistakes):
    (line,) = mistakes("pipeline: {graph_builder: batch_balanced}")
    assert "batch_balanced needs the batch of each cell; set data.batch" in line
    (line,) = mistakes("data: {batch: group, labels: group}")
    assert "data.batch: the true labels are for scores only" in line


def test_a_graph_clusterer_needs_a_graph_builder(mistakes):
    text = "pipeline: {name: single_pass, graph_builder: null, clusterer: louvain}"
    (line,) = mistakes(text)
    assert line.startswith("my.yaml:1: pipeline: clusterer: ")
    assert "graph" in line


def test_a_graph_decoder_cannot_rebuild_expression(mistakes):
    (line,) = mistakes("seed: 1\npipeline: {feature_decoder: inner_product}")
    assert line == (
        "my.yaml:2: pipeline: feature_decoder: inner_product rebuilds graph, not features"
    )


def test_a_loss_without_terms_is_refused(mistakes):
    (line,) = mistakes("pipeline: {fidelity: 0, feature_regularizers: []}")
    assert line.startswith("my.yaml:1: pipeline: fidelity: 0 ")


# --- mistakes -----------------------------------------------------------------------------------


def test_every_mistake_is_said_at_once_in_file_order(mistakes):
    text = """\
seed: -1
data:
  reader: {name: demo, cels: 5}
  holdout: 1.0
  transforms: [filter, {name: log2p}, {n: 5}]
pipline: {}
pipeline:
  max_iterations: 1.5
  graph_encoder: {name: gta, hidden: [0]}
  graph_builder:
    metric: manhattan
    prune: 3
  stop: {ari: 2}
"""
    lines = mistakes(text)
    assert [line.split(": ")[0] + ": " + line.split(": ")[1] for line in lines] == [
        "my.yaml:1: seed",
        "my.yaml:3: data.reader.cels",
        "my.yaml:4: data.holdout",
        "my.yaml:5: data.transforms.1.name",
        "my.yaml:5: data.transforms.2",
        "my.yaml:6: pipline",
        "my.yaml:8: pipeline.max_iterations",
        "my.yaml:9: pipeline.graph_encoder.name",
        "my.yaml:11: pipeline.graph_builder.metric",
        "my.yaml:12: pipeline.graph_builder.prune",
        "my.yaml:13: pipeline.stop.ari",
    ]


def test_honest_aliases_are_welcome(load):
    text = "pipeline:\n  graph_training: &t {epochs: 3}\n  cluster_training: *t"
    assert load(text).pipeline.cluster_training.epochs == 3


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "my.yaml").write_bytes(b"\xef\xbb\xbfseed: 5\r\n")
    assert load_recipe(tmp_path / "my.yaml").seed == 5


def test_an_unknown_recipe_is_suggested_and_told_from_a_file():
    with pytest.raises(RecipeError) as refused:
        load_recipe("scgnn_quik")
    line = str(refused.value)
    assert line.startswith("unknown recipe 'scgnn_quik'. Did you mean 'scgnn_quick'? Known: ")
    assert line.endswith("(a file of your own needs a slash or the ending .yaml)")


# --- differences --------------------------------------------------------------------------------


def test_a_difference_is_named_by_its_setting():
    changes = {
        "pipeline.graph_builder.k": 7,
        "data.transforms.1.n": 5,
        "pipeline.clusterer": "leiden",
    }
    assert diff(Recipe(), load_recipe("scgnn", changes)) == [
        ("data.transforms.1.n", 2000, 5),
        ("pipeline.graph_builder.k", 10, 7),
        ("pipeline.clusterer", KMeans(), Leiden()),
    ]
    assert diff(Recipe(), Recipe()) == []


def test_the_gat_leiden_recipe_differs_in_two_parts():
    assert differing(load_recipe("scgnn_gat_leiden")) == [
        "pipeline.graph_encoder",
        "pipeline.clusterer",
    ]
