"""Columns of texts in DuckDB as numbers or categories."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb
import numpy as np

from core.data.table import Column, ColumnKind, Floats, NumberColumn
from core.data.texts import column_of_texts
from core.errors import Invalid, Problem
from service.datasets.files.engine import texts

# A statement over all of 4,096 columns takes longer to plan than to run.
_COLUMNS_AT_ONCE = 64
_MOST_PROBLEMS = 100


class _Cast(NamedTuple):
    """What DuckDB makes of the n cells of a column when it casts them to numbers."""

    values: Floats
    """NaN where a cell is empty or no number, and where it says nan."""
    is_clean: bool
    """Whether every cell is either empty or a finite number, so that there is nothing more to look at."""


@dataclass
class TextTable:
    """The table `texts` in DuckDB; its columns are called c0, c1, … so that no name of a file reaches a statement.

    Converting it fills `missing_texts` and `notes`.
    """

    connection: duckdb.DuckDBPyConnection
    names: Sequence[str]
    has_underscores: bool
    """Whether there is one in any cell; the cast takes 1_000 for a number."""
    missing_texts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def convert(self, kinds: Mapping[str, ColumnKind]) -> list[Column]:
        """The columns, of the kinds given or else numbers where every cell is one.

        Raises Invalid for cells that do not fit a given kind, and for numbers that float64 cannot hold.
        """
        problems: list[Problem] = []
        columns: list[Column] = []
        for at, cast in enumerate(self._casts()):
            name = self.names[at]
            try:
                if cast.is_clean and kinds.get(name, "number") == "number":
                    columns.append(NumberColumn(name, cast.values))
                else:
                    columns.append(self._read(at, kinds.get(name)))
            except Invalid as error:
                problems += error.problems
        if problems:
            raise Invalid(problems[:_MOST_PROBLEMS])
        return columns

    def _casts(self) -> Iterator[_Cast]:
        """The columns cast in bulk, which for plain numbers is twenty times faster than looking at each text."""
        for first in range(0, len(self.names), _COLUMNS_AT_ONCE):
            positions = range(first, min(first + _COLUMNS_AT_ONCE, len(self.names)))
            cells = self._select(", ".join(f"try_cast(c{at} AS DOUBLE) AS x{at}" for at in positions)).fetchnumpy()
            (filled,) = self._select(", ".join(f"count(c{at})" for at in positions)).fetchall()
            for at, count in zip(positions, filled, strict=True):
                values = np.ma.filled(cells.pop(f"x{at}"), np.nan).astype(np.float64, copy=False)
                is_clean = int(np.count_nonzero(np.isfinite(values))) == count and not self._holds_underscore(at)
                yield _Cast(values, is_clean)

    def _holds_underscore(self, at: int) -> bool:
        if not self.has_underscores:
            return False
        ((found,),) = self._select(f"bool_or(contains(c{at}, '_'))").fetchall()
        return bool(found)

    def _read(self, at: int, kind: ColumnKind | None) -> Column:
        cells = texts(self.connection, _query(f"c{at} AS x"))
        read = column_of_texts(self.names[at], [cell and cell.strip(" \t") for cell in cells], kind)
        self.missing_texts.update(read.missing_texts)
        if read.note is not None:
            self.notes.append(read.note)
        return read.column

    def _select(self, what: str) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(_query(what))


def _query(what: str) -> str:
    return f"SELECT {what} FROM texts"  # noqa: S608 -- column numbers and constants
