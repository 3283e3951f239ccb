"""Examples as a run takes them: arrays by name, one row an example."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from core.arrays import Array
from core.errors import Invalid, Problem, pointer
from core.graph.graph import Graph
from core.loss import Loss

MOST_ROWS_NAMED = 10


@dataclass(frozen=True)
class Examples:
    """Inputs and targets by name, and sample weights by the position of their loss term; all with n rows."""

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    sample_weights: Mapping[int, Array] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, rows: Array) -> "Examples":
        """These rows only."""
        return Examples(
            {name: array[rows] for name, array in self.inputs.items()},
            {name: array[rows] for name, array in self.targets.items()},
            {term: array[rows] for term, array in self.sample_weights.items()},
        )

    def shaped(self, graph: Graph) -> "Examples":
        """The same with inputs and targets in the shapes of a network, in which they have as many entries."""
        return Examples(
            {name: array.reshape(-1, *graph.inputs[name].axes) for name, array in self.inputs.items()},
            {name: array.reshape(-1, *graph.targets[name].shape) for name, array in self.targets.items()},
            self.sample_weights,
        )

    def typed(self, graph: Graph, dtype: DTypeLike) -> "Examples":
        """The same in a run's precision: indices and classes as integers, everything contiguous and shaped.

        Targets may be left out where only outputs are wanted.
        """
        rows = self.rows
        return Examples(
            {
                name: _shaped(self.inputs[name], (rows, *spec.axes), np.intp if spec.dtype == "int" else dtype)
                for name, spec in graph.inputs.items()
            },
            {
                name: _shaped(self.targets[name], (rows, *target.shape), np.intp if target.type == "class" else dtype)
                for name, target in graph.targets.items()
                if name in self.targets
            },
            {term: _shaped(array, (rows,), dtype) for term, array in self.sample_weights.items()},
        )


@dataclass(frozen=True)
class StrangeIndex:
    """An entry of an input of integers that is no whole number from 0 to below the limit of what reads it."""

    input: str
    row: int
    value: float
    limit: int

    @property
    def detail(self) -> str:
        """The mistake as what is said of its row."""
        return f"holds {self.value:.15g}, and {self.input!r} takes whole numbers from 0 to {self.limit - 1}"

    def at(self, pointer: str) -> Problem:
        """The mistake where it stands."""
        return Problem(pointer, self.detail, got=self.value if math.isfinite(self.value) else None)


def strange_indices(graph: Graph, inputs: Mapping[str, Array]) -> Iterator[StrangeIndex]:
    """The first entry of each row that no table of the network has a row for; of few rows.

    Every way into the network asks this: a strange index that is let through reads the row next to it.
    """
    for name, limit in graph.index_limits.items():
        array = inputs[name]
        strange = ~((array >= 0) & (array < limit) & (array == np.floor(array)))
        rows = np.flatnonzero(strange.any(axis=tuple(range(1, array.ndim))))
        for row in rows[:MOST_ROWS_NAMED].tolist():
            yield StrangeIndex(name, row, array[row][strange[row]][0].item(), limit)


def check_indices(graph: Graph, inputs: Mapping[str, Array], place: str) -> None:
    """Raise Invalid, at `/rows/3` for a `place` of `/rows`, where a row has an index that the network does not know."""
    problems = [strange.at(f"{place}/{strange.row}") for strange in strange_indices(graph, inputs)]
    if problems:
        raise Invalid(problems)


def small_targets(loss: Loss, targets: Mapping[str, Array]) -> Iterator[Problem]:
    """Targets below the least that a loss takes, by the name of the target."""
    target = targets[str(loss.target)]
    if loss.least_target is not None and target.size and target.min() < loss.least_target:
        detail = f"{loss.kind} takes numbers from {loss.least_target:g}"
        yield Problem(pointer(str(loss.target)), detail, got=float(target.min()))


def _shaped(array: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    return np.ascontiguousarray(np.reshape(array, shape), dtype=dtype)
