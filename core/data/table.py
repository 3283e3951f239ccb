"""A table of named columns of equal length, and its one form in bytes."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import CoreError

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]

ColumnKind = Literal["number", "category", "text"]


@dataclass(frozen=True, eq=False)
class NumberColumn:
    """n float64 values; NaN stands for a missing one, and none is infinite. The array becomes read-only."""

    name: str
    values: Floats

    def __post_init__(self) -> None:
        if self.values.dtype != np.float64 or self.values.ndim != 1:
            raise ValueError(f"column {self.name!r} needs a float64 array (n,)")
        if np.isinf(self.values).any():
            raise ValueError(f"column {self.name!r} holds an infinite value")
        self.values.flags.writeable = False

    @property
    def kind(self) -> ColumnKind:
        return "number"

    @property
    def missing(self) -> Flags:
        """Which of the n cells are empty."""
        return np.isnan(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, indices: Indices) -> "NumberColumn":
        return NumberColumn(self.name, self.values[indices])


@dataclass(frozen=True, eq=False)
class CategoryColumn:
    """n codes into `categories`, which are sorted and distinct; -1 is a missing cell. The array becomes read-only.

    A text column is the same thing with nearly a category for each row, so that it says nothing about the next row.
    """

    name: str
    codes: Codes
    categories: tuple[str, ...]
    kind: Literal["category", "text"] = "category"

    def __post_init__(self) -> None:
        if self.codes.dtype != np.int32 or self.codes.ndim != 1:
            raise ValueError(f"column {self.name!r} needs an int32 array (n,)")
        if any(first >= second for first, second in zip(self.categories, self.categories[1:], strict=False)):
            raise ValueError(f"the categories of column {self.name!r} are not sorted and distinct")
        if len(self.codes) and not -1 <= self.codes.min() <= self.codes.max() < len(self.categories):
            raise ValueError(f"a code of column {self.name!r} names no category")
        self.codes.flags.writeable = False

    @property
    def missing(self) -> Flags:
        """Which of the n cells are empty."""
        return self.codes < 0

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, indices: Indices) -> "CategoryColumn":
        return CategoryColumn(self.name, self.codes[indices], self.categories, self.kind)


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class Group:
    """Columns that hold the entries of one array a row, in row-major order of its shape: the pixels of an image."""

    name: str
    columns: tuple[str, ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1 or math.prod(self.shape) != len(self.columns):
            raise ValueError(f"group {self.name!r} has {len(self.columns)} columns for the shape {self.shape}")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of the same length under different names, in the order they were given."""

    columns: tuple[Column, ...]
    groups: tuple[Group, ...] = ()
    """Columns that belong together; no group is called as a column or another group is."""

    def __post_init__(self) -> None:
        if len({len(column) for column in self.columns}) > 1:
            raise ValueError("the columns of a table are equally long")
        if len(self._by_name) < len(self.columns):
            raise ValueError("the columns of a table have different names")
        if len({*self._by_name, *self._groups}) < len(self.columns) + len(self.groups):
            raise ValueError("no group of a table is called as a column or another group is")
        if not all(name in self._by_name for group in self.groups for name in group.columns):
            raise ValueError("a group has a column that the table lacks")

    @cached_property
    def _by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def _groups(self) -> Mapping[str, Group]:
        return {group.name: group for group in self.groups}

    @property
    def rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError."""
        return self._by_name[name]

    def group(self, name: str) -> Group | None:
        """The group of that name, if there is one."""
        return self._groups.get(name)

    def select(self, names: Sequence[str]) -> "Table":
        """The named columns, in that order, and the groups that are whole among them. Raises KeyError."""
        chosen = frozenset(names)
        groups = (group for group in self.groups if chosen.issuperset(group.columns))
        return Table(tuple(self._by_name[name] for name in names), tuple(groups))

    def take(self, indices: Indices) -> "Table":
        """The rows at these indices, in that order; categories stay as they are."""
        return Table(tuple(column.take(indices) for column in self.columns), self.groups)


class CorruptTable(CoreError):
    """These bytes are not a table that this version wrote."""


# A version in the mark lets a later form be told apart without opening the header.
_MARK = b"BPTABLE1"
_ALIGNMENT = 8
_LENGTH_BYTES = 8


class _ColumnHeader(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    kind: ColumnKind
    categories: list[str] | None = None


class _GroupHeader(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    columns: list[int]
    """Positions, since names of thousands of columns would stand here twice."""
    shape: list[int]


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    rows: int
    columns: list[_ColumnHeader]
    groups: list[_GroupHeader] | None = None
    """None, and not there, for a table without: as in all tables that were written before there were groups."""


def table_to_bytes(table: Table) -> bytes:
    """The table as a mark, a JSON header and little-endian arrays; equal tables give equal bytes."""
    header = _Header(
        rows=table.rows, columns=[_header_of(column) for column in table.columns], groups=_group_headers(table)
    )
    text = json.dumps(header.model_dump(exclude_none=True), separators=(",", ":"), sort_keys=True).encode("ascii")
    text += b" " * (-len(text) % _ALIGNMENT)
    parts = [_MARK, len(text).to_bytes(_LENGTH_BYTES, "little"), text]
    for column in table.columns:
        array = _array_bytes(column)
        parts += [array, bytes(-len(array) % _ALIGNMENT)]
    return b"".join(parts)


def _group_headers(table: Table) -> list[_GroupHeader] | None:
    position = {name: index for index, name in enumerate(table.names)}
    return [
        _GroupHeader(name=group.name, columns=[position[name] for name in group.columns], shape=list(group.shape))
        for group in table.groups
    ] or None


def _header_of(column: Column) -> _ColumnHeader:
    if isinstance(column, NumberColumn):
        return _ColumnHeader(name=column.name, kind="number")
    return _ColumnHeader(name=column.name, kind=column.kind, categories=list(column.categories))


def _array_bytes(column: Column) -> bytes:
    if isinstance(column, CategoryColumn):
        return column.codes.astype("<i4").tobytes()
    # There are 2^53 bit patterns for NaN; one of them, so that equal tables have equal digests.
    return np.where(column.missing, math.nan, column.values).astype("<f8").tobytes()


def table_from_bytes(content: bytes) -> Table:
    """The table that `table_to_bytes` wrote. Raises CorruptTable."""
    try:
        return _parse(content)
    except (ValueError, ValidationError) as error:
        raise CorruptTable(str(error)) from error


def _parse(content: bytes) -> Table:
    start = len(_MARK) + _LENGTH_BYTES
    if content[: len(_MARK)] != _MARK or len(content) < start:
        raise ValueError("the mark of a table is missing")
    end = start + int.from_bytes(content[len(_MARK) : start], "little")
    header = _Header.model_validate_json(content[start:end])
    columns: list[Column] = []
    for described in header.columns:
        size = header.rows * (8 if described.kind == "number" else 4)
        columns.append(_column(described, content[end : end + size]))
        end += size + -size % _ALIGNMENT
    if end != len(content):
        raise ValueError(f"{len(content)} bytes where the header announces {end}")
    return Table(tuple(columns), tuple(_group(one, columns) for one in header.groups or ()))


def _group(described: _GroupHeader, columns: Sequence[Column]) -> Group:
    if not all(0 <= position < len(columns) for position in described.columns):
        raise ValueError(f"group {described.name!r} has columns beyond the last")
    return Group(
        described.name, tuple(columns[position].name for position in described.columns), tuple(described.shape)
    )


def _column(described: _ColumnHeader, array: bytes) -> Column:
    if described.kind == "number":
        return NumberColumn(described.name, np.frombuffer(array, "<f8").astype(np.float64, copy=False))
    codes = np.frombuffer(array, "<i4").astype(np.int32, copy=False)
    return CategoryColumn(described.name, codes, tuple(described.categories or ()), described.kind)
