"""Columns of whole numbers, such as token ids, that feed an input as they are."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.arrays import Model
from core.data.choice import Choice
from core.data.schema import holds_integers
from core.data.table import Column, Flags, Indices, NumberColumn, Table
from core.errors import Invalid, Problem, pointer

_SHOWN_ROWS = 10
_MOST_PROBLEMS = 100
# Beyond it float64 no longer tells neighbouring whole numbers apart.
_LARGEST = 2.0**53


class IndexPreparation(Model):
    """L columns of whole numbers from 0; nothing is fitted, filled in or scaled."""

    kind: Literal["indices"] = "indices"
    columns: list[str]

    @property
    def names(self) -> list[str]:
        return self.columns

    def apply(self, table: Table) -> NDArray[np.int64]:
        """The indices of the n rows, (n, L).

        Raises Invalid, with pointers `/rows/3/t0`, for a cell that is missing, negative or not whole.
        """
        columns = [table.column(name) for name in self.columns]
        problems = [
            Problem(pointer("rows", row, column.name), f"is {what}; this input takes whole numbers from 0")
            for column in columns
            for row, what in faults(column)
        ]
        if problems:
            raise Invalid(problems[:_MOST_PROBLEMS])
        return np.stack([_numbers(column) for column in columns], axis=1).astype(np.int64)


def fit_indices(table: Table, rows: Indices, choice: Choice) -> IndexPreparation:
    """The preparation of these columns for an input of whole numbers.

    Raises Invalid, at the place of each column, naming the first of these rows that cannot be fed.
    """
    problems: list[Problem] = []
    for name, place in zip(choice.columns, choice.places, strict=True):
        column = table.column(name)
        if column.kind != "number":
            detail = f"column {name!r} is a {column.kind} column; an input of dtype int takes whole numbers from 0"
            problems.append(Problem(place, detail))
            continue
        problems += [
            Problem(place, f"row {rows[row]} of column {name!r} is {what}; an input of dtype int takes whole numbers")
            for row, what in faults(column.take(rows))[:1]
        ]
    if problems:
        raise Invalid(problems[:_MOST_PROBLEMS])
    return IndexPreparation(columns=list(choice.columns))


def faults(column: Column) -> Sequence[tuple[int, str]]:
    """The first cells of a column that are no indices: their rows, and what they are instead."""
    values = _numbers(column)
    missing = column.missing
    present = np.where(missing, 0.0, values)
    if not missing.any() and holds_integers(present) and present.min(initial=0) >= 0 and present.max() < _LARGEST:
        return ()
    strange: Flags = missing | (present < 0) | (present != np.rint(present)) | (present >= _LARGEST)
    return [(row, _what(float(values[row]))) for row in np.flatnonzero(strange)[:_SHOWN_ROWS].tolist()]


def _what(value: float) -> str:
    return "missing" if np.isnan(value) else f"{value:g}"


def _numbers(column: Column) -> NDArray[np.float64]:
    if not isinstance(column, NumberColumn):
        raise Invalid([Problem(pointer(column.name), f"is a column of kind {column.kind}, not number")])
    return column.values
