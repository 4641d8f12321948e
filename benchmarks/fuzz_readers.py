"""Reading of randomly damaged files of every format.

    python benchmarks/fuzz_readers.py                      # 2,000 damaged files, minutes
    python benchmarks/fuzz_readers.py --seed 1 --keep DIR  # another seed; keep what is not refused

Small files of each format are written once. Each round changes 1 to 16 random bytes of one of them
and reads the result in a child process as a run does, validation and transforms included. Results
are ``read``, ``refused`` (InputError), ``traceback`` (any other exception), ``crash`` (a signal,
with the stack of Python), ``hang`` (beyond the time limit) and ``memory`` (resident memory above
the limit, or MemoryError).
"""

from __future__ import annotations

import argparse
import faulthandler
import gzip
import logging
import multiprocessing
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.io
import zarr
from scipy import sparse

from scgnn.components.readers import H5AD, detect_reader
from scgnn.components.readers.shard import ShardReader
from scgnn.errors import InputError
from scgnn.recipe.load import load_recipe
from scgnn.recipe.recipe import Recipe
from scgnn.runs.cost_model import get_dataset_size
from scgnn.runs.run import prepare

MAX_CHANGED_BYTES = 16
MAX_SECONDS = 20.0
MAX_MEMORY_MB = 500  # above that of an idle worker
ADDRESS_SPACE_MB = 8000  # above that of an idle worker; protects the machine
MAX_STACK = 5  # innermost functions that are printed of a crash
OUTCOMES = ("read", "refused", "traceback", "crash", "hang", "memory")


class Format(NamedTuple):
    """Writer of a file format, and the change of a recipe that reads it."""

    write: Callable[[anndata.AnnData, Path], None]
    read: Callable[[Recipe, Path], Recipe] | None = None  # None detects the reader


class Outcome(NamedTuple):
    """Result of reading a damaged file."""

    kind: str
    detail: str
    file: Path


def make_counts(n_cells: int = 40, n_genes: int = 23) -> anndata.AnnData:
    """Return random counts, cells x genes, with annotation of every kind."""
    rng = np.random.default_rng(0)
    x = sparse.csr_matrix(rng.poisson(0.7, (n_cells, n_genes)).astype(np.float32))
    barcodes = ["".join(rng.choice(list("ACGT"), 16)) + "-1" for _ in range(n_cells)]
    obs = pd.DataFrame(
        {
            "group": pd.Categorical(rng.choice(["T cell", "B cell"], n_cells)),
            "batch": rng.choice(["a", "b"], n_cells),
            "size": rng.normal(size=n_cells),
        },
        index=barcodes,
    )
    names = pd.Index([f"ENSG{i:011d}" for i in range(n_genes)])
    adata = anndata.AnnData(x, obs, pd.DataFrame({"symbol": names.str.lower()}, index=names))
    adata.obsm["X_pca"] = rng.normal(size=(n_cells, 3))
    adata.obsp["distances"] = sparse.random(n_cells, n_cells, 0.1, "csr", random_state=0)
    adata.uns["log"] = {"steps": np.array(["a", "b"], dtype=object), "n": 3}
    return adata


def add_raw_and_layers(adata: anndata.AnnData) -> anndata.AnnData:
    """Return a copy with ``raw``, two layers and ``X`` in CSC."""
    adata = adata.copy()
    adata.raw = adata.copy()
    adata.layers["csc"] = sparse.csc_matrix(adata.X)
    adata.layers["dense"] = adata.X.toarray()
    adata.X = sparse.csc_matrix(adata.X)
    return adata


def write_dense_h5ad(adata: anndata.AnnData, path: Path) -> None:
    adata = adata.copy()
    adata.X = adata.X.toarray()
    adata.write_h5ad(path)


