"""Damaged files of the cache are computed again; files are written whole and synced."""

from __future__ import annotations

import csv
import errno
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse

import scgnn
from scgnn.errors import UserError
from scgnn.execution.cache import StageCache, StageCost
from scgnn.execution.files import write_atomic, write_files
from scgnn.runs.folder import open_output_folder

KEYS = "a" * 32, "b" * 32
COST = StageCost("stage", 1.0, 2.0)


class Value(NamedTuple):
    """A value of every form."""

    dense: np.ndarray
    graph: sparse.csr_matrix
    by_name: dict[str, np.ndarray]
    number: float | None


VALUE = Value(
    np.arange(12.0).reshape(3, 4), sparse.eye(3, format="csr"), {"x": np.zeros((0, 2))}, None
)


@pytest.fixture
def cache(tmp_path):
    cache = StageCache(tmp_path / "cache")
    cache.save(KEYS[0], VALUE, COST)
    return cache


def path_of(cache, number=0):
    return cache.folder / f"{KEYS[number]}.npz"


def test_a_value_comes_back(cache):
    value, cost, from_cache = cache.load(KEYS[0], Value)
    np.testing.assert_array_equal(value.dense, VALUE.dense)
    assert (value.graph != VALUE.graph).nnz == 0
    assert value.by_name["x"].shape == (0, 2) and value.number is None
    assert (cost, from_cache) == (COST, True)


def test_changed_bytes_never_stop_a_run_nor_change_a_value(cache):
    content = path_of(cache).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for i in rng.integers(len(content), size=rng.integers(1, 5)):
            damaged[i] = rng.integers(256)
        path_of(cache).write_bytes(damaged)
        if (result := cache.load(KEYS[0], Value)) is not None:
            np.testing.assert_array_equal(result.value.dense, VALUE.dense)
            assert (result.value.graph != VALUE.graph).nnz == 0
        assert cache.read_stage_label(KEYS[0]) in ("stage", "unreadable")


@pytest.mark.parametrize("path", ["stages", "./a/../stages", "../stages", "link/stages"])
def test_a_relative_cache_is_the_same_one_in_other_working_directories(work_dir, monkeypatch, path):
    folder = work_dir / "driver"
    (folder / "a").mkdir(parents=True)
    (folder / "link").symlink_to(work_dir)
    monkeypatch.chdir(folder)
    sent = pickle.dumps(StageCache(Path(path)))
    monkeypatch.chdir("/")  # as a worker of a cluster
    pickle.loads(sent).save(KEYS[0], VALUE, COST)
    assert StageCache(folder / path).load(KEYS[0], Value) is not None


def save_other_shape(cache):
    with np.load(path_of(cache)) as arrays:
        changed = dict(arrays)
    np.savez(path_of(cache), **changed | {"value/dense": np.ones((7, 7))})


def save_value_of_another_key(cache):
    cache.save(KEYS[1], VALUE._replace(dense=np.ones((5, 5))), COST)
    shutil.copy(path_of(cache, 1), path_of(cache))


def save_pickled(cache):
    np.savez(path_of(cache), value=np.array([{1: 2}], dtype=object))


def save_compressed(cache):
    np.savez_compressed(path_of(cache), value=np.zeros(10**7))


def declare_terabytes(cache):
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    with zipfile.ZipFile(path_of(cache), "w") as archive, archive.open("value.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)


def replace_by_folder(cache):
    path_of(cache).unlink()
    path_of(cache).mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        save_other_shape,
        save_value_of_another_key,
        save_pickled,
        save_compressed,
        declare_terabytes,
        replace_by_folder,
        lambda cache: path_of(cache).write_bytes(b""),
        lambda cache: path_of(cache).write_bytes(b"PK\x05\x06" + bytes(18)),
    ],
)
def test_a_file_with_another_content_counts_as_absent(cache, damage):
    damage(cache)
    assert cache.load(KEYS[0], Value) is None


@pytest.mark.parametrize("error", [NotImplementedError, RuntimeError, TypeError, MemoryError])
def test_any_error_of_reading_counts_as_absent(cache, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(np, "load", fail)
    assert cache.load(KEYS[0], Value) is None
    cache.prepare()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_read_only_cache_is_read_and_nothing_is_saved(cache, monkeypatch, caplog, number):
    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fail)
    cache.save(KEYS[1], VALUE, COST)
    assert cache.load(KEYS[0], Value) is not None
    assert cache.load(KEYS[1], Value) is None
    assert "is read-only; values that are not there yet are not saved" in caplog.text


# ---- writing


