"""Which texts are numbers, and which stand for a missing cell."""

import math
import re

# float() also takes 1_000, Arabic digits, "nan" and "infinity"; none of them is a number in a file.
_number = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_infinity = re.compile(r"[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)

MISSING_MARKERS = ("", "#N/A", "?", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null")
"""Texts of a CSV cell that stand for a missing value, after blanks around them are cut off."""


def number_of(text: str) -> float | None:
    """The finite number a text spells, or None: `number_of("1.5e3") == 1500.0`, and `number_of("1_000")` is None."""
    if not _number.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def is_infinite(text: str) -> bool:
    """Whether a text spells a number that float64 cannot hold: `1e400`, `-inf`."""
    return bool(_infinity.fullmatch(text)) or (bool(_number.fullmatch(text)) and math.isinf(float(text)))
