"""Score imputation by a recipe and by all baselines.

    python benchmarks/imputation.py zeisel.h5ad klein.h5ad
    python benchmarks/imputation.py --recipe scgnn_quick     # simulated counts
    python benchmarks/imputation.py down.h5ad --truth full.h5ad --set seed=2

Each file is run three times: with half of the molecules hidden and the values of 5 % of the genes
permuted, and with 10 % and 30 % of the non-zeros hidden. With the default recipe this takes minutes
for a hundred cells and hours for thousands.
"""

from __future__ import annotations

import argparse
from typing import Any

from scgnn.cli.options import parse_changes
from scgnn.evaluation.scores import flatten_scores
from scgnn.recipe.load import load_recipe
from scgnn.runs.run import execute

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
    """Return the scores of imputation by dotted name."""
    scores = flatten_scores({group: metrics[group] for group in SCORE_GROUPS if group in metrics})
    return {name: value for name, value in scores.items() if name not in EXCLUDED_SCORES}


def render_table(recipe: str, metrics: dict[str, Any]) -> str:
    """Return a table with the recipe and the baselines in rows and scores in columns."""
    rows = {recipe: select_scores(metrics)}
    rows |= {
        name: select_scores(scores) for name, scores in metrics["imputation_baselines"].items()
    }
    head = [name.partition(".")[2] or name for name in rows[recipe]]
    head = [
        f"truth {word}" if name.startswith("truth.") else word
        for name, word in zip(rows[recipe], head, strict=True)
    ]
    lines = [f"{'':<20}" + "".join(f"{word:>{len(word) + 3}}" for word in head)]
    for name, scores in rows.items():
        cells = (
            f"{'–' if value is None else format(value + 0.0, '.3f'):>{len(word) + 3}}"
            for word, value in zip(head, scores.values(), strict=True)
        )
        lines.append(f"{name:<20}" + "".join(cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="*", help=".h5ad files; default simulated counts")
    parser.add_argument("--recipe", default="scgnn")
    parser.add_argument("--truth", help=".h5ad file with the true counts, for a single input file")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    args = parser.parse_args()
    if args.truth and len(args.files) != 1:
        parser.error("--truth belongs to one file")
    for file in args.files or [None]:
        for title, hidden in MASKING_SETTINGS.items():
            changes = {**parse_changes(args.set), **hidden}
            changes |= {"data.reader": file} if file else {}
            changes |= {"data.truth_path": args.truth} if args.truth else {}
            metrics = execute(load_recipe(args.recipe, changes)).metrics
            print(f"\n{file or 'simulated counts'}: {title}")
            print(render_table(args.recipe, metrics), flush=True)


if __name__ == "__main__":
    main()
