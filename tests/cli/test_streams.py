"""Output that nobody reads does not change what a command does, or its exit code."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time

import pytest

from scgnn.cli.streams import TO_ASCII, _wrap

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


# ---- encodings

ASCII = {
    "α = 0.5 − β·Φ": "alpha = 0.5 - beta*Phi",
    "λ, Λ, x̂ and Â": "lambda, Lambda, x^ and A^",
    "x² + ½ x₀ ± ∞ …": "x^2 + 1/2 x_0 +/- inf ...",
    "a × b ≥ c → d": "a x b >= c -> d",
    "0.1 ▲, 0.2 ▽": "0.1 (better), 0.2 (perhaps worse)",
    "Horváth, Š, ﬁ": "Horvath, S, fi",
    "細胞 ß": r"\u7d30\u80de \xdf",
    "plain [x]": "plain [x]",
}


def encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding, TO_ASCII)


@pytest.mark.parametrize(("text", "expected"), ASCII.items())
def test_what_ascii_lacks_is_replaced(text, expected):
    assert encode(text, "ascii") == expected.encode()
    assert encode(text, "utf-8") == text.encode()


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("latin-1", b"\xe9 \xb1 \xb2 - alpha \\u7d30"),
        ("cp1252", b"\xe9 \xb1 \xb2 - alpha \\u7d30"),
        ("cp437", b"\x82 \xf1 \xfd - \xe0 \\u7d30"),
        ("gbk", b"\xa8\xa6 \xa1\xc0 ^2 - \xa6\xc1 \xbc\x9a"),
    ],
)
def test_what_an_encoding_has_stays(encoding, expected):
    assert encode("é ± ² − α 細", encoding) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_bytes_of_a_file_name_stay_as_they_are(encoding):
    assert encode("gen\udce9.h5ad", encoding) == b"gen\xe9.h5ad"


@pytest.mark.parametrize(
    ("errors", "expected"),
    [("strict", TO_ASCII), ("surrogateescape", TO_ASCII), ("replace", "replace")],
)
def test_an_error_handler_of_the_user_stays(errors, expected):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", errors)
    assert _wrap(1, stream).errors == expected


ENCODINGS = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0"},
]


@pytest.mark.parametrize("environment", ENCODINGS, ids=lambda env: ",".join(env.values()))
def test_a_command_prints_to_any_terminal(environment):
    command = [sys.executable, "-m", "scgnn", "show", "regularizer.degree"]
    done = subprocess.run(command, capture_output=True, env=os.environ | environment, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    has_superscript = environment.get("PYTHONIOENCODING") == "latin-1"
    square = b"(x - x^)\xb2_jg" if has_superscript else b"(x - x^)^2_jg"
    assert b" Sigma_j deg(j) Sigma_g " + square in done.stdout


@pytest.fixture
def run_in_ascii(monkeypatch):
    """Return a function that runs scgnn-recipe in this process on streams in ASCII."""

    def run(*args: object) -> tuple[int, str, str]:
        from scgnn.cli import main

        streams = [io.TextIOWrapper(io.BytesIO(), "ascii", TO_ASCII) for _ in range(2)]
        monkeypatch.setattr(sys, "argv", ["scgnn-recipe", *map(str, args)])
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as exit_info:
            main()
        for stream in streams:
            stream.flush()
        texts = [stream.buffer.getvalue().decode("ascii") for stream in streams]
        return exit_info.value.code or 0, *texts

    return run


@pytest.mark.parametrize("words", ["list", "show scgnn", "check pca_kmeans", "diff scgnn scgnn2"])
def test_commands_print_in_ascii(run_in_ascii, words):
    code, stdout, stderr = run_in_ascii(*words.split())
    assert (code, stderr) == (0, "")
    assert len(stdout) > 200


def test_words_of_the_user_are_printed_in_ascii(run_in_ascii, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Zellen-ä.yaml").write_text("base: scgnn\nβ: 1\n", encoding="utf-8")
    code, _, stderr = run_in_ascii("check", "Zellen-ä.yaml")
    assert code == 2
    assert stderr.startswith("Zellen-a.yaml:2: ")
    assert "'beta'" in stderr
    code, stdout, _ = run_in_ascii("new", "encoder", "mine", "--out", "β-GNN")
    assert code == 0
    assert stdout.startswith("created beta-GNN; next steps:\n")


def test_a_run_prints_in_ascii(run_in_ascii, tmp_path, monkeypatch, make_counts):
    monkeypatch.chdir(tmp_path)
    make_counts().write_h5ad("Zellen-ä.h5ad")
    words = "run", "pca_kmeans", "--data", "Zellen-ä.h5ad", "--labels-key", "group"
    code, stdout, stderr = run_in_ascii(*words, "--out", "Läufe")
    assert code == 0, stderr
    assert "files in Laufe: result.h5ad, " in stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Läufe", "Zellen-ä.h5ad"]
