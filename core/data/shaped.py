"""Columns that are the entries of one array a row, such as pixels or time steps: they share their units.

A mean and a deviation for each column, as a table wants them, would take from an image what makes it one: pixels of
the border, which hardly vary, would weigh as much as those in the middle, and a step of time would no longer compare
with the next.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Model, Shape
from core.data.choice import Choice
from core.data.moments import Moments, moments, pooled, standardize
from core.data.table import Column, Floats, Indices, NumberColumn, Table
from core.errors import Invalid, Problem, pointer

ChannelAxis = Literal["first", "last"]
"""Which axis of an example counts things of different units."""

_SHOWN_CELLS = 10
# What is computed on the way takes some multiples of the memory of so many rows, and not of all.
_ROWS_AT_A_TIME = 2048


class Channel(Model):
    """What a channel is standardized by: (x − mean) / deviation over all of its columns and training rows."""

    mean: float
    """Stands in for a missing cell too."""

    deviation: Annotated[float, Field(ge=0)]
    """0 for a channel that was constant in training: it gives zeros, since nothing can be learned of it."""


class ShapedPreparation(Model):
    """Columns of numbers in row-major order of a shape, standardized channel by channel."""

    kind: Literal["shaped"] = "shaped"
    columns: list[str]
    shape: list[int]
    axis: ChannelAxis
    channels: list[Channel]

    @property
    def names(self) -> list[str]:
        return self.columns

    def apply(self, table: Table) -> Floats:
        """The standardized entries of the n rows, (n, d), missing ones being 0.

        Raises Invalid, with pointers `/rows/3/x_0_1`, for a number so far from those in training that no float64
        holds its standardized value.
        """
        columns = [_numbers(table.column(name)) for name in self.columns]
        prepared = np.empty((table.rows, len(columns)))
        for start in range(0, table.rows, _ROWS_AT_A_TIME):
            rows = slice(start, start + _ROWS_AT_A_TIME)
            prepared[rows] = self._standardized(np.stack([values[rows] for values in columns], axis=1))
        far = np.argwhere(~np.isfinite(prepared))[:_SHOWN_CELLS].tolist()
        if far:
            detail = "is too far from the numbers of the training rows to be prepared"
            raise Invalid(Problem(pointer("rows", row, self.columns[at]), detail) for row, at in far)
        return prepared

    def _standardized(self, values: Floats) -> Floats:
        """(n, d) as (n, d), channel by channel."""
        channel_of = np.array(channel_of_entries(tuple(self.shape), self.axis))
        standardized = np.zeros_like(values)
        for number, channel in enumerate(self.channels):
            if channel.deviation > 0:
                entries = np.flatnonzero(channel_of == number)
                present = np.where(np.isnan(values[:, entries]), channel.mean, values[:, entries])
                standardized[:, entries] = standardize(present, channel.mean, channel.deviation)
        return standardized


def channel_of_entries(shape: Shape, axis: ChannelAxis) -> Sequence[int]:
    """The channel of each entry of an array, in row-major order."""
    position = 0 if axis == "first" else len(shape) - 1
    channels: list[int] = np.indices(shape)[position].reshape(-1).tolist()
    return channels


def fit_shaped(
    table: Table, training: Indices, choice: Choice, shape: Shape, *, axis: ChannelAxis
) -> ShapedPreparation:
    """The preparation of columns of numbers that the training rows ask for, as many as the shape has entries."""
    parts: dict[int, list[tuple[Moments, int]]] = {}
    for name, channel in zip(choice.columns, channel_of_entries(shape, axis), strict=True):
        values = _numbers(table.column(name))[training]
        present = values[~np.isnan(values)]
        of_channel = parts.setdefault(channel, [])
        if len(present):
            of_channel.append((moments(present), len(present)))
    channels = [_fit_channel(parts[channel]) for channel in sorted(parts)]
    return ShapedPreparation(columns=list(choice.columns), shape=list(shape), axis=axis, channels=channels)


def _fit_channel(parts: Sequence[tuple[Moments, int]]) -> Channel:
    if not parts:
        return Channel(mean=0.0, deviation=0.0)
    mean, deviation = pooled([part for part, _ in parts], [count for _, count in parts])
    return Channel(mean=mean, deviation=deviation)


def _numbers(column: Column) -> Floats:
    if not isinstance(column, NumberColumn):
        raise Invalid([Problem(pointer(column.name), f"is a column of kind {column.kind}, not number")])
    return column.values
