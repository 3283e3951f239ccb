"""Rows of a request as a table with columns known beforehand, and rows of a table as JSON."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.data.cells import (
    MOST_PROBLEMS,
    Cell,
    Place,
    cell_problems,
    membership_problems,
    numbers_of_cells,
    row_place,
    text_of,
    width_problems,
)
from core.data.numerals import number_of
from core.data.schema import encode
from core.data.table import Column, NumberColumn, Table
from core.errors import Invalid, Problem, pointer


@dataclass(frozen=True)
class ColumnForm:
    """What the cells of a column must be: numbers, or texts that name categories."""

    name: str
    kind: Literal["number", "category"]
    categories: tuple[str, ...] = ()
    """Those known so far; others are taken too."""

    def takes(self, cell: Cell) -> bool:
        """Whether a category column can mean this cell; numbers and booleans only where some category is one."""
        if cell is None or isinstance(cell, str):
            return True
        if isinstance(cell, bool):
            return not {"true", "false"}.isdisjoint(self.categories)
        return any(number_of(category) is not None for category in self.categories)


def table_from_rows(
    rows: Sequence[Mapping[str, Cell]], forms: Sequence[ColumnForm], *, place: Place = row_place
) -> Table:
    """The table of n rows that are objects with exactly these columns; null is a missing cell.

    Raises Invalid, with pointers `/rows/3/age` unless `place` says otherwise, naming unknown columns, missing
    columns and cells of the wrong type.
    """
    problems = membership_problems(rows, [form.name for form in forms], place)
    if problems:
        raise Invalid(problems)
    return _table(
        forms,
        lambda position: [row[forms[position].name] for row in rows],
        lambda position: lambda row: place(row) + pointer(forms[position].name),
    )


def table_from_inputs(inputs: Sequence[Sequence[Cell]], forms: Sequence[ColumnForm]) -> Table:
    """The table of n rows that are lists of cells in the order of these columns. Raises Invalid, at `/inputs/3/1`."""
    problems = width_problems(inputs, len(forms), "/inputs")
    if problems:
        raise Invalid(problems)
    return _table(
        forms,
        lambda position: [cells[position] for cells in inputs],
        lambda position: lambda row: pointer("inputs", row, position),
    )


def _table(
    forms: Sequence[ColumnForm], cells_at: Callable[[int], list[Cell]], place_at: Callable[[int], Place]
) -> Table:
    problems: list[Problem] = []
    columns: list[Column] = []
    for position, form in enumerate(forms):
        try:
            columns.append(_column(form, cells_at(position), place_at(position)))
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems[:MOST_PROBLEMS])
    return Table(tuple(columns))


def _column(form: ColumnForm, cells: Sequence[Cell], place: Place) -> Column:
    if form.kind == "number":
        return NumberColumn(form.name, numbers_of_cells(cells, place))
    problems = cell_problems(cells, place, lambda cell: not form.takes(cell), "is not a text")
    if problems:
        raise Invalid(problems)
    return encode(form.name, [None if cell is None else text_of(cell) for cell in cells], "category")


def rows_of(table: Table, start: int, stop: int) -> list[dict[str, Cell]]:
    """The rows from `start` to before `stop` as JSON objects; null for missing cells, 3 rather than 3.0."""
    cells = [_cells(column, slice(start, stop)) for column in table.columns]
    return [dict(zip(table.names, row, strict=True)) for row in zip(*cells, strict=True)]


def _cells(column: Column, part: slice) -> list[Cell]:
    if isinstance(column, NumberColumn):
        return [_json_number(value) for value in column.values[part].tolist()]
    return [None if code < 0 else column.categories[code] for code in column.codes[part].tolist()]


def _json_number(value: float) -> Cell:
    if math.isnan(value):
        return None
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value
