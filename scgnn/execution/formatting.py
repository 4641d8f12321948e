"""Numbers, durations, counts and lists of names as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"  # of log.txt


def format_number(
    value: float | None, uncertainty: float | None = None, *, sign: bool = False
) -> str:
    """Return a number with its significant digits.

    Parameters
    ----------
    value
        Number; None and NaN give an en dash.
    uncertainty
        Standard error, width of an interval or smallest difference of interest: the last digit
        is worth at most a quarter of it. By default, three significant digits.
    sign
        Whether a positive number has a plus sign.
    """
    return format_decimals(value, count_decimals([value], [uncertainty]), sign=sign)


def format_decimals(value: float | None, decimals: int, *, sign: bool = False) -> str:
    """Return a number with a given number of decimals; None and NaN give an en dash."""
    if value is None or not math.isfinite(value):
        return "∞" if value is not None and value > 0 else "–"
    rounded = round(float(value), decimals) + 0.0  # no negative zero
    return f"{rounded:{'+' if sign and rounded else ''},.{decimals}f}".replace("-", "−")


def count_decimals(
    values: Iterable[float | None], uncertainties: Iterable[float | None] | None = None
) -> int:
    """Return the decimals of a column: as many as its most precise number needs.

    At most six, three from 1 on, and six digits in the largest number. Parameters as in
    :func:`format_number`.
    """
    numbers = [math.nan if value is None else float(value) for value in values]
    if uncertainties is None:
        uncertainties = [None] * len(numbers)
    n_decimals = 0
    for value, uncertainty in zip(numbers, uncertainties, strict=True):
        if not math.isfinite(value):
            continue
        if not uncertainty or not math.isfinite(uncertainty):
            uncertainty = abs(value) / 25 if abs(value) > 1e-6 else None
        if uncertainty:
            n_decimals = max(n_decimals, math.ceil(-math.log10(uncertainty / 4)))
    largest = max((abs(value) for value in numbers if math.isfinite(value)), default=0)
    limit = 6 if largest < 1 else max(0, min(3, 5 - math.floor(math.log10(largest))))
    return min(n_decimals, limit)


def format_duration(seconds: float) -> str:
    """Return a duration such as ``0.4 s``, ``12 s``, ``2 min``, ``1.5 h`` or ``4 days``."""
    if seconds < 90:
        return f"{seconds:.{1 if seconds < 10 else 0}f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:,.0f} days"


def format_count(n: int, noun: str) -> str:
    """Return a count with its noun: ``1 run``, ``2 runs``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def join_names(names: Sequence[str], max_names: int = 12) -> str:
    """Return names as a list in a sentence; beyond ``max_names``, the rest is counted."""
    if len(names) > max_names:
        return f"{', '.join(names[: max_names - 1])} and {len(names) - max_names + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
