"""The command in a terminal: progress bars, Ctrl-C, and resuming."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from scgnn.cli import progress
from scgnn.components.clusterers import Leiden
from scgnn.execution.progress import get_progress

COMMAND = [sys.executable, "-m", "scgnn"]
INTERRUPTED = "interrupted: finished stages are in out; rerun with --resume to continue"
ANSI = r"\x1b\[[0-9;?]*[a-zA-Z]"
pytestmark = pytest.mark.usefixtures("work_dir")


def test_bars_show_stage_iteration_epoch_loss_and_time_left():
    terminal = Console(force_terminal=True, file=io.StringIO(), width=120)
    with progress.show_run_progress(terminal, max_iterations=3):
        display = get_progress()
        display.on_stage_start("feature autoencoder", 2)
        for epoch in (1, 2, 3):
            display.on_epoch_end(epoch, 60, 12.5)
            time.sleep(0.12)  # bars are drawn ten times a second
        display.on_stage_start("clustering", 2)
        time.sleep(0.12)
        display.on_stage_end("clustering", 2, 0.5, False)
    text = re.sub(ANSI, "", terminal.file.getvalue())
    assert re.search(r"iterations \(at most\) +[━╸╺]+ +1/3 ", text)
    assert re.search(r"iteration 2 +feature autoencoder +[━╸╺]+ +3/60 loss 12.5 +0:00:\d\d", text)
    assert re.search(r"iteration 2 +clustering +[━╸╺]+ +(?!\S)", text)
    assert re.search(r"iteration 2 +clustering +0.5 s", text)


def test_a_pipeline_without_iterations_has_no_bar_for_them():
    terminal = Console(force_terminal=True, file=io.StringIO(), width=120)
    with progress.show_run_progress(terminal, max_iterations=0):
        get_progress().on_stage_start("cell graph", 0)
        time.sleep(0.12)
    text = re.sub(ANSI, "", terminal.file.getvalue())
    assert "initial       cell graph" in text
    assert "iterations" not in text


def test_ctrl_c_is_one_line_and_the_run_can_be_gone_on_with(
    run_cli, to_set_options, make_small_changes, monkeypatch
):
    words = ["run", "scgnn", *to_set_options(make_small_changes("scgnn")), "--out", "out"]

    def pressed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Leiden, "fit_predict", pressed)
        done = run_cli(*words, "--set", "pipeline.clusterer=leiden")
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == INTERRUPTED
    assert done.stdout == ""
    assert sorted(os.listdir("out")) == ["log.txt", "recipe.yaml", "stages"]
    resumed = run_cli(*words, "--set", "pipeline.clusterer=leiden", "--resume")
    assert resumed.exit_code == 0
    assert resumed.stderr.count("cached") == 4  # LTMG, features, graph, graph embedding
    assert not Path("out/stages").exists()


def in_a_terminal(words, ctrl_c_at):
    """Run the command in a terminal of its own and press Ctrl-C once; its exit code and text."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
        os.execv(sys.executable, [*COMMAND, *words])
    printed, pressed = "", False
    while some := _read(terminal):
        printed += re.sub(ANSI, "", some.decode(errors="ignore"))
        if not pressed and re.search(ctrl_c_at, printed[-2000:]):
            pressed = os.write(terminal, b"\x03")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), printed


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # raised on Linux when the other end is closed
        return b""


@pytest.mark.slow
def test_bars_in_a_terminal_ctrl_c_and_going_on(run_cli, to_set_options, make_small_changes):
    """Stage, iteration, epoch, loss, time left; then exit code 130, one line, and --resume."""
    recipe = "scgnn_published_code"
    changes = make_small_changes(recipe) | {"pipeline.stop.min_ari": 1.0}
    changes |= {"pipeline.iteration_training.epochs": 1500}
    words = ["run", recipe, *to_set_options(changes), "--out", "out"]

    bar = r"iteration 2 +feature autoencoder +[━╸╺ ]+\d+/1500 loss \S+ +0:\d\d:\d\d"
    code, text = in_a_terminal(words, ctrl_c_at=bar)
    assert code == 130
    assert re.search(r"iterations \(at most\) +[━╸╺]+ +1/2 ", text)
    assert text.splitlines()[-1] == INTERRUPTED
    assert "Traceback" not in text
    assert sorted(os.listdir("out")) == ["log.txt", "recipe.yaml", "stages"]

    resumed = run_cli(*words, "--resume")
    assert resumed.exit_code == 0
    assert resumed.stderr.count("cached") >= 5
