"""Scores of an imputer and of all controls: hidden molecules, hidden non-zeros, false signal.

    python benchmarks/imputation.py zeisel.h5ad klein.h5ad
    python benchmarks/imputation.py --recipe scgnn_quick     # simulated counts
    python benchmarks/imputation.py down.h5ad --truth full.h5ad --set seed=2

Each file is run three times: half of its molecules hidden and the values of a twentieth of its
genes permuted; then a tenth, then three tenths of its non-zeros hidden. With the default recipe
that takes minutes for a hundred cells and hours for thousands.
"""

from __future__ import annotations

import argparse
from typing import Any

from scgnn.cli.options import parse_changes
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute
from scgnn.study.tables import flatten_scores

MASKING_SETTINGS = {
    "half of the molecules hidden, 5 % of the genes permuted": {
        "data.thinning_fraction": 0.5,
        "data.permuted_gene_fraction": 0.05,
    },
    "10 % of the non-zeros hidden": {"data.holdout_fraction": 0.1},
    "30 % of the non-zeros hidden": {"data.holdout_fraction": 0.3},
}
SCORE_GROUPS = ("thinning", "truth", "false_signal", "imputation")
EXCLUDED_SCORES = ("imputation.min_l1", "imputation.max_l1")


def select_scores(metrics: dict[str, Any]) -> dict[str, float | None]:
    """Those of imputation, by dotted names."""
    there = flatten_scores({group: metrics[group] for group in SCORE_GROUPS if group in metrics})
    return {name: value for name, value in there.items() if name not in EXCLUDED_SCORES}


def render_table(recipe: str, metrics: dict[str, Any]) -> str:
    """The recipe and the controls in rows, scores in columns."""
    rows = {recipe: select_scores(metrics)}
    rows |= {name: select_scores(found) for name, found in metrics["imputation_baselines"].items()}
    head = [name.partition(".")[2] or name for name in rows[recipe]]
    head = [
        f"truth {word}" if name.startswith("truth.") else word
        for name, word in zip(rows[recipe], head, strict=True)
    ]
    lines = [f"{'':<20}" + "".join(f"{word:>{len(word) + 3}}" for word in head)]
    for name, found in rows.items():
        cells = (
            f"{'–' if value is None else format(value + 0.0, '.3f'):>{len(word) + 3}}"
            for word, value in zip(head, found.values(), strict=True)
        )
        lines.append(f"{name:<20}" + "".join(cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="*", help="counts in .h5ad; none: simulated counts")
    parser.add_argument("--recipe", default="scgnn")
    parser.add_argument("--truth", help="true counts of the only file, in .h5ad")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    chosen = parser.parse_args()
    if chosen.truth and len(chosen.files) != 1:
        parser.error("--truth belongs to one file")
    for file in chosen.files or [None]:
        for words, hidden in MASKING_SETTINGS.items():
            changes = {**parse_changes(chosen.set), **hidden}
            changes |= {"data.reader": file} if file else {}
            changes |= {"data.truth_path": chosen.truth} if chosen.truth else {}
            metrics = execute(load_recipe(chosen.recipe, changes)).metrics
            print(f"\n{file or 'simulated counts'}: {words}")
            print(render_table(chosen.recipe, metrics), flush=True)


if __name__ == "__main__":
    main()
