"""Rows of a request as a table with columns known beforehand, and rows of a table as JSON."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from core.arrays import Shape, size_of
from core.data.cells import (
    MOST_PROBLEMS,
    Cell,
    Place,
    cell_problems,
    is_cell,
    membership_problems,
    numbers_of_cells,
    row_place,
    shown,
    text_of,
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


def table_from_inputs(
    inputs: Sequence[object], forms: Sequence[ColumnForm], *, shape: Shape = (), place: str = "/inputs"
) -> Table:
    """The table of n rows that are lists of cells in the order of these columns, or lists nested by a shape with as
    many entries.

    Raises Invalid, at `/inputs/3/1` or, in a nested row, at `/inputs/3/0/7/7`.
    """
    nested = shape if size_of(shape) == len(forms) else (len(forms),)
    flat: list[list[Cell]] = []
    problems: list[Problem] = []
    for row, cells in enumerate(inputs):
        found = _flat(cells, nested, f"{place}/{row}", len(forms))
        if isinstance(found, Problem):
            problems.append(found)
        else:
            flat.append(found)
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise Invalid(problems)

    return _table(
        forms,
        lambda position: [cells[position] for cells in flat],
        lambda position: lambda row: f"{place}/{row}" + place_in_row(inputs[row], position, nested),
    )


def place_in_row(cells: object, position: int, shape: Shape) -> str:
    """Where the cell of a column stands in a row: `/5`, or in a nested row `/0/7/7`."""
    return pointer(*(_index_of(position, shape) if _is_nested(cells) else [position]))


def _is_nested(cells: object) -> bool:
    return not isinstance(cells, list) or any(type(cell) is list for cell in cells)


def _index_of(position: int, shape: Shape) -> list[int]:
    """The index of an entry at a row-major position: 7 of (2, 4) is at [1, 3]."""
    index = []
    for axis in reversed(shape):
        position, step = divmod(position, axis)
        index.append(step)
    return index[::-1]


def _flat(cells: object, shape: Shape, place: str, width: int) -> list[Cell] | Problem:
    """The cells of one row in a list of this width, or what is wrong with their nesting."""
    if not isinstance(cells, list) and shape:
        return Problem(place, f"is no list of {width} cells", got=shown(cells))
    if isinstance(cells, list) and not _is_nested(cells):
        if len(cells) != width:
            return Problem(place, f"has {len(cells)} cells where there are {width} columns")
        return cells
    entries: list[tuple[object, str]] = [(cells, place)]
    for axis in shape:
        for entry, at in entries:
            if not isinstance(entry, list) or len(entry) != axis:
                what = f"{len(entry)} entries" if isinstance(entry, list) else "no list"
                return Problem(at, f"is {what} where the shape {list(shape)} has {axis}")
        entries = [
            (inner, f"{at}/{index}") for entry, at in entries for index, inner in enumerate(cast("list[object]", entry))
        ]
    return [cast("Cell", entry) for entry, _ in entries]


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
    problems = cell_problems(cells, place, lambda cell: not is_cell(cell) or not form.takes(cell), "is not a text")
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
