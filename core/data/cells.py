"""Tables out of JSON cells: rows as objects, or column names beside rows as lists."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import numpy as np

from core.data.names import name_problems, shorten, text_fault
from core.data.numerals import number_of
from core.data.schema import encode, spell, unknown_kinds
from core.data.table import Column, ColumnKind, Floats, NumberColumn, Table
from core.errors import Invalid, Problem, pointer

Cell = str | int | float | bool | None
Place = Callable[[int], str]
"""The pointer of the cell, or of the whole row, at a row number that counts from 0."""

MOST_PROBLEMS = 100
"""Mistakes that are told at once; a file may hold millions."""

_MOST_IN_A_COLUMN = 10


def row_place(row: int) -> str:
    """Where a row stands in the body of a request."""
    return pointer("rows", row)


def table_from_records(
    records: Sequence[Mapping[str, Cell]],
    kinds: Mapping[str, ColumnKind] | None = None,
    *,
    place: Place = row_place,
) -> Table:
    """The table of n rows that are objects with the same members; the first row fixes the columns and their order.

    Raises Invalid, with pointers `/rows/3/age` unless `place` says otherwise.
    """
    if not records:
        raise Invalid([Problem("/rows", "needs at least one row")])
    names = list(records[0])
    _raise_any(name_problems(names, place(0)) + membership_problems(records, names, place))
    return _table(
        {name: [record[name] for record in records] for name in names},
        kinds or {},
        lambda name: lambda row: place(row) + pointer(name),
    )


def membership_problems(records: Sequence[Mapping[str, Cell]], names: Sequence[str], place: Place) -> list[Problem]:
    """The columns that rows lack, and those that no row should have; the first hundred."""
    expected = frozenset(names)
    problems: list[Problem] = []
    for row, record in enumerate(records):
        if record.keys() == expected:
            continue
        problems += [
            Problem(place(row) + pointer(name), "is not there; write null for a missing value")
            for name in names
            if name not in record
        ]
        problems += [
            Problem(
                place(row) + pointer(shorten(name)), "is not one of the columns", allowed=list(names[:MOST_PROBLEMS])
            )
            for name in record
            if name not in expected
        ]
        if len(problems) >= MOST_PROBLEMS:
            break
    return problems[:MOST_PROBLEMS]


def table_from_grid(
    names: Sequence[str], grid: Sequence[Sequence[Cell]], kinds: Mapping[str, ColumnKind] | None = None
) -> Table:
    """The table of d column names, at `/columns`, and n rows of d cells, at `/data`. Raises Invalid."""
    problems = name_problems(names, "/columns")
    if not grid:
        problems.append(Problem("/data", "needs at least one row"))
    _raise_any(problems + width_problems(grid, len(names), "/data"))
    position = {name: index for index, name in enumerate(names)}
    return _table(
        {name: [cells[index] for cells in grid] for name, index in position.items()},
        kinds or {},
        lambda name: lambda row: pointer("data", row, position[name]),
    )


def width_problems(grid: Sequence[Sequence[Cell]], width: int, place: str) -> list[Problem]:
    """The rows that are shorter or longer than `width` cells; the first hundred."""
    uneven = [row for row, cells in enumerate(grid) if len(cells) != width]
    return [
        Problem(f"{place}/{row}", f"has {len(grid[row])} cells where there are {width} columns")
        for row in uneven[:MOST_PROBLEMS]
    ]


def _table(
    cells_of: Mapping[str, Sequence[Cell]], kinds: Mapping[str, ColumnKind], place_in: Callable[[str], Place]
) -> Table:
    problems = unknown_kinds(list(cells_of), kinds)
    columns: list[Column] = []
    for name, cells in cells_of.items():
        try:
            columns.append(column_of_cells(name, cells, kinds.get(name), place_in(name)))
        except Invalid as error:
            problems += error.problems
    _raise_any(problems[:MOST_PROBLEMS])
    return Table(tuple(columns))


def column_of_cells(name: str, cells: Sequence[Cell], kind: ColumnKind | None, place: Place) -> Column:
    """The column that n JSON cells make: of the given kind, or else numbers if all are, words if all are.

    Null is a missing cell. True and false become the categories `true` and `false`. Raises Invalid.
    """
    types = frozenset(map(type, cells)) - {type(None)}
    if not types <= _CELL_TYPES:
        raise Invalid(
            cell_problems(cells, place, lambda cell: type(cell) not in _CELL_TYPES, "is neither number nor text")
        )
    if kind == "number" or (kind is None and types <= _NUMBER_TYPES):
        return NumberColumn(name, numbers_of_cells(cells, place, reads_text=kind == "number"))
    if kind is None and len(types) > 1:
        return _refuse_mixture(cells, place)
    texts = [None if cell is None else text_of(cell) for cell in cells]
    if fault := text_fault({text for text in texts if text is not None}):
        raise Invalid(
            cell_problems(texts, place, lambda cell: isinstance(cell, str) and bool(text_fault([cell])), f"is {fault}")
        )
    return encode(name, texts, kind)


_NUMBER_TYPES: frozenset[type] = frozenset({int, float})
_CELL_TYPES: frozenset[type] = frozenset({int, float, str, bool, type(None)})


def _refuse_mixture(cells: Sequence[Cell], place: Place) -> NoReturn:
    texts = sum(type(cell) is str for cell in cells)
    numbers = sum(type(cell) in _NUMBER_TYPES for cell in cells)
    rare = _NUMBER_TYPES if numbers < texts else frozenset({str, bool})
    detail = "mixes numbers with texts, or true and false, in one column; give the column a kind to take it so"
    raise Invalid(cell_problems(cells, place, lambda cell: type(cell) in rare, detail))


def numbers_of_cells(cells: Sequence[Cell], place: Place, *, reads_text: bool = False) -> Floats:
    """The n numbers, NaN for null; with `reads_text`, numerals in texts count as numbers. Raises Invalid."""
    if frozenset(map(type, cells)) <= _NUMBER_TYPES | {type(None)}:
        try:
            values = np.array(cells, np.float64)  # None becomes NaN
        except OverflowError:
            pass
        else:
            if np.count_nonzero(~np.isfinite(values)) == sum(cell is None for cell in cells):
                return values
    numbers = [number_of_cell(cell, reads_text=reads_text) for cell in cells]
    faults = [row for row, number in enumerate(numbers) if number is None]
    if faults:
        raise Invalid(
            Problem(place(row), "is not a finite number", got=shown(cells[row])) for row in faults[:_MOST_IN_A_COLUMN]
        )
    return np.array(numbers, np.float64)


def number_of_cell(cell: Cell, *, reads_text: bool = False) -> float | None:
    """The number in a cell, NaN for null, or None when it holds no finite number; true and false are none."""
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        return number_of(cell.strip()) if reads_text else None
    if type(cell) not in _NUMBER_TYPES:
        return None
    try:
        number = float(cell)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def is_cell(value: object) -> bool:
    """Whether it is a number, a text, true, false or null, and no list or object."""
    return type(value) in _CELL_TYPES


def text_of(cell: str | int | float | bool) -> str:
    """The category that a cell which is not missing belongs to."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return spell(cell)
    return str(cell)


def shown(cell: object) -> object:
    """The cell as an answer may repeat it: short, and never a number that JSON cannot hold."""
    if isinstance(cell, str):
        return shorten(cell)
    if cell is None or isinstance(cell, bool) or (isinstance(cell, float) and math.isfinite(cell)):
        return cell
    if isinstance(cell, int) and abs(cell) < 2**63:
        return cell
    return None


def cell_problems(cells: Sequence[Cell], place: Place, is_fault: Callable[[Cell], bool], detail: str) -> list[Problem]:
    rows = [row for row, cell in enumerate(cells) if is_fault(cell)]
    return [Problem(place(row), detail, got=shown(cells[row])) for row in rows[:_MOST_IN_A_COLUMN]]


def _raise_any(problems: Sequence[Problem]) -> None:
    if problems:
        raise Invalid(problems)
