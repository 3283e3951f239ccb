"""Examples as a run takes them: arrays by name, one row an example."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from core.arrays import Array
from core.graph.graph import Graph


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


def _shaped(array: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    return np.ascontiguousarray(np.reshape(array, shape), dtype=dtype)
