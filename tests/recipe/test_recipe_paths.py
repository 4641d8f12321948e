"""Readers given as the path of a file, whose format is detected."""

from __future__ import annotations

import pytest

from scgnn.components.readers import CSV


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("cell,gene_1,gene_2\ncell_1,1,2\ncell_2,3,4\n")
    return "table.csv"


def test_a_reader_may_be_a_path_whose_format_is_detected(load_recipe_text, table):
    for text in (f"data: {{reader: {table}}}", f"base: scgnn\ndata: {{reader: ./{table}}}"):
        reader = load_recipe_text(text).data.reader
        assert type(reader) is CSV
        assert reader.path.endswith(table)


def test_a_path_replaces_the_reader_of_the_base_with_all_its_settings(
    tmp_path, load_recipe_text, table
):
    (tmp_path / "base.yaml").write_text("data: {reader: {name: csv, path: a, separator: tab}}")
    assert load_recipe_text(f"base: base.yaml\ndata: {{reader: {table}}}").data.reader == CSV(table)
    assert load_recipe_text("base: base.yaml", {"data.reader": table}).data.reader == CSV(table)


def test_a_path_that_cannot_be_read_is_a_mistake_like_any_other(collect_errors):
    assert collect_errors("data:\n  reader: gone.h5ad\nseed: x") == [
        "my.yaml:2: data.reader: gone.h5ad does not exist",
        'my.yaml:3: seed: must be an integer of at least 0 and below 4294967296, not "x"',
    ]


def test_a_reader_that_is_replaced_need_not_exist(load_recipe_text, table):
    recipe = load_recipe_text("base: scgnn\ndata: {reader: gone.h5ad}", {"data.reader": table})
    assert recipe.data.reader == CSV(table)
