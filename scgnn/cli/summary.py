"""summary"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

SCORE_LABELS = (
    ("ari", "ARI"),
    ("ami", "AMI"),
    ("nmi", "NMI"),
    ("homogeneity", "homogeneity"),
    ("completeness", "completeness"),
    ("silhouette", "silhouette"),
    ("calinski_harabasz", "Calinski-Harabasz"),
    ("davies_bouldin", "Davies-Bouldin"),
)


IMPUTATION_LABELS = {
    "thinning": "hidden molecules",
    "truth": "truth",
    "false_signal": "false signal",
    "imputation": "hidden entries",
}


DISPLAYED_BASELINES = (
    "unimputed",
    "diffusion",
)  # controls that are shown with a score of imputation


def format_imputation_scores(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each score of imputation in words, with those of two controls beside it."""
    controls = metrics.get("imputation_baselines") or {}
    beside = {
        name: _group_scores(controls[name]) for name in DISPLAYED_BASELINES if name in controls
    }
    found = []
    for (group, score), value in _group_scores(metrics).items():
        word = IMPUTATION_LABELS[group] + (f", {score.replace('_', ' ')}" if score else "")
        others = ", ".join(
            f"{n} {_format_score(of.get((group, score)))}" for n, of in beside.items()
        )
        found.append(
            (word, f"{_format_score(value)} ({others})" if others else _format_score(value))
        )
    return found


def _group_scores(metrics: Mapping[str, Any]) -> dict[tuple[str, str], float | None]:
    """The scores of imputation by group and name; a group may be a score itself."""
    there = {group: metrics[group] for group in IMPUTATION_LABELS if group in metrics}
    parts = {g: v if isinstance(v, Mapping) else {"": v} for g, v in there.items()}
    return {(group, name): v for group, part in parts.items() for name, v in part.items()}


def _format_score(value: float | None) -> str:
    return "–" if value is None else f"{value + 0.0:.3f}"


def print_summary(console: Console, metrics: dict[str, Any], files: list[Path], out: Path) -> None:
    """The end of a run: clusters, why it stopped, scores, time and memory by stage, files."""
    facts = [
        ("cells x genes", f"{metrics['n_cells']} x {metrics['n_genes']}"),
        ("clusters", str(metrics["n_clusters"])),
        ("iterations", f"{metrics['iterations']}, {metrics['stop_reason']}"),
    ]
    dead = {"dead_units": "embedding units", "dead_genes": "genes"}
    counted = [f"{metrics[name]} {word}" for name, word in dead.items() if name in metrics]
    if counted:
        facts.append(("always zero", ", ".join(counted)))
    facts += [
        (word, f"{metrics[name]:.3f}")
        for name, word in SCORE_LABELS
        if metrics.get(name) is not None
    ]
    facts += format_imputation_scores(metrics)
    seconds, peaks = metrics["seconds"], metrics["peak_memory_mb_by_stage"]
    stages = [(name, f"{seconds[name]:.1f}", f"{peaks[name]:.0f}") for name in seconds]
    stages.append(("all", f"{sum(seconds.values()):.1f}", f"{metrics['peak_memory_mb']:.0f}"))
    names = ", ".join(path.name for path in files)
    if not console.is_terminal:
        for word, value in facts:
            console.print(f"{word}: {value}", highlight=False, soft_wrap=True)
        for name, took, peak in stages:
            console.print(
                f"stage {name}: {took} s, peak {peak} MB", highlight=False, soft_wrap=True
            )
        console.print(f"files in {out}: {names}", highlight=False, soft_wrap=True)
        return
    left = Table.grid(padding=(0, 2))
    for word, value in facts:
        left.add_row(Text(word, style="cyan"), value)
    right = Table(
        "stage", "seconds", "peak MB", box=None, header_style="cyan", padding=(0, 2, 0, 0)
    )
    for column in right.columns[1:]:
        column.justify = "right"
    for row in stages:
        right.add_row(*row)
    console.print(Panel(Group(left, "", right, "", f"{out}/  {names}"), title="done", expand=False))
