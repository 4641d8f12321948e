"""The Dask cluster of a study: local workers behind temporary certificates, or an existing one."""

from __future__ import annotations

import asyncio
import errno
import gc
import importlib.util
import logging
import multiprocessing
import os
import signal
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import dask
from cryptography import x509
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, WorkerPlugin
from distributed.comm import parse_address, parse_host_port
from distributed.security import Security

from scgnn.errors import DISK_ERRNOS, UserError
from scgnn.execution.files import TEMPORARY_FOLDER_PREFIX
from scgnn.execution.resources import memory_limit, set_spin_count
from scgnn.interface import by_interface
from scgnn.registry.plugin_files import load_file

START_TIMEOUT_SECONDS = 60
PROTOCOLS = "tcp", "tls", "ucx", "inproc"
LOOPBACK = "127.0.0.1:0"  # any free port, for this machine only
# settings of Dask, which local workers inherit; variables of their environment come second
# the log of messages holds arrays: .5 MB for each run of a study
SHORT_LOG = {"distributed.admin.low-level-log-length": 10}
NO_WORKER_PAGES: dict[str, list[str]] = {"distributed.worker.http.routes": []}  # unencrypted
NO_PAGES = NO_WORKER_PAGES | {"distributed.scheduler.http.routes": []}

SEMAPHORE_ERRNOS = (*DISK_ERRNOS, errno.EACCES, errno.ENOSYS)

log = logging.getLogger("scgnn")

_main_lock = threading.Lock()
_main_specs: list[ModuleSpec | None] = []  # of __main__ before each running study


class WorkerSetup(WorkerPlugin):
    """Setup of every worker before its first task, replacements of dead ones included.

    Attributes
    ----------
    problems
        Reasons why plug-in files could not be loaded in this process, by file.
    """

    name = "scgnn-components"
    problems: dict[Path, str] = {}  # noqa: RUF012 (of the process)

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = [path.resolve() for path in files]

    def setup(self, worker: Any) -> None:
        set_spin_count()  # torch is not imported yet
        for file in self.files:
            try:
                load_file(file)
            except UserError as error:
                self.problems[file] = str(error)


@contextmanager
def open_cluster(
    jobs: int | None,
    threads: int,
    scheduler: str | None,
    plugin_files: Sequence[Path] = (),
    *,
    security: Security | None = None,
    dashboard: bool = False,
) -> Iterator[tuple[Client, int]]:
    """Start a local cluster or connect to an existing one.

    Local workers accept connections from processes with their temporary certificates only, and
    from this machine only.

    Parameters
    ----------
    jobs
        Number of local workers, which share the memory evenly; by default, as many as the
        processors suffice for.
    threads
        Numeric threads of each worker.
    scheduler
        Address of an existing cluster.
    plugin_files
        Files with components, loaded on the workers.
    security
        Certificates for an existing cluster.
    dashboard
        Whether local workers have a dashboard, which any user of this machine can read.

    Yields
    ------
    The client and the number of workers.

    Raises
    ------
    UserError
        There is no scheduler at the address, or it has no workers.
    """
    if scheduler is None:
        n_workers = count_local_workers(jobs, threads)
        connection = _start_local_cluster(n_workers, threads, dashboard)
    else:
        connection = _connect_to_scheduler(scheduler, security)
    with dask.config.set(SHORT_LOG), connection as client:
        client.register_plugin(WorkerSetup(plugin_files))
        yield client, len(client.scheduler_info(n_workers=-1)["workers"])


