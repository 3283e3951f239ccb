"""How target columns become what a loss compares with, and how outputs become predictions again."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.arrays import Array, Model
from core.data.choice import Choice
from core.data.moments import moments, standardize
from core.data.schema import holds_integers, spell_column
from core.data.table import CategoryColumn, Column, Floats, Indices, NumberColumn, Table
from core.errors import CoreError, Invalid, Problem, pointer

TargetEncoding = Literal["class", "binary", "number"]
"""What the loss takes: class indices (n,), or (n, L) of L columns; zeros and ones (n, k); or numbers (n, k)."""

Label = str | int
Prediction = Label | float | list[Label] | list[float]
"""What is predicted of one row: one value for one column, a list for several."""

MOST_CLASSES = 10_000

_SHOWN_ROWS = 10
# Beyond it float64 no longer tells neighbouring whole numbers apart.
_LARGEST_LABEL = 2.0**53


class OutputNotFinite(CoreError):
    """An output of the network is so large that its value in the units of the target exceeds float64."""


class Labels(Model):
    """The classes of one column, in the order of their indices."""

    column: str
    classes: Annotated[list[str], Field(min_length=2)]
    numeric: bool = False
    """Whether the column holds whole numbers, so that predictions are numbers again."""

    def indices(self, table: Table) -> NDArray[np.int64]:
        """The class of each of the n rows, (n,). Raises Invalid for a missing or an unknown class."""
        column = as_categories(table.column(self.column))
        known = {label: index for index, label in enumerate(self.classes)}
        # One more entry at the end, for code -1.
        index_of_code = np.array([known.get(category, -1) for category in column.categories] + [-1], np.int64)
        indices = index_of_code[column.codes]
        strange = np.flatnonzero(indices < 0)[:_SHOWN_ROWS].tolist()
        if strange:
            raise Invalid(self._strange(column, row) for row in strange)
        return indices

    def _strange(self, column: CategoryColumn, row: int) -> Problem:
        place = pointer("rows", row, self.column)
        code = int(column.codes[row])
        if code < 0:
            return Problem(place, "is missing; a target is needed here")
        return Problem(
            place, "is not one of the classes", allowed=list(self.classes[:100]), got=column.categories[code]
        )

    def label(self, index: int) -> Label:
        """The class at an index, as the column has it."""
        return int(self.classes[index]) if self.numeric else self.classes[index]


class ClassTarget(Model):
    """One column of k classes, whose indices the loss takes, (n,); or L columns of the same classes, (n, L)."""

    encoding: Literal["class"] = "class"
    labels: Labels
    further: list[str] = []
    """More columns of the same classes, such as the words of a sentence."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.labels.column, *self.further)

    @property
    def each(self) -> list[Labels]:
        """The classes of every column."""
        return [self.labels.model_copy(update={"column": name}) for name in self.columns]

    @property
    def width(self) -> int:
        """How many outputs the network needs for each decision."""
        return len(self.labels.classes)

    @property
    def classes(self) -> list[str]:
        return self.labels.classes

    def apply(self, table: Table) -> NDArray[np.int64]:
        if not self.further:
            return self.labels.indices(table)
        return np.stack([labels.indices(table) for labels in self.each], axis=1)

    def predictions(self, decided: Array) -> list[Prediction]:
        """The classes at n indices, (n,), or lists of those at (n, L)."""
        rows = decided.reshape(-1, len(self.columns)).tolist()
        if not self.further:
            return [self.labels.label(index) for (index,) in rows]
        return [[self.labels.label(index) for index in row] for row in rows]


