"""The command in a terminal: progress bars, Ctrl-C, and resuming."""

from __future__ import annotations

import io
import logging
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


MARKUP = [
    "[log1p]",
    "a [/x] b",
    ":warning: [bold red]",
    "[link=https://a.b]c[/link]",
    "\\[x]",
    "[]",
]


@pytest.mark.parametrize("text", MARKUP)
def test_text_of_others_is_printed_as_it_is(text):
    terminal = progress.open_console(force_terminal=True, file=io.StringIO(), width=100)
    with progress.show_study_progress(terminal) as display:
        display.on_study_start(9, 0)
        logging.getLogger("scgnn").warning("log %s", text)
        display.on_stage_start(f"label {text}", f"stage {text}")
        display.on_run_end("run", f"reason {text}")
        terminal.print(display)
    with progress.show_run_progress(terminal, max_iterations=0):
        get_progress().on_stage_start(f"bar {text}", 0)
        time.sleep(0.12)
    printed = re.sub(ANSI, "", terminal.file.getvalue())
    for name in ("log", "label", "stage", "reason", "bar"):
        assert f"{name} {text}" in printed


@pytest.mark.parametrize("text", MARKUP)
def test_text_of_others_is_printed_as_it_is_outside_a_terminal(text):
    pipe = progress.open_console(file=io.StringIO(), width=20)
    with progress.show_study_progress(pipe) as display:
        display.on_study_start(9, 0)
        logging.getLogger("scgnn").warning("a line longer than the console: %s", text)
        display.on_run_end(f"label {text}", f"reason {text}")
    first, second = pipe.file.getvalue().splitlines()
    assert first == f"a line longer than the console: {text}"
    assert second.startswith(f"      1/9  label {text}  failed: reason {text}, about ")


@pytest.mark.parametrize(("width", "height"), [(80, 40), (80, 8), (80, 2), (30, 10), (20, 24)])
def test_the_table_of_a_study_fits_the_screen(width, height):
    terminal = progress.open_console(
        force_terminal=True, file=io.StringIO(), width=width, height=height
    )
    table = progress.TableStudyProgress(terminal)
    table.on_study_start(100, 0)
    for i in range(30):
        table.on_stage_start(
            f"a_long_name_of_a_variant={i}/data=demo,seed={i}", "iteration 1, LTMG"
        )
    table.on_run_end("a_long_name_of_a_variant=0/data=demo,seed=0", None)
    # as it is rendered beside a line that does not wrap
    options = terminal.options.update(no_wrap=True, overflow="ignore")
    lines = terminal.render_lines(table, options, pad=False)
    assert len(lines) <= max(height - 1, 3)
    assert len(lines) == (14 if height == 40 else len(lines))
    assert all(sum(segment.cell_length for segment in line) <= width for line in lines)


@pytest.mark.parametrize("height", [8, 40])
def test_no_frame_of_the_table_is_left_and_log_lines_are_whole(height):
    """The last screen of a terminal in which everything is drawn as rich asks for it."""
    terminal = progress.open_console(
        force_terminal=True, file=io.StringIO(), width=60, height=height
    )
    line = "a message that is longer than the terminal is wide: " + "x" * 60
    with progress.show_study_progress(terminal) as table:
        table.on_study_start(30, 0)
        for i in range(20):
            table.on_stage_start(f"run {i}", "LTMG")
        for i in range(3):
            time.sleep(0.3)  # frames are drawn four times a second
            logging.getLogger("scgnn").info(line)
            table.on_run_end(f"run {i}", "reason" if i == 1 else None)
    terminal.print("end")
    rows = [re.sub(", about .* left", "", row) for row in draw_screen(terminal.file.getvalue(), 60)]
    message = [line[:60], line[60:]]
    assert rows == [*message, *message, "     2/30  run 1  failed: reason", *message, "end"]


def draw_screen(text, width):
    """Draw text with the control sequences of rich's live displays on an endless screen."""
    rows, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|[^\x1b]", text):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
        elif token.endswith("A"):
            row -= int(token[2:-1] or 1)
        elif token == "\x1b[2K":
            rows[row] = ""
        elif not token.startswith("\x1b"):
            if column == width:
                row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
            rows[row] = rows[row][:column].ljust(column) + token + rows[row][column + 1 :]
            column += 1
        rows += [""] * (row + 1 - len(rows))
    return [row.rstrip() for row in rows if row.strip()]


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
