"""The cluster of a study: who can reach it, and which workers take part."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import dask
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from distributed import Client, LocalCluster
from distributed.security import Security

import scgnn
from scgnn import load_study
from scgnn.api.studies import run_study
from scgnn.errors import UserError
from scgnn.execution.cache import StageCache
from scgnn.execution.hardware import Hardware, has_dgl
from scgnn.study import cluster, dask_backend, workers
from scgnn.study.cluster import (
    WorkerSetup,
    check_scheduler_address,
    load_certificates,
    open_cluster,
)
from scgnn.study.workers import (
    ForeignWorkerError,
    Requirements,
    WorkerPool,
    describe_versions,
    describe_worker,
)

EPOCHS = ("feature", "graph", "cluster", "iteration", "imputation")
SMALL = {
    "data.reader.n_cells": 60,
    "data.reader.n_genes": 40,
    "pipeline.max_iterations": 1,
    "pipeline.feature_encoder": {"name": "mlp", "hidden": [16, 8], "dropout": 0.2},
    **{f"pipeline.{name}_training.epochs": 3 for name in EPOCHS},
}
STUDY = {"base": "scgnn", "vary": {"pipeline.graph_encoder": ["gat", None]}, "seeds": [0, 1]}


@pytest.fixture(scope="module")
def local_client():
    with open_cluster(1, 1, None) as (client, _):
        yield client


def list_listening_addresses() -> set[str]:
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    connections = [c for process in family for c in process.net_connections("inet")]
    return {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}


def test_no_socket_of_a_local_cluster_listens_beyond_loopback(local_client):
    assert local_client.scheduler_info()["address"].startswith("tls://127.0.0.1:")
    assert list_listening_addresses() == {"127.0.0.1"}


@pytest.mark.slow
def test_a_replaced_worker_listens_on_loopback_only():
    with open_cluster(1, 1, None) as (client, _):
        (before,) = client.scheduler_info(n_workers=-1)["workers"]
        client.submit(os._exit, 1, retries=0, pure=False)
        while (now := list(client.scheduler_info(n_workers=-1)["workers"])) in ([], [before]):
            time.sleep(0.05)
        assert client.submit(len, "abc", pure=False).result() == 3
        assert now[0].startswith("tls://127.0.0.1:")
        assert list_listening_addresses() == {"127.0.0.1"}


@pytest.mark.parametrize("credentials", ["none", "tcp", "others"])
@pytest.mark.parametrize("target", ["scheduler", "worker", "nanny"])
def test_a_client_without_the_certificate_is_refused(local_client, credentials, target):
    info = local_client.scheduler_info(n_workers=-1)
    ((address, worker),) = info["workers"].items()
    addresses = {"scheduler": info["address"], "worker": address, "nanny": worker["nanny"]}
    address = addresses[target].replace("tls://", "tcp://" if credentials == "tcp" else "tls://")
    security = Security.temporary() if credentials == "others" else None
    with pytest.raises((OSError, TypeError)):
        Client(address, security=security, timeout=1, set_as_default=False)
    gc.collect()  # the failed client; collected while another one starts, it would deadlock
    assert local_client.submit(len, "abc", pure=False).result() == 3


@pytest.mark.usefixtures("local_client")
def test_the_default_scheduler_of_dask_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "START_TIMEOUT_SECONDS", 1)
    assert dask.config.get("scheduler", None) is None
    study = load_study({"base": "pca_leiden", "seeds": 2})
    with pytest.raises(UserError, match="no Dask scheduler answers"):
        run_study(study, out=tmp_path / "out", scheduler="tcp://127.0.0.1:1")
    assert dask.config.get("scheduler", None) is None


PAGES = ["status", "info/main/workers.html", "json/counts.json", "metrics", "health"]
PAGES_OF_THE_USER = {
    "distributed.scheduler.http.routes": ["distributed.http.scheduler.json"],
    "distributed.worker.http.routes": ["distributed.http.health"],
}


def find_ports_with_pages(client) -> list[int]:
    info = client.scheduler_info(n_workers=-1)
    parts = [info, *info["workers"].values()]
    return [part["services"]["dashboard"] for part in parts]


def assert_not_found(port: int, page: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5)


@pytest.mark.parametrize("page", PAGES)
def test_no_pages_show_logs_or_tasks(local_client, page):
    for port in find_ports_with_pages(local_client):
        assert_not_found(port, page)


def test_pages_that_the_user_has_set_for_other_clusters_are_not_shown():
    with dask.config.set(PAGES_OF_THE_USER), open_cluster(1, 1, None) as (client, _):
        for port, page in itertools.product(find_ports_with_pages(client), PAGES):
            assert_not_found(port, page)


@pytest.mark.parametrize("settings", [{}, PAGES_OF_THE_USER], ids=["default", "user"])
def test_a_dashboard_listens_on_loopback_and_its_address_is_logged(caplog, settings):
    caplog.set_level("INFO", "scgnn")
    with dask.config.set(settings), open_cluster(1, 1, None, dashboard=True) as (client, _):
        port, worker_port = find_ports_with_pages(client)
        address = f"http://127.0.0.1:{port}/status"
        assert f"dashboard   {address}" in caplog.text
        with urllib.request.urlopen(address, timeout=5) as answer:
            assert answer.status == 200
        assert list_listening_addresses() == {"127.0.0.1"}
        for page in PAGES:
            assert_not_found(worker_port, page)


def test_a_dashboard_without_its_library_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh", None)
    with pytest.raises(UserError, match=r"^dashboard: needs bokeh; install it with"):
        run_study(load_study(STUDY, SMALL), out=tmp_path / "out", dashboard=True)
    assert not (tmp_path / "out").exists()


def test_a_run_of_a_recipe_has_no_dashboard(run_rejected):
    (line,) = run_rejected("run", "pca_leiden", "--dashboard")
    assert "--dashboard" in line


@pytest.mark.parametrize("option", [{"dashboard": True}, {"jobs": 2}], ids=str)
def test_options_of_local_workers_are_refused_with_a_scheduler(tmp_path, option):
    study, (name,) = load_study(STUDY, SMALL), option
    with pytest.raises(UserError, match=rf"^{name}: only for local workers"):
        run_study(study, out=tmp_path / "out", scheduler="tcp://127.0.0.1:9", **option)
    assert not (tmp_path / "out").exists()


def test_certificates_are_for_a_scheduler(tmp_path):
    study, security = load_study(STUDY, SMALL), Security.temporary()
    with pytest.raises(UserError, match=r"^security: only with scheduler"):
        run_study(study, out=tmp_path / "out", security=security)
    with pytest.raises(UserError, match=r"^security: must be a distributed.Security, not"):
        run_study(study, out=tmp_path / "out", scheduler="tls://a:8786", security="cert.pem")


def test_an_encrypted_scheduler_needs_certificates(tmp_path):
    study = load_study(STUDY, SMALL)
    with pytest.raises(UserError, match=r"^scheduler tls://a:8786: needs certificates; pass"):
        run_study(study, out=tmp_path / "out", scheduler="tls://a:8786")
    files = dict.fromkeys(("ca-file", "client.cert", "client.key"), str(tmp_path / "a.pem"))
    certificates = Security.temporary()
    text = certificates.tls_client_cert + certificates.tls_client_key
    (tmp_path / "a.pem").write_text(text)
    with dask.config.set({f"distributed.comm.tls.{key}": path for key, path in files.items()}):
        check_scheduler_address("tls://a:8786")


def count_clients() -> int:
    return sum(type(item) is Client for item in gc.get_objects())


def test_a_client_that_cannot_connect_is_removed(monkeypatch):
    monkeypatch.setattr(cluster, "START_TIMEOUT_SECONDS", 0.5)
    problem = r"no Dask scheduler answers .*; check the address"
    gc.collect()
    gc.disable()
    n_clients = count_clients()
    try:
        with pytest.raises(UserError, match=problem), open_cluster(None, 1, "tcp://127.0.0.1:9"):
            pass
        assert count_clients() == n_clients
    finally:
        gc.enable()


@pytest.mark.parametrize("prefix", ["", "tcp://"])
def test_a_scheduler_without_certificates_is_warned_about(scheduler, caplog, monkeypatch, prefix):
    monkeypatch.setattr(cluster, "START_TIMEOUT_SECONDS", 1)
    address = prefix + scheduler.scheduler_address.removeprefix("tcp://")
    with pytest.raises(UserError, match="has no workers"), open_cluster(None, 1, address):
        pass
    assert "any user who can reach it can run code" in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        *("", "x", "localhost", "tcp://127.0.0.1:99999", "tls://:8786", "tcp://a:b", "tcp://a:1/x"),
        *(
            "http://a:8786",
            " tls://a:8786",
            "tls://a:0",
            "tls://a:-1",
            "tls://",
            "ws://a:1",
        ),
    ],
)
def test_an_impossible_address_is_refused_before_data_are_read(tmp_path, address):
    missing = {"name": "h5ad", "path": str(tmp_path / "missing.h5ad")}
    study = load_study({"base": "pca_leiden", "seeds": 2}, {"data.reader": missing})
    with pytest.raises(UserError, match=r"^scheduler .*: not an address"):
        run_study(study, out=tmp_path / "out", scheduler=address)
    assert not (tmp_path / "out").exists()


def test_certificates_are_for_encrypted_addresses(tmp_path):
    study, security = load_study({"base": "pca_leiden", "seeds": 2}), Security.temporary()
    with pytest.raises(UserError, match=r"is not encrypted, but certificates.* use tls://a:8786"):
        run_study(study, out=tmp_path / "out", scheduler="tcp://a:8786", security=security)


@pytest.mark.parametrize("damage", ["none", "text", "other key", "password"])
def test_certificates_are_checked(tmp_path, damage):
    security, other = Security.temporary(), Security.temporary()
    texts = {"ca.pem": security.tls_ca_file, "cert.pem": security.tls_client_cert}
    texts["key.pem"] = (other if damage == "other key" else security).tls_client_key
    if damage == "text":
        texts["cert.pem"] = "text"
    if damage == "password":
        key = serialization.load_pem_private_key(texts["key.pem"].encode(), None)
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        encryption = serialization.BestAvailableEncryption(b"secret")
        texts["key.pem"] = key.private_bytes(*form, encryption).decode()
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")]
    if damage == "none":
        assert load_certificates(*paths).require_encryption
        return
    with pytest.raises(UserError, match=r"cannot be used .*; give a CA, a certificate and its key"):
        load_certificates(*paths)


@pytest.mark.parametrize("expired", ["ca.pem", "cert.pem"])
def test_an_expired_certificate_is_named(tmp_path, expired):
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scgnn")])
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    for file in ("ca.pem", "cert.pem"):
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
        end = datetime.fromisoformat("2020-01-02" if file == expired else "2120-01-01")
        builder = builder.not_valid_before(datetime(2020, 1, 1)).not_valid_after(end)
        certificate = builder.sign(key, hashes.SHA256())
        (tmp_path / file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    problem = rf"^--tls \S*{expired}: expired on 2020-01-02; create new certificates"
    with pytest.raises(UserError, match=problem):
        load_certificates(*(tmp_path / file for file in ("ca.pem", "cert.pem", "key.pem")))


def test_missing_certificates_are_named(tmp_path):
    with pytest.raises(UserError, match=r"^--tls \S*ca.pem: no such file"):
        load_certificates(tmp_path / "ca.pem", tmp_path / "a.pem", tmp_path / "b.pem")
    with pytest.raises(UserError, match=r"^--tls \S*: not a file"):
        load_certificates(tmp_path, tmp_path / "a.pem", tmp_path / "b.pem")


@pytest.mark.usefixtures("restore_registry")
def test_a_relative_plugin_file_is_loaded_in_other_working_directories(lump_plugin, monkeypatch):
    monkeypatch.chdir(lump_plugin.parent)
    sent = pickle.dumps(WorkerSetup([Path(lump_plugin.name)]))
    monkeypatch.chdir("/")  # as a worker
    pickle.loads(sent).setup(None)
    assert not WorkerSetup.problems
    assert "lump" in scgnn.Clusterer.names()


# ---- fitness of workers


@pytest.fixture
def pool(tmp_path):
    return WorkerPool(None, Requirements(tmp_path, threads=2, memory_mb=100.0))


def answer_with(tmp_path, **changes):
    answer = describe_worker(tmp_path, tmp_path, Hardware())
    answer |= {"processors": 8, "memory_mb": 1e6}
    versions = answer["versions"] | changes.pop("versions", {})
    return answer | {"versions": versions} | changes


def test_a_worker_like_this_process_is_fit(pool, tmp_path):
    assert pool._find_problem(answer_with(tmp_path)) is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"versions": {"source": "0"}}, "another version of scgnn"),
        ({"versions": {"torch": "1.0"}}, r"torch 1\.0 instead of 2"),
        ({"versions": {"Python": "3.9.1"}}, r"Python 3\.9\.1 instead of"),
        ({"versions": {"torch": "not installed"}}, "torch not installed instead of"),
        ({"processors": 1}, "1 processors, fewer than threads=2"),
        ({"memory_mb": 50.0}, "50 MB of free memory, and a run needs roughly 100 MB"),
        ({"problem": "it cannot compute with (x)"}, "cannot compute with"),
    ],
    ids=str,
)
def test_an_unfit_worker_is_named_with_the_reason(pool, tmp_path, changes, problem):
    assert re.search(problem, pool._find_problem(answer_with(tmp_path, **changes)))


@pytest.mark.parametrize("answer", [None, ModuleNotFoundError("No module named 'scgnn'"), "lost"])
def test_a_worker_that_cannot_answer_is_unfit(pool, answer):
    assert "it cannot run scgnn" in pool._find_problem(answer)


def test_a_worker_without_the_folder_of_the_cache_is_unfit(pool, tmp_path):
    assert "does not exist there" in pool._find_problem(answer_with(tmp_path / "absent"))


def test_a_worker_with_another_folder_at_the_path_of_the_cache_is_unfit(tmp_path):
    answer = describe_worker(tmp_path, tmp_path / ".marker-x", Hardware())
    assert "or is another folder" in answer["problem"]


@pytest.mark.parametrize("can_driver_write", [True, False])
def test_a_worker_that_cannot_write_to_the_cache_is_unfit(tmp_path, monkeypatch, can_driver_write):
    marker = tmp_path / ".marker-x"
    marker.touch()
    monkeypatch.setattr(workers.os, "access", lambda *_: False)
    answer = describe_worker(tmp_path, marker if can_driver_write else tmp_path, Hardware())
    assert ("cannot write to" in answer["problem"]) == can_driver_write


def test_workers_look_for_a_file_of_the_driver_that_is_removed_afterwards(fake, tmp_path):
    markers = []
    fake.run = lambda *args, **_: markers.append((args[2], args[2].is_file())) or {}
    with pytest.raises(UserError):
        WorkerPool(fake, Requirements(tmp_path)).update()
    ((marker, was_there),) = markers
    assert was_there and marker.parent == tmp_path and not marker.exists()
    absent = tmp_path / "absent"
    with workers._create_marker(absent) as marker:  # or read-only
        assert marker == absent


class FakeClient:
    """A cluster whose workers come, go and answer as a test tells it."""

    def __init__(self, answer) -> None:
        self.answers = {"tcp://a": answer, "tcp://b": "broken", "tcp://c": answer}
        self.present = ["tcp://a", "tcp://b"]
        self.asked: list[str] = []
        self.submitted: list[tuple[str, list[str] | None]] = []
        self.futures: list[FakeFuture] = []

    def as_current(self):
        return nullcontext()

    def scheduler_info(self, n_workers):
        return {"workers": dict.fromkeys(self.present)}

    def run(self, function, folder, marker, hardware, workers, on_error):
        self.asked += workers
        return {address: self.answers[address] for address in workers}

    def submit(self, function, *args, key, workers):
        self.submitted.append((key, workers))
        return self.futures.pop(0)


class FakeFuture:
    """A task that ends with a value or an error after some looks at it."""

    def __init__(self, outcome, n_looks=0) -> None:
        self.outcome, self.n_looks = outcome, n_looks

    def done(self):
        self.n_looks -= 1
        return self.n_looks < 0

    def result(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def fake(tmp_path, monkeypatch):
    def time_out(*args):
        raise asyncio.TimeoutError  # as Dask

    monkeypatch.setattr(dask_backend, "wait", time_out)
    return FakeClient(answer_with(tmp_path))


def test_late_workers_are_asked_once_and_unfit_ones_named_once(fake, tmp_path, caplog):
    pool = WorkerPool(fake, Requirements(tmp_path))
    assert pool.update() == pool.update() == ["tcp://a"]
    fake.present.append("tcp://c")
    assert pool.update() == ["tcp://a", "tcp://c"]
    assert fake.asked == ["tcp://a", "tcp://b", "tcp://c"]
    assert caplog.text.count("left out") == pool.n_unfit == 1
    fake.present.remove("tcp://b")
    assert pool.update() is None  # all that are left are fit


def test_a_study_without_a_fit_worker_ends_with_the_reasons(fake, tmp_path):
    fake.present = ["tcp://b"]
    with pytest.raises(UserError, match="no worker can take part in the study: it cannot run"):
        WorkerPool(fake, Requirements(tmp_path)).update()


@pytest.fixture
def stages(fake, tmp_path):
    pool = WorkerPool(fake, Requirements(tmp_path))
    return dask_backend.DaskStages(pool, StageCache(tmp_path / "stages"), 1)


def test_a_task_whose_workers_are_gone_goes_to_others(fake, stages):
    fake.futures = [FakeFuture("lost", 10**9), FakeFuture("value")]
    looks = iter([["tcp://a", "tcp://b"]] * 3)
    gone = ["tcp://b", "tcp://c"]
    fake.scheduler_info = lambda **_: {"workers": dict.fromkeys(next(looks, gone))}
    assert stages.get_or_compute("k", len, ()) == "value"
    assert [workers for _, workers in fake.submitted] == [["tcp://a"], ["tcp://c"]]


@pytest.mark.parametrize("error", [ForeignWorkerError("tcp://a"), TypeError("unexpected argument")])
def test_a_task_on_a_worker_that_turns_out_to_be_unfit_goes_to_others(fake, stages, error):
    fake.futures = [FakeFuture(error), FakeFuture("value")]
    fake.present = ["tcp://a", "tcp://c"]
    submit = fake.submit

    def submit_and_lose(*args, **options):
        fake.present = ["tcp://a", "tcp://b", "tcp://c"]  # b is late and unfit
        return submit(*args, **options)

    fake.submit = submit_and_lose
    assert stages.get_or_compute("k", len, ()) == "value"
    (first_key, first), (second_key, second) = fake.submitted
    assert first is None and first_key != second_key
    assert second == (
        ["tcp://c"] if isinstance(error, ForeignWorkerError) else ["tcp://a", "tcp://c"]
    )


def test_an_error_of_a_fit_worker_is_raised(fake, stages):
    fake.futures = [FakeFuture(ZeroDivisionError())]
    with pytest.raises(ZeroDivisionError):
        stages.get_or_compute("k", len, ())


def test_code_that_changes_during_a_local_study_is_named(fake, tmp_path):
    stages = dask_backend.DaskStages(WorkerPool(fake, None), StageCache(tmp_path / "stages"), 1)
    fake.futures = [FakeFuture(ForeignWorkerError("tcp://a"))]
    with pytest.raises(UserError, match="changed while the study was running; rerun with resume=T"):
        stages.get_or_compute("k", len, ())


def test_versions_name_all_libraries():
    assert {"source", "Python", "torch", "dgl", "igraph"} <= describe_versions().keys()


@pytest.fixture
def scheduler():
    """A scheduler without workers."""
    with LocalCluster(
        n_workers=0, processes=False, dashboard_address=":0", host="127.0.0.1", protocol="tcp://"
    ) as cluster:
        yield cluster


def start_worker(scheduler, folder: Path, path: list[Path], *options: str) -> subprocess.Popen:
    folder.mkdir()
    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler.scheduler_address]
    command += ["--no-nanny", "--no-dashboard", "--host", "127.0.0.1", *options]
    source = Path(scgnn.__file__).parents[1]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [*path, source]))}
    return subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_relative_paths_are_those_of_the_driver(work_dir, scheduler, lump_plugin, make_counts):
    make_counts().write_h5ad("cells.h5ad")
    study = {"base": "pca_kmeans", "seeds": 2, "controls": []}
    process = start_worker(scheduler, work_dir / "worker", [])
    try:
        result = run_study(
            load_study(study, data=["cells.h5ad"]),
            out="out",
            scheduler=scheduler.scheduler_address,
            cache=StageCache(Path("cache")),
            plugin_files=[Path(lump_plugin.name)],
        )
    finally:
        process.terminate()
        process.wait()
    assert not result.outcome.failures
    assert len(list((work_dir / "out").rglob("metrics.json"))) == 2
    assert len(list((work_dir / "cache").glob("*.npz"))) == len(dict(result.outcome.list_costs()))
    assert not list((work_dir / "worker").rglob("*.npz"))


def test_a_task_refuses_a_worker_with_other_code(monkeypatch):
    monkeypatch.setattr(workers, "code_fingerprint", lambda: "other")
    monkeypatch.setattr(workers, "get_worker", lambda: type("Worker", (), {"address": "tcp://a"}))
    with pytest.raises(ForeignWorkerError, match="tcp://a"):
        workers.check_task_fingerprint((), "expected")


@pytest.mark.skipif(not has_dgl(), reason="dgl has no build for this platform")
@pytest.mark.slow
def test_unfit_workers_are_left_out_and_the_bits_are_those_of_local_workers(
    tmp_path, scheduler, caplog, monkeypatch
):
    study = load_study(STUDY, SMALL)
    local = run_study(study, out=tmp_path / "local", jobs=1)
    altered, broken = tmp_path / "altered", tmp_path / "broken"
    shutil.copytree(Path(scgnn.__file__).parent, altered / "scgnn")
    with (altered / "scgnn" / "seeding.py").open("a") as file:
        file.write("# another version\n")
    (broken / "dgl").mkdir(parents=True)
    (broken / "dgl" / "__init__.py").write_text("raise ImportError('libdgl.so: not found')")
    processes = [
        start_worker(scheduler, tmp_path / "a", [altered]),
        start_worker(scheduler, tmp_path / "b", [broken]),
        start_worker(scheduler, tmp_path / "c", [], "--nthreads", "4"),
    ]
    monkeypatch.chdir(tmp_path)
    try:
        with Client(scheduler) as client:
            client.wait_for_workers(3, timeout=120)
        out = Path("remote")  # relative: the workers have other working directories
        remote = run_study(study, out=out, scheduler=scheduler.scheduler_address)
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    assert not remote.outcome.failures
    for file in (local.folder / "runs").rglob("*"):
        if file.name in ("cells.csv", "history.csv", "iterations.csv", "recipe.yaml"):
            assert (out / "runs" / file.relative_to(local.folder / "runs")).read_bytes() == (
                file.read_bytes()
            )
    count = len(list((local.folder / "stages").glob("*.npz")))
    assert len(list((out / "stages").glob("*.npz"))) == count
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.message]
    assert len(left_out) == 2
    assert sum("another version of scgnn" in text for text in left_out) == 1
    assert sum("(dgl cannot be imported (libdgl.so: not found)" in text for text in left_out) == 1
