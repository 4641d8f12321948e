"""Names in CSV files: every name is read back as it is."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scgnn.execution.files import frame_to_csv, write_atomic

NAMES = [
    *[
        "a\rb",
        "\r",
        "a\r\nb",
        "a\nb",
        "a,b",
        'a"b',
        '"',
        '""',
        "a\r,\nb",
        "\r\n",
        " a",
        "a ",
        "\ta",
    ],
    *["NA", "nan", "None", "null", "007", "1e5", "1.0", "True", "", "-inf", "0x1", "2001-01-01"],
    *["=1+1", "@x", "+1", "-1", "'a", "#a", "变体", "a;b", "\u2028", "\x0b", "\x85", "a\\", "\\n"],
]


def read(path, **options):
    return pd.read_csv(path, dtype=str, keep_default_na=False, **options)


@pytest.mark.parametrize("write", ["rows", "frame", "index"])
def test_names_are_read_back_as_they_are(write, tmp_path):
    path = tmp_path / "cells.csv"
    clusters = [str(i) for i in range(len(NAMES))]
    frame = pd.DataFrame({"cell": NAMES, "cluster": clusters})
    content = {
        "rows": [("cell", "cluster"), *zip(NAMES, clusters, strict=True)],
        "frame": frame_to_csv(frame, index=False),
        "index": frame_to_csv(frame.set_index("cell"), index=True),
    }[write]
    write_atomic(path, content)
    assert read(path)["cell"].tolist() == NAMES
    assert read(path)["cluster"].tolist() == clusters
    with path.open(newline="", encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)] == ["cell", *NAMES]


def test_names_in_the_header_are_read_back_as_they_are(tmp_path):
    names = [name for name in NAMES if name]
    write_atomic(
        tmp_path / "x.csv", frame_to_csv(pd.DataFrame([names], columns=names), index=False)
    )
    assert read(tmp_path / "x.csv").columns.tolist() == names


def test_ordinary_rows_have_no_quotes_and_end_in_line_feeds(tmp_path):
    rows = [("cell", "x"), ("cell 1", 0.1), ("cell'2", np.float32(0.5)), ("c3", None)]
    write_atomic(tmp_path / "x.csv", rows)
    assert (tmp_path / "x.csv").read_bytes() == b"cell,x\ncell 1,0.1\ncell'2,0.5\nc3,\n"


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(st.lists(st.text(characters, max_size=5), min_size=1, max_size=5))
def test_any_names_are_read_back(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write_atomic(path, [("name", "i"), *((name, i) for i, name in enumerate(names))])
    assert read(path)["name"].tolist() == names
