"""A plane through the rows of a data set: two columns vary, all others stay where most rows are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from core.arrays import Array
from core.data.cells import Cell
from core.data.features import CategoryFeature, Feature, FeaturePreparation, NumberFeature
from core.data.preparation import Preparation
from core.data.table import CategoryColumn, Column, NumberColumn, Table
from core.errors import Invalid, Problem
from core.training.examples import Examples


@dataclass(frozen=True)
class Axis:
    """A column that varies: its numbers, or its categories."""

    feature: str
    values: tuple[float, ...] | tuple[str, ...]

    @property
    def is_category(self) -> bool:
        """Whether the values are categories."""
        return isinstance(self.values[0], str)


@dataclass(frozen=True)
class Described:
    """A column of the training split as a model was fed it."""

    feature: Feature
    low: float = 0.0
    high: float = 0.0
    usual: Cell = None
    """The median, or the most frequent category."""

    @property
    def is_number(self) -> bool:
        """Whether it can be an axis of numbers."""
        return isinstance(self.feature, NumberFeature)


def describe(preparation: Preparation, training: Examples) -> dict[str, Described]:
    """Every column that feeds the model by its name, the numbers first as the table had them.

    Raises Invalid for inputs whose entries are no columns by themselves.
    """
    found: dict[str, Described] = {}
    for name, prepared in preparation.inputs.items():
        if not isinstance(prepared, FeaturePreparation):
            what = "whole numbers such as token ids" if prepared.kind == "indices" else "images or sequences"
            detail = f"its input {name!r} takes {what}, of which two entries show nothing; ask about a table"
            raise Invalid([Problem("/subject/model", f"there is no plane to look at: {detail}")])
        rows = training.inputs[name].reshape(training.rows, -1).astype(np.float64)
        for feature, entries in _entries(prepared, rows):
            found.setdefault(feature.column, _described(feature, entries))
    return found


def _entries(prepared: FeaturePreparation, rows: Array) -> Iterator[tuple[Feature, Array]]:
    """Each feature with its columns (n, …) of what the network is fed."""
    start = 0
    for feature in prepared.features:
        yield feature, rows[:, start : start + len(feature.names)]
        start += len(feature.names)


def _described(feature: Feature, entries: Array) -> Described:
    if isinstance(feature, CategoryFeature):
        counts = entries[:, : len(feature.categories)].sum(axis=0)
        return Described(feature, usual=feature.categories[int(counts.argmax())] if len(counts) else None)
    values = entries[:, 0] * feature.deviation + feature.mean
    usual = float(np.median(values)) if feature.fill is None else feature.fill
    return Described(feature, _tidy(values.min()), _tidy(values.max()), _tidy(usual))


def _tidy(value: float) -> float:
    """The number to the digits that a float32 has: 39.1, and not 39.099998 as it comes out of one."""
    return float(f"{value:.7g}")


def plane_table(axes: tuple[Axis, Axis], columns: Mapping[str, Described]) -> Table:
    """The n · m rows of a plane, the second axis fastest, with every column that feeds the model."""
    first, second = axes
    places = np.divmod(np.arange(len(first.values) * len(second.values)), len(second.values))
    varying = {axis.feature: _varied(axis, at) for axis, at in zip(axes, places, strict=True)}
    rows = len(places[0])
    return Table(tuple(varying.get(name) or _held(name, one, rows) for name, one in columns.items()))


def _varied(axis: Axis, places: Array) -> Column:
    if not axis.is_category:
        return NumberColumn(axis.feature, np.array(axis.values, np.float64)[places])
    categories = tuple(sorted(map(str, axis.values)))
    codes = np.array([categories.index(str(value)) for value in axis.values], np.int32)
    return CategoryColumn(axis.feature, codes[places], categories)


def _held(name: str, column: Described, rows: int) -> Column:
    if column.is_number:
        return NumberColumn(name, np.full(rows, column.usual, np.float64))
    categories = () if column.usual is None else (str(column.usual),)
    return CategoryColumn(name, np.full(rows, len(categories) - 1, np.int32), categories)
