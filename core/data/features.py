"""How columns become the numbers a network takes: filled in, standardized, one column a category."""

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Model
from core.data.choice import Choice
from core.data.moments import median, moments, standardize
from core.data.schema import category_counts
from core.data.table import CategoryColumn, Column, Flags, Floats, Indices, NumberColumn, Table
from core.errors import Invalid, Problem, pointer

RARE_BELOW = 3
"""Categories with fewer training rows than this share the column `(other)`: nothing can be learned of them."""

MOST_CATEGORIES = 128
"""The most frequent categories that get a column of their own; the rest share `(other)`."""

OTHER = "(other)"
MISSING = "(missing)"

PreparationMode = Literal["auto", "none"]

_SHOWN_ROWS = 10
_MOST_PROBLEMS = 100


class NumberFeature(Model):
    """A column of numbers: (x − mean) / deviation, after missing cells were filled with the median."""

    kind: Literal["number"] = "number"
    column: str
    fill: float | None = None
    """Stands in for a missing cell; without it a missing cell is refused."""
    mean: float = 0.0
    deviation: Annotated[float, Field(ge=0)] = 1.0
    """0 for a column that was constant in training: it gives zeros, since nothing can be learned of it."""
    indicator: bool = False
    """Whether a second feature tells, by 1, that the cell was missing; there is one if any training row missed it."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column, f"{self.column}={MISSING}") if self.indicator else (self.column,)


class CategoryFeature(Model):
    """A column of categories: one feature for each of those frequent in training, 1 where the row has it, else 0."""

    kind: Literal["category"] = "category"
    column: str
    categories: list[str]
    other: bool = False
    """Whether a feature stands for all other categories; without it an unknown category gives zeros."""
    indicator: bool = False
    """Whether a feature tells that the cell was missing; without it a missing cell gives zeros."""

    @property
    def names(self) -> tuple[str, ...]:
        shared = [OTHER] * self.other + [MISSING] * self.indicator
        return tuple(f"{self.column}={category}" for category in [*self.categories, *shared])


Feature = Annotated[NumberFeature | CategoryFeature, Field(discriminator="kind")]


class FeaturePreparation(Model):
    """The features of one network input, each column by itself, fitted on training rows."""

    kind: Literal["columns"] = "columns"
    features: list[Feature]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a table must have, in the order in which unnamed values are taken."""
        return tuple(feature.column for feature in self.features)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name for each of the d features: `age`, `age=(missing)`, `island=Dream`."""
        return tuple(name for feature in self.features for name in feature.names)

    def apply(self, table: Table) -> Floats:
        """The features of the n rows, (n, d).

        Raises Invalid, with pointers `/rows/3/age`, for a missing cell that nothing stands in for and for a number
        so far from those in training that no float64 holds its standardized value.
        """
        prepared = np.zeros((table.rows, len(self.names)))
        start = 0
        for feature in self.features:
            into = prepared[:, start : start + len(feature.names)]
            column = table.column(feature.column)
            if isinstance(feature, NumberFeature) and isinstance(column, NumberColumn):
                _write_numbers(feature, column, into)
            elif isinstance(feature, CategoryFeature) and isinstance(column, CategoryColumn):
                _write_categories(feature, column, into)
            else:
                raise Invalid([Problem(pointer(column.name), f"is a column of kind {column.kind}, not {feature.kind}")])
            start += len(feature.names)
        return prepared


def _write_numbers(feature: NumberFeature, column: NumberColumn, into: Floats) -> None:
    values = column.values
    missing = column.missing
    if missing.any():
        if feature.fill is None:
            raise Invalid(_row_problems(column.name, missing, "is missing, and nothing stands in for a missing value"))
        values = np.where(missing, feature.fill, values)
    if feature.indicator:
        into[:, 1] = missing
    if feature.deviation == 0:
        return
    into[:, 0] = standardize(values, feature.mean, feature.deviation)
    far = ~np.isfinite(into[:, 0])
    if far.any():
        raise Invalid(
            _row_problems(column.name, far, "is too far from the numbers of the training rows to be prepared")
        )


def _row_problems(column: str, rows: Flags, detail: str) -> list[Problem]:
    return [Problem(pointer("rows", row, column), detail) for row in np.flatnonzero(rows)[:_SHOWN_ROWS].tolist()]


def _write_categories(feature: CategoryFeature, column: CategoryColumn, into: Floats) -> None:
    known = {category: position for position, category in enumerate(feature.categories)}
    elsewhere = len(known) if feature.other else -1
    # One more entry at the end, for code -1.
    position_of_code = np.array([known.get(category, elsewhere) for category in column.categories] + [-1])
    position = position_of_code[column.codes]
    rows = np.flatnonzero(position >= 0)
    into[rows, position[rows]] = 1.0
    if feature.indicator:
        into[column.missing, -1] = 1.0


def fit_features(table: Table, training: Indices, choice: Choice, mode: PreparationMode) -> FeaturePreparation:
    """The preparation of these columns that the training rows ask for.

    With mode `none` the numbers pass as they are. Raises Invalid, with pointers `/features/2`, where they cannot.
    """
    if mode == "none":
        return _numbers_as_they_are(table, choice)
    return FeaturePreparation(features=[_fit(table.column(name).take(training)) for name in choice.columns])


def _numbers_as_they_are(table: Table, choice: Choice) -> FeaturePreparation:
    problems = []
    for name, place in zip(choice.columns, choice.places, strict=True):
        column = table.column(name)
        if column.kind != "number":
            detail = f"column {name!r} is a {column.kind} column; without preparation only numbers are taken"
            problems.append(Problem(place, detail))
        elif column.missing.any():
            detail = (
                f"column {name!r} has {column.missing.sum()} missing values; without preparation nothing fills them"
            )
            problems.append(Problem(place, detail))
    if problems:
        raise Invalid(problems[:_MOST_PROBLEMS])
    return FeaturePreparation(features=[NumberFeature(column=name) for name in choice.columns])


def _fit(column: Column) -> Feature:
    return _fit_numbers(column) if isinstance(column, NumberColumn) else _fit_categories(column)


def _fit_numbers(column: NumberColumn) -> NumberFeature:
    missing = column.missing
    indicator = bool(missing.any())
    present = column.values[~missing]
    if not len(present):
        return NumberFeature(column=column.name, fill=0.0, deviation=0.0, indicator=indicator)
    fill = median(present)
    mean, deviation = moments(np.where(missing, fill, column.values))
    return NumberFeature(column=column.name, fill=fill, mean=mean, deviation=deviation, indicator=indicator)


def _fit_categories(column: CategoryColumn) -> CategoryFeature:
    counts = category_counts(column)
    seen = int(np.count_nonzero(counts))
    frequent = np.flatnonzero(counts >= RARE_BELOW)
    kept = np.sort(frequent[np.argsort(-counts[frequent], kind="stable")][:MOST_CATEGORIES])
    return CategoryFeature(
        column=column.name,
        categories=[column.categories[code] for code in kept],
        other=len(kept) < seen,
        indicator=bool(column.missing.any()),
    )
