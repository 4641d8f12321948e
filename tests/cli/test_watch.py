"""Interrupted runs end within seconds, whatever they compute, and print what is kept."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

import scgnn
from scgnn.signals import defer_signals

KEPT = "interrupted: finished stages are in out; rerun with --resume to continue"
SCRIPT = """
import os, signal, sys, tempfile, time
from scgnn.cli import heartbeat, watch

watch.GRACE_SECONDS = 0.3

def command():
    heartbeat.announce("first")
    heartbeat.announce("kept")
    print(os.getpid(), flush=True)
    {body}

watch.run_watched(command)
"""
HOLD = """try:
        sum(range(10**12))  # holds the interpreter, as Leiden does
    except KeyboardInterrupt:
        sys.exit(130)  # where a signal arrives before it"""
END = """try:
        time.sleep(60)
    except KeyboardInterrupt:
        heartbeat.announce("")  # has printed its sentence
        time.sleep(0.1)
        sys.exit(130)"""
SILENT = """try:
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit(130)  # as typer, where a signal arrives before the command"""
SWALLOW = """tempfile.mkdtemp(prefix=f"scgnn-{os.getpid()}-")
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass"""
BODIES = [(HOLD, "kept\n"), (SWALLOW, "kept\n"), (SILENT, "kept\n"), (END, "")]


@pytest.fixture
def start_command():
    """Return a function that starts a watched command and returns it with its child's number."""
    started = []

    def start(body: str) -> tuple[subprocess.Popen, int]:
        code = SCRIPT.format(body=body)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, "-c", code], **pipes)
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize(("body", "message"), BODIES)
def test_a_signal_ends_the_command(start_command, body, message, number):
    process, child = start_command(body)
    time.sleep(0.1)  # until it computes
    process.send_signal(number)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert stderr == message
    assert not psutil.pid_exists(child)
    assert not list(Path(tempfile.gettempdir()).glob(f"scgnn-{child}-*"))


def test_a_command_of_nohup_outlives_its_terminal(start_command):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process, child = start_command("time.sleep(0.3); print('end'); sys.exit(7)")
        time.sleep(0.1)  # until it computes
        process.send_signal(signal.SIGHUP)
        os.kill(child, signal.SIGHUP)
        stdout, stderr = process.communicate(timeout=10)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (process.returncode, stdout, stderr) == (7, "end\n", "")


LOST = """class Slow:
        def __del__(self):
            time.sleep(1)
    try:
        Slow()
        time.sleep(60)
    except KeyboardInterrupt:
        heartbeat.announce("")
        sys.exit(130)"""


def test_an_interruption_in_a_destructor_is_not_lost(start_command):
    process, _ = start_command(LOST)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (130, "")


REPLACES = """
import time


class Slow:
    def __set_name__(self, *_):  # Python before 3.12 raises RuntimeError from what this raises
        print("started", flush=True)
        try:
            time.sleep(60)
        except KeyboardInterrupt as error:
            raise RuntimeError from error


class Named:
    slow = Slow()
"""


def test_an_interruption_that_a_library_replaces_ends_the_command(tmp_path):
    Path(tmp_path, "slow.py").write_text(REPLACES)
    command = [sys.executable, "-m", "scgnn", "run", "scgnn_quick", "--plugin", "slow.py"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (130, "interrupted: nothing was computed yet\n")


@pytest.mark.parametrize(
    "error",
    [RuntimeError(), OSError(28, "full"), ImportError("x"), scgnn.UserError("x"), SystemError()],
)
def test_what_replaces_an_interruption_is_not_reported(run_cli, monkeypatch, error):
    def load(*_, **__):
        raise error

    monkeypatch.setattr("scgnn.cli.is_interrupted", lambda: True)
    monkeypatch.setattr("scgnn.cli.run.load_recipe_from_options", load)
    assert run_cli("run", "scgnn_quick") == (130, "", "")


def test_ctrl_c_in_a_terminal_reaches_both_and_counts_once(start_command):
    process, child = start_command(END)
    time.sleep(0.1)
    os.kill(child, signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (130, "")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit()", 0, ""),
        ("os.abort()", 134, "the run crashed in a library (Aborted); rerun with --resume"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "probably for lack of memory; rerun with"),
    ],
)
def test_the_code_of_the_child_is_that_of_the_command(start_command, body, code, message):
    process, _ = start_command(body)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == code
    assert message in stderr
    assert len(stderr.splitlines()) == bool(message)


def test_a_killed_command_takes_the_run_with_it(start_command):
    process, child = start_command(HOLD)
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != "zombie":
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_handler_runs_after_the_block_that_defers_it():
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append("handler"))
    try:
        with defer_signals():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            calls.append("block")
        assert calls == ["block", "handler"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_during_leiden_in_python_raises_after_it(make_counts, monkeypatch):
    import igraph

    original = igraph.Graph.community_leiden

    def interrupted(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(igraph.Graph, "community_leiden", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scgnn.run("pca_leiden", make_counts())


@pytest.mark.parametrize("begins", ["recipe", "study"])
def test_a_folder_in_which_nothing_was_begun_can_be_used(tmp_path, begins):
    from scgnn.runs.folder import locked_folder, open_output_folder
    from scgnn.study.folder import open_study_folder

    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(KeyboardInterrupt), locked_folder(out):
        raise KeyboardInterrupt
    assert not list(out.iterdir())
    for name in ("log.txt", ".running", f".{'0' * 32}.recipe.yaml"):  # of a killed process
        (out / name).touch()
    if begins == "recipe":
        with open_output_folder(out, scgnn.load_recipe("pca_leiden"), resume=False):
            pass
    else:
        study = scgnn.load_study({"base": "pca_leiden", "seeds": 2})
        with open_study_folder(out, study, resume=False):
            pass
    assert len(list(out.iterdir())) == 2


def test_a_log_of_the_user_is_left_alone(tmp_path):
    (tmp_path / "log.txt").write_text("mine")
    with pytest.raises(scgnn.UserError, match="not empty and not a run"):
        scgnn.run("pca_leiden", out=tmp_path)
    assert (tmp_path / "log.txt").read_text() == "mine"


SMALL = [
    *("--set", "data.reader.n_cells=150", "--set", "data.reader.n_genes=200", "--threads", "1"),
    *("--set", "pipeline.max_iterations=1", "--set", "pipeline.clusterer=leiden"),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["", "LTMG", "feature autoencoder", "clustering"])
def test_an_interrupted_run_gives_the_same_bits_when_resumed(tmp_path, number, stage):
    command = [sys.executable, "-m", "scgnn", "run", "scgnn_quick", *SMALL, "--out"]

    def hash_cells(folder: str) -> str:
        return hashlib.sha256(Path(tmp_path, folder, "cells.csv").read_bytes()).hexdigest()

    assert subprocess.run([*command, "whole"], cwd=tmp_path, capture_output=True).returncode == 0
    with subprocess.Popen([*command, "out"], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        log = tmp_path / "out" / "log.txt"
        while not (log.exists() and stage in log.read_text()):
            time.sleep(0.02)
        process.send_signal(number)
        start = time.monotonic()
        _, stderr = process.communicate(timeout=30)
    assert time.monotonic() - start < 6
    assert process.returncode == 128 + number
    assert stderr.decode().splitlines()[-1] == KEPT
    resumed = subprocess.run([*command, "out", "--resume"], cwd=tmp_path, capture_output=True)
    assert resumed.returncode == 0
    assert hash_cells("out") == hash_cells("whole")
