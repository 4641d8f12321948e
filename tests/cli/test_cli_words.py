"""Invalid arguments of the command: one line, exit code 2, no output folder."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("work_dir")


WRONG_WORDS = {
    "run scgn": "unknown recipe 'scgn'. Did you mean 'scgnn'? Known: ",
    "check scgnn --set seed": "--set seed: expected PATH=VALUE, e.g. --set seed=2",
    "run scgnn --set data.reader.cels=3": "--set data.reader.cels=3: data.reader.cels: unknown par",
    "run scgnn --export seurat": "--export seurat: unknown format; known: scgnn",
    "run scgnn --data gone.h5ad": "gone.h5ad does not exist",
    "run scgnn --resume": "runs/scgnn: no unfinished run of this recipe to resume; name its folder",
    "list encoders": "unknown kind 'encoders'. Did you mean 'encoder'? Known: ",
    "show encoders.mlp": "unknown kind 'encoders'. Did you mean 'encoder'? Known: ",
    "show encoder.mpl": "unknown encoder 'mpl'. Did you mean 'mlp'? If it is your own, add --plug",
    "show gatv2": "unknown recipe 'gatv2'. Did you mean 'scgnn_gatv2'? There is a component "
    "encoder.gatv2. Known: ",
    "run hdbscn": "unknown recipe 'hdbscn'. Did you mean 'scgnn_hdbscan'? There is a component clu",
    "test mlp": "unknown kind 'mlp'. There is a component decoder.mlp and a component encoder.mlp",
    "list log1p": "unknown kind 'log1p'. There is a component transform.log1p. Known: ",
    "check scgnn --set pipeline.clusterer=clusterer.leiden": "--set pipeline.clusterer=clusterer."
    "leiden: pipeline.clusterer.name: unknown clusterer 'clusterer.leiden'. Did you mean 'leiden'?",
    "check scgnn --set pipeline.clusterer=gat": "--set pipeline.clusterer=gat: pipeline.clusterer."
    "name: unknown clusterer 'gat'. There is a component encoder.gat. If it is your own, add --pl",
    "show encoder": "'encoder' is a kind of component: use 'scgnn-recipe list encoder' to list its "
    "components, or ",
    "show scgn": "unknown recipe 'scgn'. Did you mean 'scgnn'? Known: ",
    "diff scgnn scgn": "unknown recipe 'scgn'. Did you mean 'scgnn'? Known: ",
}


@pytest.mark.parametrize("words", WRONG_WORDS)
def test_a_wrong_word_is_refused_in_one_line(run_rejected, words):
    (line,) = run_rejected(*words.split())
    assert line.startswith(WRONG_WORDS[words])


@pytest.mark.parametrize("words", ["run", "run scgnn --oout x", "rum scgnn", "run x --threads 0"])
def test_a_command_that_does_not_exist_is_explained(run_rejected, words):
    assert "Usage: scgnn-recipe" in "\n".join(run_rejected(*words.split()))