def write_tenx_h5(adata: anndata.AnnData, path: Path, version: int) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        options = {"compression": "gzip", "chunks": True}
        for key in ("data", "indices", "indptr"):
            group.create_dataset(key, data=getattr(adata.X, key), **options)
        group["shape"] = adata.shape[::-1]
        group["barcodes"] = np.array(adata.obs_names, dtype="S")
        genes = {"id": adata.var_names, "name": adata.var["symbol"]}
        if version == 2:
            keys, target = {"id": "genes", "name": "gene_names"}, group
        else:
            keys, target = {"id": "id", "name": "name"}, group.create_group("features")
            target["feature_type"] = np.array(["Gene Expression"] * adata.n_vars, dtype="S")
        for key, values in genes.items():
            target[keys[key]] = np.array(values, dtype="S")


def write_tenx_mtx(adata: anndata.AnnData, folder: Path, compress: bool = False) -> None:
    folder.mkdir()
    genes = [f"{gene}\t{gene.lower()}\tGene Expression" for gene in adata.var_names]
    (folder / "features.tsv").write_text("\n".join(genes) + "\n")
    (folder / "barcodes.tsv").write_text("\n".join(adata.obs_names) + "\n")
    scipy.io.mmwrite(folder / "matrix.mtx", sparse.coo_matrix(adata.X.T), field="integer")
    for file in list(folder.iterdir()) if compress else ():
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


def write_table(adata: anndata.AnnData, path: Path, separator: str, compress: bool = False) -> None:
    frame = pd.DataFrame(adata.X.toarray().astype(int), adata.obs_names, adata.var_names)
    data = frame.to_csv(sep=separator, index_label="cell_id").encode()
    path.write_bytes(gzip.compress(data) if compress else data)


def write_loom(adata: anndata.AnnData, path: Path) -> None:
    with h5py.File(path, "w") as file:
        options = {"compression": "gzip", "chunks": (16, 16)}
        file.create_dataset("matrix", data=adata.X.T.toarray(), **options)
        file.create_dataset("layers/spliced", data=adata.X.T.toarray(), **options)
        file["col_attrs/CellID"] = np.array(adata.obs_names, dtype=object)
        file["col_attrs/size"] = adata.obs["size"].to_numpy()
        file["row_attrs/Gene"] = np.array(adata.var_names, dtype=object)
        for group in ("col_graphs", "row_graphs"):
            file.create_group(group)


def write_zarr(adata: anndata.AnnData, path: Path, version: int = 2) -> None:
    has_versions = hasattr(anndata.settings, "zarr_write_format")  # anndata 0.12 and later
    with anndata.settings.override(**{"zarr_write_format": version} if has_versions else {}):
        adata.write_zarr(path)
    if version == 3 and has_versions:
        zarr.consolidate_metadata(path)


def read_with(reader: Any, layer: str = "auto") -> Callable[[Recipe, Path], Recipe]:
    """Return the change of a recipe that sets its reader to a function of the path."""

    def change(recipe: Recipe, path: Path) -> Recipe:
        return replace(recipe, data=replace(recipe.data, reader=reader(path), layer=layer))

    return change


def read_as_truth(recipe: Recipe, path: Path) -> Recipe:
    valid = H5AD(str(path.with_name("valid.h5ad")))
    data = replace(recipe.data, reader=valid, truth_path=str(path))
    return replace(recipe, data=data)


