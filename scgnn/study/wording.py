"""Comparisons of a study in sentences: how many there are, and why there may be none."""

from __future__ import annotations

from collections.abc import Mapping

from scgnn.evaluation.scores import EMBEDDING_SCORES, LABEL_SCORES, SCORES
from scgnn.execution.formatting import format_count, join_names
from scgnn.study.spec import Study


def describe_comparisons(numbers: Mapping[str, int]) -> str:
    """Return the number of tests by kind, from :attr:`~scgnn.study.spec.Study.comparisons`."""
    if not numbers:
        return "none"
    text = join_names([format_count(n, kind) for kind, n in numbers.items()])
    correction = "Holm's correction" + (" within each kind" if len(numbers) > 1 else "")
    return f"{text} per score ({correction})"


def describe_missing_scores(study: Study) -> str:
    """Return why variants cannot be ranked, and what to do; "" if they can."""
    unlabeled = [name for name in study.scores if name in LABEL_SCORES and not study.has_labels]
    if unlabeled:
        verb = "needs" if len(unlabeled) == 1 else "need"
        return f"{join_names(unlabeled)} {verb} labels; set data.labels_key or data.labels_file"
    if study.scores or study.has_comparable_scores or not study.comparisons:
        return ""
    names = join_names([SCORES[name].label for name in EMBEDDING_SCORES])
    return (
        f"nothing comparable is scored: without labels, {names} are computed in each "
        "variant's own embedding and do not tell which variant is better; set data.labels_key or "
        "data.labels_file, score imputation, or list scores, e.g. 'scores: [silhouette]'"
    )