class BinaryTarget(Model):
    """k columns of two classes each; the loss takes zeros and ones, (n, k)."""

    encoding: Literal["binary"] = "binary"
    labels: Annotated[list[Labels], Field(min_length=1)]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(labels.column for labels in self.labels)

    @property
    def each(self) -> list[Labels]:
        """The classes of every column."""
        return self.labels

    @property
    def width(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> list[str] | None:
        """The two classes of a single column; several columns have no classes in common."""
        return self.labels[0].classes if len(self.labels) == 1 else None

    def apply(self, table: Table) -> Floats:
        return np.stack([labels.indices(table) for labels in self.labels], axis=1).astype(np.float64)

    def predictions(self, decided: Array) -> list[Prediction]:
        """The classes that n rows of zeros and ones stand for, (n, k); plain labels when k = 1."""
        rows = [
            [labels.label(int(entry)) for labels, entry in zip(self.labels, row, strict=True)]
            for row in decided.reshape(-1, self.width).tolist()
        ]
        return [row[0] if self.width == 1 else row for row in rows]


class NumberScale(Model):
    """One target column and the units it is learned in: (value − mean) / deviation."""

    column: str
    mean: float = 0.0
    deviation: Annotated[float, Field(gt=0)] = 1.0


class NumberTarget(Model):
    """k columns of numbers; the loss takes them in the units of their scales, (n, k)."""

    encoding: Literal["number"] = "number"
    scales: Annotated[list[NumberScale], Field(min_length=1)]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(scale.column for scale in self.scales)

    @property
    def width(self) -> int:
        return len(self.scales)

    @property
    def classes(self) -> None:
        return None

    def apply(self, table: Table) -> Floats:
        return np.stack([_scaled(table.column(scale.column), scale) for scale in self.scales], axis=1)

    def values(self, outputs: Array) -> Floats:
        """The outputs (n, k) in the units of the target columns. Raises OutputNotFinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = outputs.reshape(-1, self.width).astype(np.float64) * self._deviations + self._means
        if not np.isfinite(values).all():
            raise OutputNotFinite
        return values

    def spreads(self, deviations: Array) -> Floats:
        """Standard deviations (n, k) in the units of the target columns, infinite where they exceed float64."""
        with np.errstate(over="ignore"):
            return deviations.reshape(-1, self.width).astype(np.float64) * self._deviations

    @property
    def _deviations(self) -> Floats:
        return np.array([scale.deviation for scale in self.scales])

    @property
    def _means(self) -> Floats:
        return np.array([scale.mean for scale in self.scales])

    def predictions(self, decided: Array) -> list[Prediction]:
        """The outputs (n, k) in the units of the target columns; plain numbers when k = 1. Raises OutputNotFinite."""
        values = self.values(decided)
        return list(values[:, 0].tolist() if self.width == 1 else values.tolist())


Target = Annotated[ClassTarget | BinaryTarget | NumberTarget, Field(discriminator="encoding")]


def _scaled(column: Column, scale: NumberScale) -> Floats:
    if not isinstance(column, NumberColumn):
        raise Invalid([Problem(pointer(column.name), f"is a column of kind {column.kind}, not number")])
    scaled = standardize(column.values, scale.mean, scale.deviation)
    faults = np.flatnonzero(~np.isfinite(scaled))[:_SHOWN_ROWS].tolist()
    if faults:
        detail = "is missing, or too far from the training rows; a target is needed here"
        raise Invalid(Problem(pointer("rows", row, column.name), detail) for row in faults)
    return scaled


def as_categories(column: Column) -> CategoryColumn:
    """The column with each number spelled out, or as it is when it holds categories."""
    return spell_column(column, "category") if isinstance(column, NumberColumn) else column


def fit_target(
    table: Table, training: Indices, choice: Choice, encoding: TargetEncoding, *, standardized: bool
) -> Target:
    """The preparation of these target columns: classes of all rows of the table, scales of the training rows only.

    That a class exists is known before anything is learned, so that all rows may name it.
    Raises Invalid, at the place of the choice, when the columns do not fit the encoding.
    """
    columns, place = [table.column(name) for name in choice.columns], choice.place
    if encoding == "class":
        return ClassTarget(labels=fit_labels(columns, place), further=list(choice.columns[1:]))
    if encoding == "binary":
        return BinaryTarget(labels=[_two(fit_labels([column], place), place) for column in columns])
    return NumberTarget(scales=[_fit_scale(column, training, standardized, place) for column in columns])


def fit_labels(columns: Sequence[Column], place: str) -> Labels:
    """The classes that occur in columns of categories or whole numbers, sorted. Raises Invalid."""
    for column in columns:
        if column.kind == "text":
            raise Invalid([_target_problem(column, place, "holds texts, nearly all different, which are no classes")])
    numeric = {column.kind == "number" for column in columns}
    if len(numeric) > 1:
        detail = "mixes columns of numbers with columns of categories, which have no classes in common"
        raise Invalid([Problem(place, detail)])
    classes = _numbers_of(columns, place) if True in numeric else _categories_of(columns)
    what = f"column {columns[0].name!r} has" if len(columns) == 1 else f"these {len(columns)} columns have together"
    if len(classes) < 2:
        raise Invalid([Problem(place, f"{what} only one class; there is nothing to tell apart")])
    if len(classes) > MOST_CLASSES:
        raise Invalid([Problem(place, f"{what} {len(classes)} classes; at most {MOST_CLASSES} are taken")])
    return Labels(column=columns[0].name, classes=classes, numeric=True in numeric)


def _categories_of(columns: Sequence[Column]) -> list[str]:
    used: set[str] = set()
    for column in map(as_categories, columns):
        used.update(column.categories[code] for code in np.unique(column.codes[~column.missing]).tolist())
    return sorted(used)


def _numbers_of(columns: Sequence[Column], place: str) -> list[str]:
    values: set[int] = set()
    for column in columns:
        assert isinstance(column, NumberColumn)
        values.update(_whole_numbers(column, place))
    return [str(value) for value in sorted(values)]


def _whole_numbers(column: NumberColumn, place: str) -> list[int]:
    values = np.unique(column.values[~column.missing])
    if not holds_integers(values) or (np.abs(values) > _LARGEST_LABEL).any():
        raise Invalid([_target_problem(column, place, "holds numbers that are not whole, which are no classes")])
    return [int(value) for value in values.tolist()]


def _two(labels: Labels, place: str) -> Labels:
    if len(labels.classes) > 2:
        detail = (
            f"column {labels.column!r} has {len(labels.classes)} classes; this loss takes two, cross_entropy takes more"
        )
        raise Invalid([Problem(place, detail)])
    return labels


def _fit_scale(column: Column, training: Indices, standardized: bool, place: str) -> NumberScale:
    if not isinstance(column, NumberColumn):
        detail = f"is a {column.kind} column; this loss takes numbers, cross_entropy takes classes"
        raise Invalid([_target_problem(column, place, detail)])
    if not standardized:
        return NumberScale(column=column.name)
    mean, deviation = moments(column.values[training])
    return NumberScale(column=column.name, mean=mean, deviation=deviation or 1.0)


def _target_problem(column: Column, place: str, detail: str) -> Problem:
    return Problem(place, f"column {column.name!r} {detail}")
