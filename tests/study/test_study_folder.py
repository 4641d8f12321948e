"""Folders of studies: which of them holds a study, of this or another version."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from scgnn import UserError, load_study
from scgnn.recipe.yaml_tree import dump_yaml
from scgnn.study.folder import check_study_folder, select_study_folder

STUDY = {"base": "random", "seeds": 2, "controls": []}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return load_study(STUDY)


def write(folder, content):
    Path(folder).mkdir(parents=True)
    data = content if isinstance(content, bytes) else dump_yaml(content).encode()
    Path(folder, "study.yaml").write_bytes(data)


@pytest.mark.parametrize(
    "damage", [b"base: [", b"", b"seeds: 2", b"\xff\xfe\x00", b"base: {fidelity: 1}\nseeds: 2\n"]
)
def test_the_search_passes_over_folders_that_cannot_be_resumed(study, damage):
    write("runs/study", dict(study.source))
    write("runs/study-2", damage)
    assert select_study_folder(Path("runs/study"), study, resume=True) == Path("runs/study")
    assert select_study_folder(Path("runs/study"), study, resume=False) == Path("runs/study-3")


@pytest.mark.parametrize("path", ["data.truth_path", "data.reader.dropout", "pipeline", "seed"])
def test_settings_that_an_older_version_did_not_have_are_defaults(study, path):
    source = copy.deepcopy(dict(study.source))
    *parents, key = ["base", *path.split(".")]
    mapping = source
    for name in parents:
        mapping = mapping[name]
    del mapping[key]
    write("out", source)
    if path == "pipeline":  # whose default is another
        with pytest.raises(UserError, match=r"^out: holds another study \(different: base\); "):
            check_study_folder(Path("out"), study, resume=True)
    else:
        check_study_folder(Path("out"), study, resume=True)


def test_a_setting_of_an_older_version_is_named(study):
    source = copy.deepcopy(dict(study.source))
    source["base"]["data"]["labels"] = "group"
    write("out", source)
    with pytest.raises(UserError) as error:
        check_study_folder(Path("out"), study, resume=True)
    message = "out: holds a study that this version of scgnn cannot resume; choose another folder"
    assert str(error.value).startswith(f"{message} with out (out/study.yaml:")
    assert "data.labels: unknown key 'labels'" in str(error.value)  # old name