def test_files_are_synced_before_they_are_renamed_and_in_order(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        os, "fsync", lambda number: calls.append(os.readlink(f"/proc/self/fd/{number}"))
    )
    replace = os.replace

    def record(source, target):
        calls.append(f"-> {target}")
        replace(source, target)

    def record_sync(number):
        calls.append(os.readlink(f"/proc/self/fd/{number}"))

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record)
    write_files(tmp_path, {"a.txt": "a", "metrics.json": "{}"})
    steps = [os.path.basename(call).split(".", 2)[-1] for call in calls]
    assert steps == ["a.txt", "txt", tmp_path.name, "metrics.json", "json", tmp_path.name]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Can't write data (file write failed: errno = 28, error message = 'No space')"),
        OSError(errno.EFBIG, "File too large"),
    ],
)
def test_an_error_of_writing_names_the_path(tmp_path, error):
    def fail(path):
        raise error

    with pytest.raises(OSError, match=r"result\.h5ad") as info:
        write_atomic(tmp_path / "result.h5ad", fail)
    assert info.value.filename == str(tmp_path / "result.h5ad")
    assert info.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_limited_file_size_ends_in_a_sentence(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
    words = ["run", "pca_leiden", "--set", "data.reader.n_cells=200", "--out", str(tmp_path / "o")]
    code = f"{limit}import sys; sys.argv[1:] = {words!r}\nfrom scgnn.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert str(tmp_path) in last
    assert last.endswith(
        "File too large; once resolved, use --resume to continue from the last finished stage"
    )


@pytest.mark.parametrize(
    "content", [lambda _: 1 / 0, [("a", "\ud800")], "\ud800", [("a",), None]], ids=range(4)
)
def test_a_file_that_fails_leaves_neither_itself_nor_the_next_ones(tmp_path, content):
    (tmp_path / "b.csv").write_text("before")
    with pytest.raises((ZeroDivisionError, UnicodeEncodeError, csv.Error)):
        write_files(tmp_path, {"a.csv": "a", "b.csv": content, "metrics.json": "{}"})
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "b.csv"]
    assert (tmp_path / "b.csv").read_text() == "before"


def move_and_create_again(out):
    out.rename(out.with_name("moved"))
    out.mkdir()


@pytest.mark.parametrize(
    "remove", [shutil.rmtree, lambda out: out.rename(out.with_name("m")), move_and_create_again]
)
@pytest.mark.parametrize(
    "write",
    [
        lambda _: None,
        lambda out: write_files(out, {"metrics.json": "{}"}),
        lambda out: StageCache(out / "stages").save(KEYS[0], VALUE, COST),
    ],
)
def test_a_folder_removed_during_a_run_is_named(tmp_path, write, remove):
    out = tmp_path / "out"

    def run():
        with open_output_folder(out, scgnn.load_recipe("pca_leiden"), resume=False):
            remove(out)
            write(out)

    with pytest.raises(UserError, match="out: was removed during the run"):
        run()


def test_a_cache_does_not_create_its_parent_again(tmp_path):
    cache = StageCache(tmp_path / "deep" / "out" / "stages")
    cache.prepare()
    cache.save(KEYS[0], VALUE, COST)
    shutil.rmtree(tmp_path / "deep")
    with pytest.raises(UserError, match="deep/out: was removed during the run"):
        cache.save(KEYS[1], VALUE, COST)
    assert not (tmp_path / "deep").exists()


def replace_by_folder(path):
    path.mkdir()


def replace_by_device(path):
    path.symlink_to("/dev/zero")


def replace_by_pipe(path):
    os.mkfifo(path)


def replace_by_loop(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    "replace", [replace_by_folder, replace_by_device, replace_by_pipe, replace_by_loop]
)
def test_what_is_no_file_is_computed_again(tmp_path, replace, caplog):
    cache = StageCache(tmp_path / "cache")
    cache.save(KEYS[0], VALUE, COST)
    (tmp_path / "cache" / f"{KEYS[0]}.npz").unlink()
    replace(tmp_path / "cache" / f"{KEYS[0]}.npz")
    assert cache.load(KEYS[0], Value) is None
    assert cache.list_entries() == []
    cache.prepare()
    assert cache.shrink(0) == 0
    cache.save(KEYS[0], VALUE, COST)
    is_saved = cache.load(KEYS[0], Value) is not None
    assert is_saved != ("is in the way; its value is not saved" in caplog.text)


@pytest.mark.parametrize("value", ["x", [1, 2], np.nan])
def test_an_unknown_format_is_refused(tmp_path, value):
    (tmp_path / "cache").mkdir()
    np.savez(tmp_path / "cache" / f"{KEYS[0]}.npz", format=np.array(value))
    with pytest.raises(UserError, match="a cache of another version"):
        StageCache(tmp_path / "cache").prepare()


def test_a_cache_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/stages: cannot be created .*; choose another"):
        StageCache(tmp_path / "file" / "stages").prepare()


@pytest.mark.parametrize(
    "make",
    [
        lambda lock: lock.symlink_to("../target"),
        lambda lock: lock.symlink_to("../absent"),
        lambda lock: lock.symlink_to(lock.name),
        lambda lock: lock.mkdir(),
    ],
    ids=["link", "dangling", "loop", "folder"],
)
def test_a_lock_that_is_not_a_file_is_refused(tmp_path, make):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "out").mkdir()
    make(tmp_path / "out" / ".running")
    with pytest.raises(UserError, match=r"out/\.running: cannot be locked .*remove it"):
        scgnn.run("pca_leiden", out=tmp_path / "out")
    assert (tmp_path / "target").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["out", "target"]
