"""Output that nobody reads does not change what a command does, or its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")

SCRIPT = """
import os, sys
from scgnn.cli.streams import prepare_streams

prepare_streams()
for number in range(3):
    print("lines\\n" * 10000)
    sys.stderr.write("more\\n" * 10000)
    sys.stdout.flush()
file = open(sys.argv[1], "w")
assert file.fileno() > 2
os.system("echo of a child")
os.system("echo of a child >&2")
file.write("whole")
file.close()
sys.exit(7)
"""
CLOSED = ["", ">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"]


def run_shell(command: str) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("redirection", [*CLOSED, "| head -1", "2> >(head -1)", "2>&1 | true"])
def test_streams_without_reader(tmp_path, redirection):
    script, out = tmp_path / "script.py", tmp_path / "out"
    script.write_text(SCRIPT)
    done = run_shell(f"{sys.executable} {script} {out} {redirection}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 7
    assert out.read_text() == "whole"
    assert "Error" not in done.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "| true", "2>&1 | true"])
@pytest.mark.parametrize(("arguments", "code"), [("list", 0), ("show nothing.yaml", 2)])
def test_a_command_keeps_its_exit_code(redirection, arguments, code):
    command = f"{sys.executable} -m scgnn {arguments} {redirection}"
    assert run_shell(f"{command}; exit ${{PIPESTATUS[0]}}").returncode == code


def test_output_to_a_full_disk_is_an_error():
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    done = run_shell(f"{sys.executable} -m scgnn list > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "standard output: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_while_the_libraries_load(number):
    code = """
import time
from scgnn.signals import exit_on_signals
with exit_on_signals():
    print(flush=True)
    time.sleep(60)
"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert stderr == "interrupted: nothing was computed yet\n"
