"""A column out of the texts of a file: numbers when all of them are numerals, else words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.data.names import shorten, text_fault
from core.data.numerals import MISSING_MARKERS, is_infinite, number_of
from core.data.schema import encode
from core.data.table import Column, ColumnKind, Floats, NumberColumn
from core.errors import Invalid, Problem

_SHOWN_CELLS = 10


@dataclass(frozen=True)
class ReadColumn:
    """A column, and what was found in its texts that one should know."""

    column: Column
    missing_texts: dict[str, int]
    """How often each text that is not empty was taken for a missing value."""
    note: str | None = None


def column_of_texts(name: str, texts: Sequence[str | None], kind: ColumnKind | None = None) -> ReadColumn:
    """The column that n texts make, of the given kind, or else of numbers if all are numerals; None is a missing cell.

    Raises Invalid, with pointer `/file`, for texts that are no finite numbers where numbers are due.
    """
    words = set(texts) - {None}
    marked = words.intersection(MISSING_MARKERS)
    missing = {text: texts.count(text) for text in sorted(filter(None, marked))}
    cells: Sequence[str | None] = [None if text in marked else text for text in texts] if marked else texts
    numerals = {word: number_of(word) for word in words - marked if word is not None}
    strays = {word for word, number in numerals.items() if number is None}
    if kind == "number" or (kind is None and all(map(is_infinite, strays))):
        if strays:
            raise Invalid(_not_finite(name, cells, strays))
        return ReadColumn(NumberColumn(name, _numbers(cells, numerals)), missing)
    if fault := text_fault(numerals):
        raise Invalid([Problem("/file", f"column {name!r} holds {fault}")])
    note = _note(name, cells, strays) if kind is None else None
    return ReadColumn(encode(name, cells, kind), missing, note)


def _numbers(cells: Sequence[str | None], numerals: dict[str, float | None]) -> Floats:
    value_of: dict[str | None, float] = {word: number for word, number in numerals.items() if number is not None}
    value_of[None] = np.nan
    return np.fromiter((value_of[cell] for cell in cells), np.float64, len(cells))


def _not_finite(name: str, cells: Sequence[str | None], strays: set[str]) -> list[Problem]:
    rows = [row for row, cell in enumerate(cells) if cell in strays][:_SHOWN_CELLS]
    return [
        Problem("/file", f"row {row + 1} of column {name!r} is not a finite number", got=shorten(str(cells[row])))
        for row in rows
    ]


def _note(name: str, cells: Sequence[str | None], strays: set[str]) -> str | None:
    """What to say when the texts are nearly numbers: most of them are, or all would be if their commas were points."""
    rows = [row for row, cell in enumerate(cells) if cell in strays]
    present = len(cells) - cells.count(None)
    if strays and all(number_of(stray.replace(",", ".", 1)) is not None for stray in strays):
        why = "because of commas; write numbers with a point, and without separators of thousands"
    elif len(rows) * 2 < present:
        why = (
            f"although {present - len(rows)} of {present} cells are numbers; give it the kind number to see the others"
        )
    else:
        return None
    return f"Column {name!r} was taken for words {why}. Row {rows[0] + 1} holds {shorten(str(cells[rows[0]]))!r}."
