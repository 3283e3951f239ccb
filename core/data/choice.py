"""Which columns feed an input or make a target: named one by one or as a group, or all that are left."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core.data.names import shorten
from core.data.table import Column, Group, Indices, Table
from core.errors import Invalid, Problem, pointer

_LISTED_NAMES = 100


@dataclass(frozen=True)
class Choice:
    """Columns in their order, and where in the description each of them was named."""

    columns: tuple[str, ...]
    places: tuple[str, ...]
    """A JSON Pointer for each column; the columns of a group share that of its name."""

    place: str
    """Where the whole choice stands."""

    group: Group | None = None
    """The group that these columns are, if they were named by just its name."""


def choose(table: Table, names: str | Sequence[str], place: str, *, targets: Collection[str] = ()) -> Choice:
    """The columns of these names, a group being all of its columns.

    Raises Invalid, at the `place` of a single name or of each name of a list, for names that the table lacks, and for
    columns that are named twice or are among the `targets`.
    """
    if isinstance(names, str):
        named, places = [names], [place]
    else:
        named, places = list(names), [place + pointer(position) for position in range(len(names))]
    problems = [] if named else [Problem(place, "needs at least one column")]
    problems += _unknown(table, named, places)
    columns = [(column, at) for name, at in zip(named, places, strict=True) for column in _columns_of(table, name)]
    problems += _repeated(columns) + _among(columns, targets)
    if problems:
        raise Invalid(problems)
    chosen, at = zip(*columns, strict=True)
    return Choice(chosen, at, place, table.group(named[0]) if len(named) == 1 else None)


def choose_others(table: Table, taken: Collection[str], place: str) -> tuple[Choice, dict[str, str]]:
    """All columns but those taken and those that say nothing; and the latter, with the reason.

    Raises Invalid, at `place`, when none is left.
    """
    reasons = {column.name: _reason(column) for column in table.columns if column.name not in taken}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    columns = tuple(name for name in reasons if name not in left_out)
    if not columns:
        raise Invalid([Problem(place, "no column is left that could be a feature")])
    places = tuple(place + pointer(position) for position in range(len(columns)))
    return Choice(columns, places, place), left_out


def rows_with_target(table: Table, targets: Iterable[str]) -> Indices:
    """The rows in which no target is missing; only they can be learned from."""
    missing = np.zeros(table.rows, np.bool_)
    for name in targets:
        missing |= table.column(name).missing
    return np.flatnonzero(~missing)


def _columns_of(table: Table, name: str) -> tuple[str, ...]:
    group = table.group(name)
    return (name,) if group is None else group.columns


def _unknown(table: Table, names: Sequence[str], places: Sequence[str]) -> list[Problem]:
    known = frozenset(table.names)
    allowed: list[object] = [*(group.name for group in table.groups[:_LISTED_NAMES]), *table.names[:_LISTED_NAMES]]
    return [
        Problem(place, "there is no such column", allowed=allowed, got=shorten(name))
        for place, name in zip(places, names, strict=True)
        if name not in known and table.group(name) is None
    ]


def _repeated(columns: Sequence[tuple[str, str]]) -> list[Problem]:
    """The columns that were named before; one for each name that was given."""
    seen: set[str] = set()
    problems: dict[str, Problem] = {}
    for name, at in columns:
        if name in seen:
            problems.setdefault(at, Problem(at, f"column {shorten(name)!r} is named twice"))
        seen.add(name)
    return list(problems.values())


def _among(columns: Sequence[tuple[str, str]], targets: Collection[str]) -> list[Problem]:
    """The columns that are a target; one for each name that was given."""
    problems: dict[str, Problem] = {}
    for name, at in columns:
        if name in targets:
            problems.setdefault(at, Problem(at, f"{shorten(name)!r} is the target; it cannot be a feature too"))
    return list(problems.values())


def _reason(column: Column) -> str | None:
    if column.kind == "text":
        return "text: nearly all values are different"
    return "every value is missing" if column.missing.all() else None
