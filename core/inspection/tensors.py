"""Arrays in an answer: in full, or as the few numbers that tell whether anything is wrong with them."""

import math
from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from core.arrays import Array, Model

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class NonFinite(Model):
    """An array with entries that are no numbers; in the answer they are null."""

    pointer: str
    """Where the array stands in the answer."""

    count: int


class TensorSummary(Model):
    """What an array of n entries looks like; entries that are not finite are counted and otherwise left out."""

    shape: list[int]
    l2: float
    """Square root of the sum of squares."""

    rms: float
    """Square root of the mean of squares."""

    mean: float
    min: float
    max: float
    max_abs: float
    quantiles: dict[str, float]
    zeros: int
    """Entries that are exactly 0."""

    non_finite: int


def summarize(array: Array) -> TensorSummary | None:
    """The summary of an array; None when no entry is finite."""
    finite = np.asarray(array[np.isfinite(array)], np.float64)
    if not finite.size:
        return None
    largest, scaled, square = _scaled(finite)
    return TensorSummary(
        shape=list(array.shape),
        l2=_bounded(largest * square**0.5),
        rms=largest * (square / finite.size) ** 0.5,
        mean=largest * float(scaled.mean()) if largest else 0.0,
        min=float(finite.min()),
        max=float(finite.max()),
        max_abs=largest,
        quantiles=dict(zip(map(str, QUANTILES), np.quantile(finite, QUANTILES).tolist(), strict=True)),
        zeros=int(finite.size - np.count_nonzero(finite)),
        non_finite=int(array.size - finite.size),
    )


def rms(array: Array) -> float:
    """Square root of the mean of squares of the finite entries; NaN where none is finite."""
    found = array[np.isfinite(array)]
    if not found.size:
        return math.nan
    largest, _, square = _scaled(found)
    return largest * math.sqrt(square / found.size)


def _scaled(entries: Array) -> tuple[float, Array, float]:
    """The largest |entry|, the entries divided by it, and the sum of squares of those.

    Squares of numbers beyond 1e154 overflow, those of numbers below 1e-154 vanish.
    """
    largest = float(np.abs(entries).max())
    scaled = entries / largest if largest else entries
    return largest, scaled, float(scaled.dot(scaled))


def _bounded(value: float) -> float:
    return min(value, float(np.finfo(np.float64).max))


def finite(value: float) -> float | None:
    """The number as it may stand in JSON: null where it is none."""
    return value if math.isfinite(value) else None


def nested(array: Array) -> list[Any] | float | None:
    """The array as nested lists, null where an entry is not finite."""
    shown: Array = array
    if not np.isfinite(array).all():
        shown = array.astype(object)
        shown[~np.isfinite(array)] = None
    lists: list[Any] | float | None = shown.tolist()
    return lists


def _written(shown: Array | TensorSummary | None) -> object:
    return nested(shown) if isinstance(shown, np.ndarray) else shown


Shown = Annotated[
    Array | TensorSummary | None,
    # Arrays are written as they are, without a look at each of a million numbers.
    PlainValidator(lambda value: value),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["array", "number"], "description": "nested lists; null where an entry is not finite"},
                TensorSummary.model_json_schema(),
                {"type": "null"},
            ]
        }
    ),
]
"""An array of an answer, or its summary; null for a summary of an array without a finite entry."""


def non_finite(arrays: Iterable[tuple[str, Array]]) -> list[NonFinite]:
    """Those of the arrays, each with its pointer, that hold an infinity or a NaN."""
    counts = ((pointer, int(array.size - np.isfinite(array).sum())) for pointer, array in arrays)
    return [NonFinite(pointer=pointer, count=count) for pointer, count in counts if count]