FORMATS = {
    "h5ad_csr": Format(lambda adata, path: adata.write_h5ad(path)),
    "h5ad_gzip_layers_raw": Format(
        lambda adata, path: add_raw_and_layers(adata).write_h5ad(path, compression="gzip"),
        read_with(lambda path: H5AD(str(path)), "raw"),
    ),
    "h5ad_layer": Format(
        lambda adata, path: add_raw_and_layers(adata).write_h5ad(path),
        read_with(lambda path: H5AD(str(path)), "csc"),
    ),
    "h5ad_dense": Format(write_dense_h5ad),
    "h5ad_blocks": Format(
        lambda adata, path: add_raw_and_layers(adata).write_h5ad(path),
        read_with(lambda path: H5AD(str(path), n_top_genes=9)),
    ),
    "h5ad_shard": Format(
        lambda adata, path: adata.write_h5ad(path),
        read_with(lambda path: ShardReader(H5AD(str(path)), 0, 2)),
    ),
    "h5ad_truth": Format(lambda adata, path: adata.write_h5ad(path), read_as_truth),
    "tenx_h5_v2": Format(lambda adata, path: write_tenx_h5(adata, path, 2)),
    "tenx_h5_v3": Format(lambda adata, path: write_tenx_h5(adata, path, 3)),
    "tenx_mtx": Format(write_tenx_mtx),
    "tenx_mtx_gzip": Format(lambda adata, path: write_tenx_mtx(adata, path, compress=True)),
    "csv": Format(lambda adata, path: write_table(adata, path, ",")),
    "tsv": Format(lambda adata, path: write_table(adata, path, "\t")),
    "csv_gzip": Format(lambda adata, path: write_table(adata, path, ",", compress=True)),
    "loom": Format(write_loom),
    "zarr": Format(write_zarr),
    "zarr_v3": Format(lambda adata, path: write_zarr(adata, path, 3)),
}


def write_formats(folder: Path, names: list[str]) -> dict[str, Path]:
    """Write a valid file of each format."""
    adata = make_counts()
    paths = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_h5ad(folder / "valid.h5ad")
        for name in names:
            paths[name] = folder / name
            FORMATS[name].write(adata, paths[name])
    return paths


def damage(source: Path, target: Path, rng: np.random.Generator) -> None:
    """Copy a file or folder and change random bytes of one of its files."""
    if source.is_file():
        shutil.copyfile(source, target)
        file = target
    else:
        shutil.copytree(source, target)
        files = sorted(file for file in target.rglob("*") if file.is_file())
        file = files[rng.integers(len(files))]
    data = np.frombuffer(file.read_bytes(), dtype=np.uint8).copy()
    if len(data):
        n = rng.integers(1, MAX_CHANGED_BYTES, endpoint=True)
        data[rng.integers(0, len(data), n)] = rng.integers(0, 256, n)
    file.write_bytes(data.tobytes())


def read_as_run(name: str, path: Path, recipe: Recipe) -> None:
    """Read a file as a run does, before its pipeline."""
    change = FORMATS[name].read or read_with(lambda path: detect_reader(str(path)))
    recipe = change(recipe, path)
    get_dataset_size(recipe)
    prepare(recipe)


def judge_read(name: str, path: Path, recipe: Recipe) -> tuple[str, str]:
    """Read a file; return the outcome and its detail."""
    try:
        read_as_run(name, path, recipe)
    except InputError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError):
                return "memory", f"MemoryError: {error}"
            cause = cause.__cause__
        lines = str(error).count("\n")
        return ("traceback", "more than one line: ") if lines else ("refused", str(error))
    except MemoryError:
        return "memory", traceback.format_exc()
    except Exception:
        return "traceback", traceback.format_exc()
    return "read", ""


