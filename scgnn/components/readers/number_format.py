"""Numbers of text tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from scgnn.errors import InputError

Decimal = Literal["point", "comma"]

MISSING_VALUES = {"", "na", "nan", "null", "none", "#n/a", "n/a", "<na>"}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
COMMA_NUMBER = re.compile(r"[+-]?\d+,\d*([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")


def is_missing(value: str) -> bool:
    """Return whether a field has no value."""
    return value.lower() in MISSING_VALUES


def is_number(value: str) -> bool:
    """Return whether a field is a number, with a decimal point or a comma."""
    if value.isascii() and value.isdecimal():  # nearly all
        return True
    return any(pattern.fullmatch(value) for pattern in (NUMBER, COMMA_NUMBER, THOUSANDS))


def is_text(value: str) -> bool:
    """Return whether a field is neither missing nor a number."""
    return not is_missing(value) and not is_number(value)


def detect_decimal(values: Iterable[str], path: Path) -> Decimal:
    """Return whether numbers have decimal points or commas.

    Raises
    ------
    InputError
        If commas can be those of decimals and of thousands.
    """
    with_comma = [value for value in values if "," in value and is_number(value)]
    if not with_comma:
        return "point"
    decimals = [value for value in with_comma if not THOUSANDS.fullmatch(value)]
    if decimals:
        return "comma"
    problem = f"the comma of '{with_comma[0]}' can be one of decimals or of thousands"
    advice = "set data.reader.decimal to comma, or remove the separators of thousands"
    raise InputError(f"{path}: {problem}: {advice}")


def parse_number(value: str, decimal: Decimal, location: str) -> float:
    """Return the number of a field, or nan where it is missing.

    Raises
    ------
    InputError
        If it is not a number.
    """
    if is_missing(value):
        return float("nan")
    if decimal == "comma" and COMMA_NUMBER.fullmatch(value):
        return float(value.replace(",", "."))
    if NUMBER.fullmatch(value) and not (decimal == "comma" and "." in value):
        return float(value)
    advice = ""
    if decimal == "comma" and "." in value:
        advice = ", because the table has decimal commas: write all numbers in one way"
    elif THOUSANDS.fullmatch(value):
        advice = ": remove the separators of thousands"
    elif COMMA_NUMBER.fullmatch(value):
        advice = ": set data.reader.decimal to comma if the table has decimal commas"
    elif not any(map(str.isalnum, value)):
        advice = ": write 0 for zeros"
    raise InputError(f"{location}: '{value}' is not a number{advice}")
