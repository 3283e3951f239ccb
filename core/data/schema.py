"""What a column holds: its kind, guessed or given, and the statistics shown of it."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from core.arrays import Model
from core.data.moments import median, moments
from core.data.names import shorten
from core.data.numerals import number_of
from core.data.table import CategoryColumn, Column, ColumnKind, Floats, Group, Indices, NumberColumn, Table
from core.errors import Invalid, Problem, pointer

SHOWN_CATEGORIES = 20
"""How many of the most frequent categories are shown with their counts."""

LISTED_CATEGORIES = 1000
"""How many categories are listed by name; `distinct` counts them all."""

SHOWN_CHARACTERS = 200
"""How much of a category is shown."""

_TEXT_ABOVE = 20
_SHOWN_PROBLEMS = 10
_LISTED_NAMES = 100


class CategoryCount(Model):
    """One category and the rows that have it."""

    category: str
    count: int


class NumberStatistics(Model):
    """Of the cells that are not missing."""

    min: float
    max: float
    mean: float
    median: float
    std: float
    integers: bool
    """Whether every value is a whole number."""


class ColumnProfile(Model):
    """One column as it is shown to people: kind, missing cells and statistics."""

    name: str
    kind: ColumnKind
    """`number`, `category`, or `text`: nearly all values are different, so it is left out of the features."""
    missing: int
    distinct: int
    """Different values among the cells that are not missing."""
    statistics: NumberStatistics | None = None
    """Of a number column with at least one value."""
    categories: list[str] | None = None
    """The categories of a category column, sorted; the first 1,000, each cut off after 200 characters."""
    top: list[CategoryCount] | None = None
    """The most frequent of them."""


class GroupProfile(Model):
    """Columns that hold the entries of one array a row; its name stands for all of them in a job."""

    name: str
    columns: list[str]
    """In row-major order of the shape."""

    shape: list[int]


def profile_groups(groups: Sequence[Group]) -> list[GroupProfile]:
    """Each group as it is shown to people."""
    return [GroupProfile(name=group.name, columns=list(group.columns), shape=list(group.shape)) for group in groups]


def profile(table: Table) -> list[ColumnProfile]:
    """Each column's kind, missing cells and statistics."""
    return [
        _profile_numbers(column) if isinstance(column, NumberColumn) else _profile_categories(column)
        for column in table.columns
    ]


def _profile_numbers(column: NumberColumn) -> ColumnProfile:
    present = column.values[~column.missing]
    return ColumnProfile(
        name=column.name,
        kind="number",
        missing=len(column) - len(present),
        distinct=len(np.unique(present)),
        statistics=_statistics(present) if len(present) else None,
    )


def _statistics(present: Floats) -> NumberStatistics:
    mean, deviation = moments(present)
    return NumberStatistics(
        min=float(present.min()),
        max=float(present.max()),
        mean=mean,
        median=median(present),
        std=deviation,
        integers=holds_integers(present),
    )


def holds_integers(values: Floats) -> bool:
    """Whether every value is a whole number."""
    return bool((values == np.rint(values)).all())


def _profile_categories(column: CategoryColumn) -> ColumnProfile:
    counts = category_counts(column)
    order = np.argsort(-counts, kind="stable")[:SHOWN_CATEGORIES]
    top = [
        CategoryCount(category=shorten(column.categories[code], SHOWN_CHARACTERS), count=int(counts[code]))
        for code in order
        if counts[code]
    ]
    listed = [shorten(category, SHOWN_CHARACTERS) for category in column.categories[:LISTED_CATEGORIES]]
    return ColumnProfile(
        name=column.name,
        kind=column.kind,
        missing=int(column.missing.sum()),
        distinct=int(np.count_nonzero(counts)),
        categories=listed if column.kind == "category" else None,
        top=top if column.kind == "category" else None,
    )


def category_counts(column: CategoryColumn) -> Indices:
    """How many rows have each of the k categories, (k,)."""
    return np.bincount(column.codes[~column.missing], minlength=len(column.categories))


def guess_text(rows: int, distinct: int) -> Literal["category", "text"]:
    """Whether `rows` words make categories, or text because nearly every row has its own."""
    return "text" if distinct > _TEXT_ABOVE and distinct * 2 > rows else "category"


def encode(name: str, texts: Sequence[str | None], kind: ColumnKind | None = None) -> CategoryColumn:
    """The category or text column that n words make, None being a missing cell; the kind is guessed unless given."""
    categories = sorted({text for text in texts if text is not None})
    code_of: dict[str | None, int] = {category: code for code, category in enumerate(categories)}
    code_of[None] = -1
    codes = np.fromiter((code_of[text] for text in texts), np.int32, len(texts))
    guessed = guess_text(int(np.count_nonzero(codes >= 0)), len(categories))
    return CategoryColumn(name, codes, tuple(categories), "text" if (kind or guessed) == "text" else "category")


def unknown_kinds(names: Sequence[str], kinds: Mapping[str, ColumnKind]) -> list[Problem]:
    """A problem, at `/kinds/<column>`, for each column that is given a kind and does not exist."""
    return [
        Problem(pointer("kinds", shorten(name)), "there is no such column", allowed=list(names[:_LISTED_NAMES]))
        for name in kinds
        if name not in frozenset(names)
    ]


def with_kinds(table: Table, kinds: Mapping[str, ColumnKind]) -> Table:
    """The table with the named columns converted to the given kinds. Raises Invalid, at `/kinds/<column>`."""
    problems = unknown_kinds(table.names, kinds)
    columns: list[Column] = []
    for column in table.columns:
        try:
            columns.append(convert(column, kinds.get(column.name, column.kind)))
        except Invalid as error:
            problems += [problem.below(pointer("kinds", column.name)) for problem in error.problems]
    if problems:
        raise Invalid(problems)
    return Table(tuple(columns), table.groups)


def convert(column: Column, kind: ColumnKind) -> Column:
    """The column as another kind: numbers are spelled as categories, and categories that are numerals read as numbers.

    Raises Invalid when a category is not a numeral.
    """
    if column.kind == kind:
        return column
    if isinstance(column, NumberColumn):
        return spell_column(column, "category" if kind == "category" else "text")
    if kind == "number":
        return _read_as_numbers(column)
    return CategoryColumn(column.name, column.codes, column.categories, kind)


def spell_column(column: NumberColumn, kind: ColumnKind) -> CategoryColumn:
    present = ~column.missing
    values, inverse = np.unique(column.values[present], return_inverse=True)
    spellings = [spell(value) for value in values.tolist()]
    categories = sorted(set(spellings))
    code_of = {category: code for code, category in enumerate(categories)}
    codes = np.full(len(column), -1, np.int32)
    codes[present] = np.array([code_of[spelling] for spelling in spellings], np.int32)[inverse]
    return CategoryColumn(column.name, codes, tuple(categories), "text" if kind == "text" else "category")


def spell(value: float) -> str:
    """The number as people write it: 3 rather than 3.0."""
    return str(int(value)) if value.is_integer() and abs(value) <= 2**53 else repr(value)


def _read_as_numbers(column: CategoryColumn) -> NumberColumn:
    # One more entry at the end, for code -1.
    values = np.full(len(column.categories) + 1, np.nan)
    problems = []
    for code, category in enumerate(column.categories):
        number = number_of(category)
        if number is None:
            problems.append(Problem("", "is not a number", got=category))
        else:
            values[code] = number
    if problems:
        raise Invalid(problems[:_SHOWN_PROBLEMS])
    return NumberColumn(column.name, values[column.codes])
