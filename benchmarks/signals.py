"""Interruption of runs and studies at random moments.

    python benchmarks/signals.py                          # 40 moments, about half an hour
    python benchmarks/signals.py --moments 10 --seed 1    # fewer, others

Each command runs once without interruption. Then SIGINT or SIGTERM is sent at a random moment: the
command is to end within 5 s with code 128 + signal, one sentence at the end, no traceback and no
process left; with ``--resume`` it is to give the same results, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import psutil
import yaml

MAX_SECONDS = 5.0
MIN_DELAY = 0.1  # seconds until the interpreter has started
SENTENCE = "interrupted: "
FINISHED = "holds a finished run"  # if only the baseline was interrupted
BUDGET = {
    "data.reader.n_cells": 150,
    "data.reader.n_genes": 200,
    "pipeline.max_iterations": 2,
    "pipeline.feature_training.epochs": 40,
    "pipeline.graph_training.epochs": 40,
    "pipeline.cluster_training.epochs": 20,
    "pipeline.imputation_training.epochs": 20,
    "pipeline.iteration_training.epochs": 20,
}
STUDY = {"base": "scgnn", "vary": {"pipeline.graph_encoder": ["gat"]}, "seeds": 2}


class Command(NamedTuple):
    """A command: the words after ``run``, without the folder that it writes."""

    name: str
    words: Sequence[str]


def list_commands(folder: Path) -> list[Command]:
    """Return the commands to interrupt; a study is written to the folder."""
    study = folder / "study.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    budget = [word for key, value in BUDGET.items() for word in ("--set", f"{key}={value}")]
    threads = ["--threads", "1"]
    leiden = ["--set", "data.reader.n_cells=3000", "--set", "data.reader.n_genes=500", *threads]
    return [
        Command("scgnn", ["scgnn", *budget, *threads, "--labels-key", "group"]),
        Command("pca_leiden", ["pca_leiden", *leiden]),
        Command("study", [str(study), *budget, "--jobs", "2"]),
    ]


def list_values(value: Any) -> Any:
    """Return an array of any type as nested lists."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def hash_results(folder: Path) -> dict[str, str]:
    """Return the hash of each table and array of results in a folder."""
    hashes = {}
    for path in sorted(p for name in ("cells.csv", "genes.csv") for p in folder.rglob(name)):
        if "stages" not in path.parts:
            hashes[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.rglob("result.h5ad")):
        digest = hashlib.sha256()

        def add(name: str, item: object, digest: hashlib._Hash = digest) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("uns/"):
                value = item[()]
                is_array = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
                digest.update(name.encode())
                digest.update(value.tobytes() if is_array else repr(list_values(value)).encode())

        with h5py.File(path) as file:
            file.visititems(add)
        hashes[str(path.relative_to(folder))] = digest.hexdigest()
    return hashes


def start(command: Command, out: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start a command that writes to a folder, in a session of its own."""
    program = [sys.executable, "-m", "scgnn", "run", *command.words, "--out", str(out), *options]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(program, cwd=out.parent, start_new_session=True, **pipes)  # type: ignore[call-overload, no-any-return]


def list_processes(session: int) -> list[psutil.Process]:
    """Return the processes of a session that run."""
    running = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return running


def interrupt(command: Command, out: Path, number: signal.Signals, delay: float) -> list[str]:
    """Interrupt a command after a delay and return what is not right."""
    process = start(command, out)
    try:
        _, stderr = process.communicate(timeout=delay)
        return []
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    begin = time.monotonic()
    try:
        _, stderr = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        return [f"did not end; {list_processes(process.pid)}"]
    took, lines = time.monotonic() - begin, stderr.decode(errors="replace").splitlines()
    if process.returncode == 0:
        return []  # it had computed everything
    problems = []
    if took > MAX_SECONDS:
        problems.append(f"took {took:.1f} s")
    if process.returncode != 128 + number:
        problems.append(f"code {process.returncode}")
    if not (lines and lines[-1].startswith(SENTENCE)) or "Traceback" in stderr.decode():
        problems.append("\n".join(["no sentence at the end:", *lines[-20:]]))
    left = list_processes(process.pid)
    if left:
        problems.append(f"left: {left}")
    return problems


def main() -> None:
    """Interrupt commands at random moments and print what is not right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of commands")
    options = parser.parse_args()
    random.seed(options.seed)
    n_wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = list_commands(folder)
        commands = [c for c in commands if not options.only or c.name in options.only]
        complete: dict[str, tuple[float, dict[str, str]]] = {}
        for command in commands:
            begin, out = time.monotonic(), folder / f"{command.name}-complete"
            process = start(command, out)
            _, stderr = process.communicate()
            if process.returncode:
                raise SystemExit(stderr.decode())
            seconds = time.monotonic() - begin
            hashes = hash_results(out)
            assert hashes, f"{command.name} wrote no results"
            complete[command.name] = seconds, hashes
            print(f"{command.name}: {seconds:.1f} s, {len(hashes)} files", flush=True)
        for i in range(options.moments):
            command = commands[i % len(commands)]
            number = random.choice([signal.SIGINT, signal.SIGTERM])
            seconds, expected = complete[command.name]
            delay = random.uniform(MIN_DELAY, seconds)
            out = folder / f"{command.name}-{i}"
            problems = interrupt(command, out, number, delay)
            process = start(command, out, "--resume")
            _, stderr = process.communicate()
            if process.returncode and FINISHED not in stderr.decode():
                problems.append(f"--resume: {stderr.decode()[-1000:]}")
            elif hash_results(out) != expected:
                problems.append("--resume gave other results")
            n_wrong += bool(problems)
            text = "; ".join(problems) or "right"
            print(f"{i} {command.name} {number.name} after {delay:.1f} s: {text}", flush=True)
    print(f"{n_wrong} of {options.moments} not right")
    raise SystemExit(bool(n_wrong))


if __name__ == "__main__":
    main()
