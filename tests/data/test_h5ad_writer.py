"""Files .h5ad as AnnData writes them, on disks with and without room."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scgnn.data.h5ad_writer import DiskFile, write_h5ad
from scgnn.execution.files import write_atomic


@pytest.fixture
def adata(make_counts):
    adata = make_counts()
    adata.raw = adata.copy()
    adata.X = sparse.csr_matrix(adata.X)
    adata.layers["dense"] = adata.X.toarray()
    adata.obsm["X_pca"] = np.arange(2.0 * adata.n_obs).reshape(-1, 2)
    adata.obsp["graph"] = sparse.eye(adata.n_obs, format="csr")
    adata.obs["mixed"] = pd.Categorical(["a", None] * (adata.n_obs // 2))
    adata.uns["scgnn"] = {"text": "β", "history": {"loss": np.arange(3.0)}, "empty": {}}
    return adata


def list_items(path):
    """Return the content of a file: type, attributes, shape, compression and bytes by name."""
    items = {}

    def add(name, item):
        attributes = {key: str(value) for key, value in item.attrs.items()}
        data = ()
        if isinstance(item, h5py.Dataset):
            data = item.dtype, item.shape, item.compression, item.chunks, str(item[()])
        items[name] = attributes, data

    with h5py.File(path) as file:
        add("/", file)
        file.visititems(add)
    return items


def test_the_file_is_that_of_anndata(adata, tmp_path):
    write_h5ad(adata, tmp_path / "a.h5ad")
    adata.write_h5ad(tmp_path / "b.h5ad", compression="gzip")
    items = list_items(tmp_path / "a.h5ad")
    assert items == list_items(tmp_path / "b.h5ad")
    assert len(items) > 30 and items["layers/dense"][1][2] == "gzip"
    anndata.read_h5ad(tmp_path / "a.h5ad")


def test_a_longer_file_is_replaced(adata, tmp_path):
    (tmp_path / "a.h5ad").write_bytes(b"x" * 10**6)
    write_h5ad(adata, tmp_path / "a.h5ad")
    assert anndata.read_h5ad(tmp_path / "a.h5ad").shape == adata.shape
    assert (tmp_path / "a.h5ad").stat().st_size < 10**6


def test_after_an_error_missing_bytes_are_zeros(tmp_path, monkeypatch):
    file = DiskFile(tmp_path / "a")
    file.write(b"abc")
    monkeypatch.setattr(file, "_file", FullDisk(file._file))
    assert file.write(b"defg") == 4
    assert file.error.errno == errno.ENOSPC
    file.seek(7)
    assert file.write(b"more") == 4
    assert file.seek(0, os.SEEK_END) == 11
    file.seek(1)
    assert file.read(4) == b"bcd\0"
    with pytest.raises(OSError, match="full"), file:
        pass


class FullDisk:
    """A file that takes one more byte."""

    def __init__(self, file):
        self.file, self.n_left = file, 1

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        if not self.n_left:
            raise OSError(errno.ENOSPC, "full")
        self.n_left -= 1
        return self.file.write(data[:1])


LIMITED = """
import resource, sys
from pathlib import Path
import h5py, numpy as np
from scgnn.data.h5ad_writer import DiskFile
from scgnn.execution.files import write_atomic

limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def write(path):
    with DiskFile(path) as file, h5py.File(file, "w") as store:
        for i in range(200):
            group = store.create_group(f"group_{i}")
            group.create_dataset("values", data=np.arange(100.0), chunks=(10,), compression="gzip")
            group.attrs["text"] = "x" * 100

try:
    write_atomic(Path(sys.argv[2]), write)
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("limit", [0, 100, 30_000, 300_000])  # of which HDF5 itself crashes
def test_hdf5_prints_nothing_on_a_limited_disk(tmp_path, limit):
    path = tmp_path / "result.h5ad"
    command = [sys.executable, "-c", LIMITED, str(limit), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{errno.EFBIG} {path}\n", "")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_file(adata, tmp_path, monkeypatch):
    def write(self, data):
        self.error = OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    monkeypatch.setattr(DiskFile, "write", write)
    with pytest.raises(OSError, match=r"No space left on device: .*/result\.h5ad'$"):
        write_atomic(tmp_path / "result.h5ad", lambda path: write_h5ad(adata, path))
    assert not list(tmp_path.iterdir())


class InterruptedFile(io.FileIO):
    """A file in whose first write Ctrl-C arrives."""

    n_writes = 0

    def write(self, data):
        self.n_writes += 1
        if self.n_writes == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(data)


@pytest.mark.parametrize("has_alarm", [False, True])
def test_ctrl_c_in_a_callback_of_hdf5_raises_after_it(adata, tmp_path, capfd, has_alarm):
    path = tmp_path / "x.h5ad"
    opened = SimpleNamespace(open=lambda *_, **__: InterruptedFile(path, "w+"))
    handler = (lambda *_: None) if has_alarm else signal.SIG_DFL
    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_h5ad(adata, opened)
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.signal(signal.SIGALRM, before)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capfd.readouterr().err == ""


def test_ctrl_c_between_callbacks_raises_at_once(tmp_path, make_counts, monkeypatch):
    seen = []

    def interrupt(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        seen.append("after")

    monkeypatch.setattr("anndata.io.write_elem", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_h5ad(make_counts(), tmp_path / "x.h5ad")
    assert not seen