def count_local_workers(jobs: int | None, threads: int) -> int:
    """Return the number of local workers: ``jobs``, or what the processors suffice for."""
    return jobs or max(1, CPU_COUNT // threads)


def check_scheduler_address(address: str, security: Security | None = None) -> None:
    """Check that a Dask scheduler can have an address.

    Raises
    ------
    UserError
        Its protocol is unknown or not that of ``security``, it needs certificates, or host or port
        are missing or impossible.
    """
    name = _name_scheduler(address)
    try:
        protocol, location = parse_address(address)
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol '{protocol}' is not one of {', '.join(PROTOCOLS)}")
        if protocol == "inproc":  # in this process
            return
        host, port = parse_host_port(location)
        if not host or not 0 < port < 2**16:
            raise ValueError("host or port is missing or out of range")
    except ValueError as error:
        problem = f"not an address ({' '.join(str(error).split())})"
        raise UserError(f"{name}: {problem}; use e.g. tls://HOST:8786") from None
    option = by_interface("--tls", "security")
    if security is not None and protocol != "tls":
        problem = f"is not encrypted, but certificates are given ({option})"
        raise UserError(f"{name}: {problem}; use tls://{location}")
    security = security or Security()  # of Dask's configuration
    if protocol == "tls" and security.get_connection_args("client")["ssl_context"] is None:
        raise UserError(f"{name}: needs certificates; pass them with {option}")


def _name_scheduler(address: str) -> str:
    return f"{by_interface('--scheduler', 'scheduler')} {address}"


def check_cluster_options(
    jobs: int | None, dashboard: bool, scheduler: str | None, security: Security | None
) -> None:
    """Check that options of local workers and of an existing cluster are not mixed.

    Raises
    ------
    UserError
        They are, or the dashboard needs a library that is missing.
    """
    if scheduler is None and security is not None:
        problem = "local workers have their own certificates"
        only = by_interface("--tls: only with --scheduler", "security: only with scheduler")
        raise UserError(f"{only}; {problem}")
    if scheduler is not None and jobs is not None:
        option = by_interface("--jobs", "jobs")
        raise UserError(f"{option}: only for local workers; {scheduler} has its own")
    option = by_interface("--dashboard", "dashboard")
    if scheduler is not None and dashboard:
        raise UserError(f"{option}: only for local workers; {scheduler} may have its own")
    if dashboard and importlib.util.find_spec("bokeh") is None:
        raise UserError(f"{option}: needs bokeh; install it with 'pip install bokeh'")


@contextmanager
def _start_local_cluster(n_workers: int, threads: int, dashboard: bool) -> Iterator[Client]:
    distributed_log = logging.getLogger("distributed")
    level = distributed_log.level
    distributed_log.setLevel(logging.CRITICAL)
    env = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")}
    try:
        # workers may write values of stages there, which only this user may read
        prefix = f"{TEMPORARY_FOLDER_PREFIX}{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
            # the workers, which this process stops, inherit that Ctrl-C is ignored
            pages = dask.config.set(NO_WORKER_PAGES if dashboard else NO_PAGES)
            with _skip_main_module():  # also of a worker that replaces another one later
                with _ignore_sigint(), pages, _translate_start_errors():
                    multiprocessing.Lock()  # fails where /dev/shm is full; Dask 2025.2 hangs
                    cluster = LocalCluster(
                        n_workers=n_workers,
                        threads_per_worker=1,  # one stage at a time
                        memory_limit=int(memory_limit() * 1e6 / n_workers),
                        processes=True,
                        security=Security.temporary(),
                        dashboard_address=LOOPBACK,
                        scheduler_kwargs={"dashboard": dashboard},
                        local_directory=folder,
                        silence_logs=logging.CRITICAL,
                        env=env,
                    )
                with cluster, Client(cluster, set_as_default=False) as client:
                    with _translate_start_errors():
                        client.wait_for_workers(n_workers, timeout=START_TIMEOUT_SECONDS)
                    if dashboard:
                        log.info(f"dashboard   {client.dashboard_link}")
                    yield client
    finally:
        distributed_log.setLevel(level)


@contextmanager
def _skip_main_module() -> Iterator[None]:
    """Let processes that start inside the block not import the script of this process.

    A script without ``if __name__ == "__main__":`` would start its study in each of them again,
    and one that was read from standard input has no file. What a script defines is sent by value.
    """
    main = sys.modules["__main__"]
    with _main_lock:
        _main_specs.append(getattr(main, "__spec__", None))
        main.__spec__ = ModuleSpec("__main__", None)  # which multiprocessing does not import
    try:
        yield
    finally:
        with _main_lock:
            spec = _main_specs.pop()
            if not _main_specs:
                main.__spec__ = spec


@contextmanager
def _translate_start_errors() -> Iterator[None]:
    """Translate errors of local workers that do not start.

    Raises
    ------
    UserError
        In place of any other error.
    """
    try:
        yield
    except Exception as error:  # of the system, multiprocessing or Dask
        cause: BaseException = error
        while next_cause := cause.__cause__ or cause.__context__:
            cause = next_cause
        reason = " ".join(str(cause).split()) or type(cause).__name__
        advice = "use fewer --jobs"
        if isinstance(cause, OSError) and cause.errno in SEMAPHORE_ERRNOS and not cause.filename:
            advice = "make room in /dev/shm (in a container, start it with a larger --shm-size)"
        raise UserError(f"the local workers cannot be started ({reason}); {advice}") from error


@contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Ignore Ctrl-C in this process and in those that it starts meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signal handlers
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _connect_to_scheduler(address: str, security: Security | None) -> Iterator[Client]:
    name = _name_scheduler(address)
    protocol, _ = parse_address(address)  # of HOST:PORT, tcp
    client = _start_client(address, security)
    if isinstance(client, str):
        gc.collect()  # the failed client; collected while another one starts, it would deadlock
        problem = f"no Dask scheduler answers ({client})"
        advice = "check the address; a scheduler with certificates has one with tls://"
        if protocol == "tls":
            certificates = by_interface("the certificates of --tls", "'security'")
            advice = f"check that it is running and accepts {certificates}"
        raise UserError(f"{name}: {problem}; {advice}")
    if protocol not in ("tls", "inproc"):
        advice = by_interface("use --tls", "pass certificates as 'security'")
        log.warning(f"{name}: any user who can reach it can run code; {advice}")
    with client:
        try:
            client.wait_for_workers(1, timeout=START_TIMEOUT_SECONDS)
        except asyncio.TimeoutError:  # another one than TimeoutError on Python 3.10
            raise UserError(f"{name}: has no workers; start at least one") from None
        yield client


def _start_client(address: str, security: Security | None) -> Client | str:
    """Return a client of a scheduler, or why it cannot connect."""
    try:
        options: dict[str, Any] = {"timeout": START_TIMEOUT_SECONDS, "security": security}
        return Client(address, set_as_default=False, **options)
    except (OSError, ValueError, TypeError, asyncio.TimeoutError, RuntimeError) as error:
        return " ".join(str(error).split()) or "timeout"


def _reject_password() -> str:
    raise ValueError("the key is encrypted; remove its password")


def load_certificates(ca_file: Path, certificate: Path, key: Path) -> Security:
    """Return the certificates for an existing cluster.

    Raises
    ------
    UserError
        A file is missing or cannot be used, or a certificate has expired.
    """
    for path in (ca_file, certificate, key):
        if not path.is_file():
            problem = "not a file" if path.exists() else "no such file"
            raise UserError(f"--tls {path}: {problem}; give a certificate or key in PEM format")
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
        context.load_cert_chain(certificate, key, password=_reject_password)
    except (OSError, ValueError) as error:
        files = f"{ca_file}, {certificate} and {key}"
        problem = f"cannot be used ({' '.join(str(error).split())})"
        raise UserError(f"--tls: {files} {problem}; give a CA, a certificate and its key") from None
    for path in (ca_file, certificate):
        loaded = x509.load_pem_x509_certificates(path.read_bytes())
        end = max(item.not_valid_after_utc for item in loaded)
        if end < datetime.now(timezone.utc):
            problem = f"expired on {end:%Y-%m-%d}; create new certificates and restart the cluster"
            raise UserError(f"--tls {path}: {problem}")
    paths = {"tls_client_cert": str(certificate), "tls_client_key": str(key)}
    return Security(tls_ca_file=str(ca_file), require_encryption=True, **paths)
