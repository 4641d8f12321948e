"""Signs of life of a run whose libraries hold the interpreter."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import time

import pytest

from scgnn.cli import heartbeat, progress
from scgnn.cli.heartbeat import Heartbeat, report_stage
from scgnn.execution.progress import OUTSIDE_PIPELINE, get_progress

SCRIPT = """
import logging, sys
from scgnn.cli import heartbeat, watch

heartbeat.LINE_SECONDS = heartbeat.REDRAW_SECONDS = 0.1

def command():
    logging.getLogger("scgnn").addHandler(logging.FileHandler(sys.argv[1]))
    heartbeat.report_stage({stage!r})
    sum(range(10**12))  # holds the interpreter, as Leiden does

watch.run_watched(command)
"""


@pytest.mark.parametrize("stage", ["initial       clustering", "cell graph", "λ [/x] \x1b"])
def test_a_pipe_and_the_log_get_lines_while_the_interpreter_is_held(tmp_path, stage):
    log = tmp_path / "log of the run.txt"
    command = [sys.executable, "-c", SCRIPT.format(stage=stage), str(log)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8") as process:
        lines = [process.stderr.readline() for _ in range(3)]
        process.kill()
    form = re.escape(stage) + r" +running  for \d\.\d s\n"
    assert all(re.fullmatch(form, line) for line in lines)
    logged = log.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(logged) >= 2
    assert all(re.fullmatch(r"\d{4}-\S+ \S+ INFO " + form, line) for line in logged[:2])


@pytest.fixture
def connected():
    """Return a pipe to which this process sends its messages, and a function that reads them."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    heartbeat.connect(writer)

    def receive() -> list[bytes]:
        try:
            return os.read(reader, 65536).split(b"\0")[:-1]
        except BlockingIOError:
            return []

    yield reader, writer, receive
    heartbeat.connect(None)
    os.close(reader)
    os.close(writer)


@pytest.fixture
def make_heartbeat(connected):
    """Return a function that makes a heartbeat, and reads what it prints on a pipe or terminal."""
    ends = []

    def make(*, terminal: bool):
        output, stderr = os.openpty() if terminal else os.pipe()
        os.set_blocking(output, False)
        ends.extend((output, stderr))
        beat = Heartbeat(*connected[:2], stderr)

        def handle_and_print(after: float) -> str:
            for message in connected[2]():
                beat._process_message(message[:1], message[1:])
            beat._print(beat.start_time + after)
            try:
                return os.read(output, 65536).decode()
            except BlockingIOError:
                return ""

        return beat, handle_and_print

    yield make
    for end in ends:
        os.close(end)


def test_a_pipe_gets_a_line_when_nothing_was_printed_for_long(make_heartbeat):
    beat, print_after = make_heartbeat(terminal=False)
    report_stage("reading")
    assert print_after(heartbeat.LINE_SECONDS / 2) == ""
    report_stage("clustering")
    assert print_after(120) == "clustering        running  for 2 min\n"
    beat.line_time = beat.start_time + 100
    assert print_after(121) == ""


def test_a_terminal_is_drawn_only_while_the_process_does_not_draw(make_heartbeat):
    _, print_after = make_heartbeat(terminal=True)
    report_stage("clustering")
    assert print_after(heartbeat.REDRAW_SECONDS / 2) == ""
    heartbeat.report_alive()
    assert print_after(12) == "\r\x1b[2Kclustering        running  for 12 s"


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_is_printed_where_no_log_exists_and_no_stage_runs(make_heartbeat, terminal):
    beat, _ = make_heartbeat(terminal=terminal)
    report_stage("")
    beat.start()
    beat.stop()
    assert not beat.is_alive()
    assert (beat.stage, beat.log_file) == ("", b"")
    beat._append_to_log("a log that does not exist is not created")


def test_announced_messages_are_read_in_order_before_the_end(make_heartbeat):
    beat, _ = make_heartbeat(terminal=False)
    beat.start()
    for text in ("first", "λ", "kept"):
        heartbeat.announce(text)
    beat.stop()
    assert beat.messages == ["first", "λ", "kept"]


def test_a_message_that_a_pipe_does_not_write_in_one_piece_is_left_out(connected):
    report_stage("x" * heartbeat.MAX_MESSAGE_BYTES)
    report_stage("y")
    assert connected[2]() == [b"sy"]


def test_a_run_reports_each_stage_and_each_line(connected):
    pipe = progress.open_console(file=io.StringIO())
    with progress.show_run_progress(pipe, max_iterations=2):
        get_progress().on_stage_start("reading", OUTSIDE_PIPELINE)
        get_progress().on_stage_end("reading", OUTSIDE_PIPELINE, 0.1, False)
        get_progress().on_stage_start("clustering", 2)
    messages = [message.decode().rstrip() for message in connected[2]()]
    prefix = "s" + " " * 14
    assert messages == [
        f"{prefix}starting",
        f"{prefix}reading",
        "o",
        f"{prefix}after reading",
        "siteration 2   clustering",
        "s",
    ]


def test_a_study_reports_its_runs(connected):
    pipe = progress.open_console(file=io.StringIO())
    with progress.show_study_progress(pipe) as display:
        display.on_study_start(1_200, 3)
        display.on_stage_start("base", "LTMG")
        display.on_run_end("base", None)
    texts = [m.decode().rstrip() for m in connected[2]()]
    assert texts[1:] == ["s3 of 1,200 runs finished", "o", "s4 of 1,200 runs finished", "s"]


def test_bars_report_that_they_are_drawn(connected):
    terminal = progress.open_console(force_terminal=True, file=io.StringIO(), width=120)
    with progress.show_run_progress(terminal, max_iterations=0):
        get_progress().on_stage_start("clustering", 0)
        time.sleep(0.3)  # bars are drawn ten times a second
    assert connected[2]().count(b"a") >= 2


def test_lines_on_a_long_training_in_a_terminal_are_for_the_log_only(monkeypatch, caplog):
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", -1)
    terminal = progress.open_console(force_terminal=True, file=io.StringIO(), width=120)
    with caplog.at_level(logging.INFO), progress.show_run_progress(terminal, max_iterations=0):
        get_progress().on_stage_start("graph autoencoder", 0)
        get_progress().on_epoch_end(1, 9, 0.5)
    assert "epoch 1 of 9, loss 0.5" in caplog.text
    assert "epoch 1 of 9" not in terminal.file.getvalue()
