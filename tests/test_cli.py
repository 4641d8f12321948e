"""The command: what it says of mistakes, what it shows, and how it ends."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import time
import tracemalloc
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from scgnn import console, doctor
from scgnn.components.clusterers import Leiden
from scgnn.components.encoders import Encoder
from scgnn.components.graph_builders import KNN
from scgnn.progress import listener
from scgnn.recipe import bundled, load_recipe
from scgnn.registry import kinds

ENCODERS = ", ".join(Encoder.names())
COMMAND = [sys.executable, "-m", "scgnn"]
INTERRUPTED = (
    "interrupted; out is kept, and the same command with --resume goes on from the last "
    "finished stage"
)
ANSI = r"\x1b\[[0-9;?]*[a-zA-Z]"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(command, folder, tree):
    """What a command says that ends with exit code 2 and leaves nothing behind."""

    def call(*words):
        before = tree(folder)
        done = command(*words)
        assert done.code == 2
        assert done.out == ""
        assert tree(folder) == before
        return done.err.splitlines()

    return call


# --- wrong recipes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "pipeline: {graph_encoder: gattt}",
            "pipeline.graph_encoder.name: unknown encoder 'gattt'. Did you mean 'gat'? "
            f"Known: {ENCODERS}",
        ),
        (
            "pipeline: {graph_encoder: xyz}",
            f"pipeline.graph_encoder.name: unknown encoder 'xyz'. Known: {ENCODERS}",
        ),
        (
            "pipeline: {graph_builder: {neighbours: 5}}",
            "pipeline.graph_builder.neighbours: unknown parameter 'neighbours' of graph_builder "
            f"'knn'. Known: {', '.join(field.name for field in fields(KNN))}",
        ),
        (
            "pipeline: {graph_training: {epoch: 5}}",
            "pipeline.graph_training.epoch: unknown key 'epoch'. Did you mean 'epochs'? "
            "Known: epochs, learning_rate, batch_size, l1, l2",
        ),
        ("data: {transforms: [{n: 5}]}", "data.transforms.0: give the transform a name: one of "),
        ("pipeline: {clusterer: {name: null}}", "pipeline.clusterer: give the clusterer a name: "),
        ("pipeline: {clusterer: {name: [a]}}", "pipeline.clusterer: give the clusterer a name: "),
        ("pipeline: {clusterer: {name: {a: b}}}", "pipeline.clusterer: give the clusterer a name"),
        ("pipeline: {clusterer: 3}", "pipeline.clusterer: must be a clusterer, not 3"),
        ("pipeline: {clusterer: null}", "pipeline.clusterer: must be a clusterer, not null"),
        ("pipeline: {clusterer: [leiden]}", 'pipeline.clusterer: must be a clusterer, not ["leid'),
        ("pipeline: {graph_training: 5}", "pipeline.graph_training: must be a mapping, not 5"),
        ("data: {transforms: log1p}", "data.transforms: must be a list, each a transform ([] for"),
        (
            "pipeline: {graph_builder: {metric: euclid}}",
            "pipeline.graph_builder.metric: must be one of euclidean, cosine, correlation, "
            'not "euclid"',
        ),
        ("data: {holdout: 1}", "data.holdout: must be a number at least 0 and below 1, not 1"),
        ("data: {holdout: .nan}", "data.holdout: must be a number at least 0 and below 1, not NaN"),
        ("pipeline: {fidelity: .inf}", "pipeline.fidelity: must be a number at least 0, not Infi"),
        ("pipeline: {fidelity: 1e999}", "pipeline.fidelity: must be a number at least 0, not Inf"),
        ("pipeline: {fidelity: '1'}", 'pipeline.fidelity: must be a number at least 0, not "1"'),
        (
            "pipeline: {clusterer: {name: leiden, iterations: 0}}",
            "pipeline.clusterer.iterations: must be a whole number above 0 or -1, not 0",
        ),
        (
            "pipeline: {impute: 1}",
            "pipeline.impute: must be true or false or reconstruction, not 1",
        ),
        ("seed: true", "seed: must be a whole number at least 0 and below 4294967296, not true"),
        ("seed: 1.0", "seed: must be a whole number at least 0 and below 4294967296, not 1.0"),
        ("seed: 4294967296", "seed: must be a whole number at least 0 and below 4294967296, not 4"),
        (
            "pipeline: {feature_encoder: {hidden: [8, 0]}}",
            "pipeline.feature_encoder.hidden: must be a list, each a whole number above 0 "
            "(at least one), not [8, 0]",
        ),
        (
            "pipeline: {clusterer: {name: kmeans, k_factor: automatic}}",
            'pipeline.clusterer.k_factor: must be a number above 0 or auto, not "automatic"',
        ),
        ("extra: 1", "extra: unknown key 'extra'. Known: seed, data, pipeline"),
    ],
)
def test_a_mistake_says_what_is_wrong_and_what_would_be_right(refused, text, line):
    Path("my.yaml").write_text(text)
    (found,) = refused("run", "my.yaml", "--out", "out")
    assert found.startswith(f"my.yaml:1: {line}")


@pytest.mark.parametrize("slot", ["feature_encoder", "graph_encoder"])
def test_an_encoder_without_layers_is_refused(refused, slot):
    (found,) = refused("check", "scgnn", "--set", f"pipeline.{slot}.hidden=[]")
    want = "must be a list, each a whole number above 0 (at least one), not []"
    assert f"pipeline.{slot}.hidden: {want}" in found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "my.yaml: empty; a recipe holds at least 'base: scgnn'"),
        ("# nothing\n", "my.yaml: empty; a recipe holds at least 'base: scgnn'"),
        ("- base: scgnn", "my.yaml:1: a list, but a recipe is a mapping such as 'base: scgnn'"),
        ("scgnn", "my.yaml:1: a single value, but a recipe is a mapping such as 'base: scgnn'"),
        ("seed: 1\nseed: 2", "my.yaml:2: 'seed' is given twice (first on line 1)"),
        ("data:\n\tseed: 1", "my.yaml:2: a tab indents this line; YAML wants spaces"),
        ("data: [1", "my.yaml:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c", "my.yaml:1: not YAML: mapping values are not allowed here"),
        ("a: *b", "my.yaml:1: not YAML: found undefined alias 'b'"),
        ("? [a]\n: 1", "my.yaml:1: a key must be a word"),
        ("seed: 1\n---\nseed: 2", "my.yaml:2: not YAML: but found another document"),
        ("data: &a\n  b: *a", "my.yaml:1: aliases or nesting grow this file beyond any recipe"),
        ("seed: " + "[" * 50, "my.yaml:1: not YAML: "),
        ("seed: " + "[" * 50 + "]" * 50, "my.yaml:1: aliases or nesting grow this file beyond any"),
        ("seed: " + "[" * 9000 + "]" * 9000, "my.yaml: nested too deeply"),
        ("seed: !!python/object/apply:os.getcwd []", "my.yaml:1: tag:yaml.org,2002:python/object"),
        ("pipeline: !!python/object:os.system {name: scgnn}", "my.yaml:1: tag:yaml.org,2002:pyt"),
        ("seed: !!python/name:os.system", "my.yaml:1: tag:yaml.org,2002:python/name:os.system"),
        ("seed: !mine 3", "my.yaml:1: !mine '3': a recipe is plain data, no objects or code"),
        ("seed: !!int abc", "my.yaml:1: tag:yaml.org,2002:int 'abc': a recipe is plain data"),
        ("seed: \x07", "my.yaml: not YAML (unacceptable character #x0007"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_in_one_line(refused, text, line):
    Path("my.yaml").write_text(text)
    (found,) = refused("run", "my.yaml", "--out", "out")
    assert found.startswith(line)


def alias_bomb() -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 11)]
    return "\n".join(rows)


def test_an_alias_bomb_is_refused_with_little_memory(refused):
    Path("my.yaml").write_text(alias_bomb())
    tracemalloc.start()
    (found,) = refused("run", "my.yaml", "--out", "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.endswith("aliases or nesting grow this file beyond any recipe")
    assert peak < 30e6


NO_TEXT = {
    "a folder": (lambda: Path("my.yaml").mkdir(), "a directory, not a recipe; name a .yaml file"),
    "missing": (lambda: None, "no such recipe file"),
    "binary": (
        lambda: Path("my.yaml").write_bytes(b"\x89HDF\xff"),
        "not a text file, so not a rec",
    ),
    "utf-16": (lambda: Path("my.yaml").write_text("seed: 1", "utf-16"), "not a text file, so not"),
}


@pytest.mark.parametrize("case", NO_TEXT)
def test_what_is_no_text_file_is_refused_in_one_line(refused, case):
    make, line = NO_TEXT[case]
    make()
    (found,) = refused("run", "my.yaml", "--out", "out")
    assert found.startswith(f"my.yaml: {line}")


def test_every_mistake_has_a_line(refused):
    Path("my.yaml").write_text("base: scgnn\nseed: x\npipeline:\n  graph_encoder: gta\n  stop: 1\n")
    lines = refused("run", "my.yaml", "--out", "out")
    assert [line.split(": ")[0] for line in lines] == ["my.yaml:2", "my.yaml:4", "my.yaml:5"]
    assert refused("check", "my.yaml") == refused("show", "my.yaml") == lines


WRONG_WORDS = {
    "run scgn": "unknown recipe 'scgn'. Did you mean 'scgnn'? Known: ",
    "check scgnn --set seed": "--set seed: write it as PATH=VALUE, e.g. seed=2",
    "run scgnn --set data.reader.cels=3": "--set data.reader.cels=3: data.reader.cels: unknown par",
    "run scgnn --export seurat": "--export seurat: unknown; 'scgnn' writes the original's four f",
    "run scgnn --data gone.h5ad": "gone.h5ad does not exist",
    "run scgnn --resume": "runs/scgnn: no unfinished run of this recipe to resume; name it with",
    "list encoders": "unknown kind 'encoders'. Did you mean 'encoder'? Known: ",
    "show encoders.mlp": "unknown kind 'encoders'. Did you mean 'encoder'? Known: ",
    "show encoder.mpl": "unknown encoder 'mpl'. Did you mean 'mlp'? Known: ",
    "show encoder": "encoder is a kind: 'scgnn-recipe list encoder' names its components, and ",
    "show scgn": "unknown recipe 'scgn'. Did you mean 'scgnn'? Known: ",
    "diff scgnn scgn": "unknown recipe 'scgn'. Did you mean 'scgnn'? Known: ",
}


@pytest.mark.parametrize("words", WRONG_WORDS)
def test_a_wrong_word_is_refused_in_one_line(refused, words):
    (found,) = refused(*words.split())
    assert found.startswith(WRONG_WORDS[words])


@pytest.mark.parametrize("words", ["run", "run scgnn --oout x", "rum scgnn", "run x --threads 0"])
def test_a_command_that_does_not_exist_is_explained(refused, words):
    assert "Usage: scgnn-recipe" in "\n".join(refused(*words.split()))


@pytest.mark.parametrize("case", ["unknown name", "alias bomb"])
def test_the_installed_command_refuses_a_wrong_recipe_in_one_line(folder, tree, case):
    text = alias_bomb() if case == "alias bomb" else "base: scgnn\npipeline: {clusterer: lieden}\n"
    Path("my.yaml").write_text(text)
    script = Path(sys.executable).with_name("scgnn-recipe")
    done = subprocess.run([script, "run", "my.yaml"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("my.yaml:")
    assert list(tree(folder)) == ["my.yaml"]


# --- what it shows ------------------------------------------------------------------------------


def test_help_loads_neither_torch_nor_any_other_heavy_library():
    check = (
        "import sys\n"
        "from scgnn.cli import main\n"
        "sys.argv = ['scgnn-recipe', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    heavy = {'torch', 'numpy', 'scipy', 'dgl', 'anndata', 'pandas', 'yaml', 'pydantic'}\n"
        "    sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for word in ("run", "check", "show", "diff", "list", "test", "new", "doctor"):
        assert f" {word} " in done.stdout


def test_list_names_every_component_and_recipe(command):
    done = command("list")
    assert done.code == 0
    assert done.err == ""
    rows = [line.split()[0] for line in done.out.splitlines() if line.startswith("  ")]
    assert sorted(rows) == sorted(
        [name for kind in kinds().values() for name in kind.names()] + list(bundled())
    )


def test_list_of_a_kind_names_it_alone(command):
    done = command("list", "encoder")
    assert done.out.splitlines()[0] == "encoder"
    assert ", ".join(line.split()[0] for line in done.out.splitlines()[1:]) == ENCODERS
    done = command("list", "recipe")
    assert len(done.out.splitlines()) == 1 + len(bundled())


def test_show_prints_a_recipe_that_runs(command):
    done = command("show", "scgnn_gat_leiden", "--set", "seed=5")
    Path("shown.yaml").write_text(done.out)
    assert load_recipe("shown.yaml") == load_recipe("scgnn_gat_leiden", {"seed": 5})
    assert all(len(line) < 160 for line in done.out.splitlines())


def test_show_explains_a_component(command):
    out = command("show", "encoder.gat").out
    assert "Graph attention" in out
    assert "heads: 2    (a whole number above 0)" in out
    assert "Attention heads: side by side in the inner layers, averaged in the last." in out
    assert out.endswith("needs: graph\n")


def test_diff_names_what_differs(command):
    assert command("diff", "scgnn", "scgnn").out == "no difference\n"
    lines = command("diff", "scgnn", "scgnn_gat_leiden").out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "pipeline.graph_encoder",
        "pipeline.clusterer",
    ]
    assert " -> leiden (" in lines[1]


def test_check_says_what_a_recipe_will_do_and_runs_nothing(command, folder, tree):
    done = command("check", "scgnn", "--set", "pipeline.graph_builder.k=7", "--labels", "type")
    assert done.code == 0
    assert "knn (k 7, " in done.out
    assert "labels      type" in done.out
    assert done.out.endswith("no mistakes found; nothing was run\n")
    assert tree(folder) == {}


def test_doctor_says_what_works(command):
    done = command("doctor")
    assert done.code == 0
    assert all(line.startswith("ok ") for line in done.out.splitlines())
    assert "dgl              1.1.3" in done.out


def test_doctor_says_what_to_do_about_what_does_not_work(command, monkeypatch):
    def broken():
        raise OSError("libdgl.so: cannot open shared object file")

    monkeypatch.setattr(doctor, "_pass_messages", broken)
    done = command("doctor")
    assert done.code == 1
    (line,) = [line for line in done.out.splitlines() if line.startswith("BAD")]
    assert line.startswith(
        "BAD  dgl              OSError: libdgl.so: cannot open shared object file"
    )
    assert "pip install dgl==1.1.3" in line


# --- runs ---------------------------------------------------------------------------------------


def test_a_run_in_a_pipe_is_plain_lines(command, sets, small):
    done = command("run", "scgnn", *sets(small("scgnn")), "--out", "out", "--labels", "group")
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.out + done.err
    told = done.err.splitlines()
    assert told[0].startswith("demo: 60 cells x 50 genes")
    assert sum(line.startswith("iteration 2 ") for line in told) == 6  # five stages, imputation
    assert re.search(
        r"^iteration 1 +graph autoencoder +\d+\.\d s  2 epochs, loss \S+$", done.err, re.M
    )
    for word in ("clusters: ", "iterations: 2, ", "ARI: ", "stage LTMG: ", "files in out: "):
        assert sum(line.startswith(word) for line in done.out.splitlines()) == 1


def test_a_run_goes_to_a_folder_named_after_recipe_and_data(command, sets, small, counts):
    counts().write_h5ad("my cells.h5ad")
    changes = {k: v for k, v in small("pca_leiden").items() if not k.startswith("data.")}
    words = ["run", "pca_leiden", "--data", "my cells.h5ad", *sets(changes)]
    assert command(*words).code == 0
    assert command(*words).code == 0
    assert sorted(os.listdir("runs")) == ["pca_leiden-my cells", "pca_leiden-my cells-2"]
    reader = load_recipe("runs/pca_leiden-my cells/recipe.yaml").data.reader
    assert reader.path == os.path.abspath("my cells.h5ad")


def test_the_original_programs_files_are_written_when_asked(command, sets, small):
    done = command("run", "scgnn", *sets(small("scgnn")), "--out", "out", "--export", "scgnn")
    files = [f"scgnn_{end}" for end in ("embedding.csv", "results.txt", "recon.csv", "graph.csv")]
    assert set(files) <= set(os.listdir("out"))
    assert all(name in done.out for name in files)


def test_threads_limit_libraries_that_are_loaded_later_too():
    check = (
        "import sys\n"
        "from scgnn.threads import set_threads\n"
        "set_threads(1)\n"
        "import sklearn.cluster\n"
        "from threadpoolctl import threadpool_info\n"
        "sys.exit([pool for pool in threadpool_info() if pool['num_threads'] != 1] or 0)\n"
    )
    free = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, env=free)
    assert done.returncode == 0, done.stderr


# --- in a terminal --------------------------------------------------------------------------------


def test_bars_show_stage_iteration_epoch_loss_and_time_left():
    terminal = Console(force_terminal=True, file=io.StringIO(), width=120)
    with console.watching(terminal, most_iterations=3):
        told = listener()
        told.begin("feature autoencoder", 2)
        for epoch in (1, 2, 3):
            told.epoch(epoch, 60, 12.5)
            time.sleep(0.12)  # bars are drawn ten times a second
        told.begin("clustering", 2)
        time.sleep(0.12)
        told.end("clustering", 2, 0.5, False)
    text = re.sub(ANSI, "", terminal.file.getvalue())
    assert re.search(r"iterations \(at most\) +[━╸╺]+ +1/3 ", text)
    assert re.search(r"iteration 2 +feature autoencoder +[━╸╺]+ +3/60 loss 12.5 +0:00:\d\d", text)
    assert re.search(r"iteration 2 +clustering +[━╸╺]+ +(?!\S)", text)
    assert re.search(r"iteration 2 +clustering +0.5 s", text)


def test_a_pipeline_without_iterations_has_no_bar_for_them():
    terminal = Console(force_terminal=True, file=io.StringIO(), width=120)
    with console.watching(terminal, most_iterations=0):
        listener().begin("cell graph", 0)
        time.sleep(0.12)
    text = re.sub(ANSI, "", terminal.file.getvalue())
    assert "start         cell graph" in text
    assert "iterations" not in text


def test_ctrl_c_is_one_line_and_the_run_can_be_gone_on_with(command, sets, small, monkeypatch):
    words = ["run", "scgnn", *sets(small("scgnn")), "--out", "out"]

    def pressed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Leiden, "__call__", pressed)
        done = command(*words, "--set", "pipeline.clusterer=leiden")
    assert done.code == 130
    assert done.err.splitlines()[-1] == INTERRUPTED
    assert done.out == ""
    assert sorted(os.listdir("out")) == ["log.txt", "recipe.yaml", "stages"]
    resumed = command(*words, "--set", "pipeline.clusterer=leiden", "--resume")
    assert resumed.code == 0
    assert resumed.err.count("from the store") == 4  # LTMG, features, graph, graph embedding
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
    except OSError:  # how Linux says that the other side is closed
        return b""


@pytest.mark.slow
def test_bars_in_a_terminal_ctrl_c_and_going_on(command, sets, small):
    """Stage, iteration, epoch, loss, time left; then exit code 130, one line, and --resume."""
    changes = small("scgnn") | {"pipeline.stop.ari": 1.0}
    changes |= {"pipeline.iteration_training.epochs": 1500}
    words = ["run", "scgnn_published_code", *sets(changes), "--out", "out"]

    bar = r"iteration 2 +feature autoencoder +[━╸╺ ]+\d+/1500 loss \S+ +0:\d\d:\d\d"
    code, text = in_a_terminal(words, ctrl_c_at=bar)
    assert code == 130
    assert re.search(r"iterations \(at most\) +[━╸╺]+ +1/2 ", text)
    assert text.splitlines()[-1] == INTERRUPTED
    assert "Traceback" not in text
    assert sorted(os.listdir("out")) == ["log.txt", "recipe.yaml", "stages"]

    resumed = command(*words, "--resume")
    assert resumed.code == 0
    assert resumed.err.count("from the store") >= 5