def read_status(key: str) -> int:
    """Return a size of this process in MB, e.g. VmHWM, its largest resident memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(key))


def serve(connection: Connection, stack_file: str, recipe: Recipe) -> None:
    """Read the files that come through a connection, until it is closed."""
    warnings.simplefilter("ignore")
    logging.disable()
    limit = (read_status("VmSize") + ADDRESS_SPACE_MB) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    idle = read_status("VmRSS")
    with open(stack_file, "w") as file:
        faulthandler.enable(file)
        while True:
            try:
                name, path = connection.recv()
            except EOFError:
                return
            Path("/proc/self/clear_refs").write_text("5")  # forgets the largest memory
            kind, detail = judge_read(name, path, recipe)
            peak = read_status("VmHWM") - idle
            if peak > MAX_MEMORY_MB and kind in ("read", "refused"):
                kind, detail = "memory", f"{peak} MB above an idle process, {kind} {detail}"
            connection.send((kind, detail, peak))


@dataclass
class Worker:
    """A child process that reads files, started again after it died."""

    recipe: Recipe
    stack_file: str
    task: Path | None = None
    started: float = 0.0
    peak_mb: int = 0
    connection: Connection = field(init=False)
    process: Any = field(init=False)

    def __post_init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self.connection, other = context.Pipe()
        arguments = (other, self.stack_file, self.recipe)
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        other.close()

    def submit(self, name: str, path: Path) -> None:
        self.task, self.started = path, time.monotonic()
        self.connection.send((name, path))

    def collect(self) -> Outcome | None:
        """Return the outcome of the current file, or None while it is read."""
        assert self.task is not None
        if self.connection.poll():
            try:
                kind, detail, peak = self.connection.recv()
                self.peak_mb = max(self.peak_mb, peak)
            except (EOFError, ConnectionError):
                self.process.join()
                kind, detail = "crash", f"exit code {self.process.exitcode}\n{self.read_stack()}"
                self.__post_init__()
        elif time.monotonic() - self.started > MAX_SECONDS:
            os.kill(self.process.pid, signal.SIGABRT)  # writes the stack
            self.process.join()
            kind, detail = "hang", self.read_stack()
            self.__post_init__()
        else:
            return None
        outcome, self.task = Outcome(kind, detail, self.task), None
        return outcome

    def read_stack(self) -> str:
        """Return the innermost functions at the end of the process."""
        _, _, text = Path(self.stack_file).read_text().partition("Current thread")
        return "\n".join(text.splitlines()[1 : MAX_STACK + 1])

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def fuzz(
    n_flips: int, seed: int, names: list[str], n_workers: int, folder: Path
) -> Iterator[tuple[str, Outcome, int]]:
    """Yield the format, the outcome and the largest memory so far of each damaged file."""
    sources = write_formats(folder, names)
    recipe = load_recipe("pca_kmeans", {"data.labels_key": None, "data.transforms": ["log1p"]})
    for name, path in sources.items():
        kind, detail = judge_read(name, path, recipe)
        if kind != "read":
            raise SystemExit(f"the valid file of {name} is not read: {detail}")
    workers = [Worker(recipe, str(folder / f"stack_{i}")) for i in range(n_workers)]
    n_submitted, formats = 0, {}
    try:
        while True:
            for worker in workers:
                if worker.task is None and n_submitted < n_flips:
                    name = names[n_submitted % len(names)]
                    target = folder / f"{n_submitted:06d}_{name}"
                    damage(sources[name], target, np.random.default_rng([seed, n_submitted]))
                    worker.submit(name, target)
                    formats[target], n_submitted = name, n_submitted + 1
            busy = [worker for worker in workers if worker.task is not None]
            if not busy:
                return
            wait([worker.connection for worker in busy], timeout=0.5)
            for worker in busy:
                outcome = worker.collect()
                if outcome is not None:
                    peak = max(worker.peak_mb for worker in workers)
                    yield formats.pop(outcome.file), outcome, peak
    finally:
        for worker in workers:
            worker.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Read randomly damaged files of every format.")
    parser.add_argument("--flips", type=int, default=2000, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the files that are not refused")
    args = parser.parse_args()
    counts: dict[str, Counter[str]] = {name: Counter() for name in args.formats}
    begin, peak = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        results = fuzz(args.flips, args.seed, args.formats, args.workers, Path(folder))
        for name, (kind, detail, file), peak in results:  # noqa: B007
            counts[name][kind] += 1
            if kind not in ("read", "refused"):
                print(f"{kind}: {file.name}\n{detail.rstrip()}", flush=True)
                if args.keep:
                    args.keep.mkdir(parents=True, exist_ok=True)
                    copy = shutil.copytree if file.is_dir() else shutil.copyfile
                    copy(file, args.keep / file.name)
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    table = pd.DataFrame(counts, index=OUTCOMES).T.fillna(0).astype(int)
    table.loc["all"] = table.sum()
    print(table.to_string())
    print(f"{time.monotonic() - begin:.0f} s; at most {peak} MB above an idle process")


if __name__ == "__main__":
    main()
