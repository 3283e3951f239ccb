"""The loss of an epoch, taken once from the outputs that its steps left behind.

Slopes are needed in every step, values only for the curve: of 35 µs of a small step the value of a cross-entropy took
7, and in long vectors it takes less than 1. So a plan computes slopes alone, where the loss adds up over batches.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.arrays import Array, Call, Shape, at_least_double, batch_last, size_of
from core.graph.graph import Graph
from core.loss import Loss, LossSite
from core.training.examples import Examples
from core.training.feed import take_rows

MOST_VALUES = 32_768
"""Outputs that are judged at a time: their logarithms and products stay in a cache of 1 MB."""


@dataclass(frozen=True)
class _Piece:
    """Some consecutive outputs of one loss term, with everything bound."""

    calls: list[Call]
    value: Array
    share: float
    """Weight of the term times the share of the rows."""


def rows_of_piece(output: Shape) -> int:
    """How many outputs of this shape are judged at a time."""
    return max(1, MOST_VALUES // size_of(output))


class EpochLoss:
    """The data term of outputs (…, n) of a whole split, which stand in the order of the row numbers in `order`.

    Targets are taken anew for each value unless that order `is_still`.
    """

    def __init__(
        self, graph: Graph, outputs: Mapping[str, Array], examples: Examples, order: Array, *, is_still: bool = True
    ) -> None:
        self._graph, self._outputs, self._examples, self._order = graph, outputs, examples, order
        self._is_still = is_still
        self._pieces = [
            piece for index, loss in enumerate(graph.losses) for piece in self._bind(index, loss) if loss.weight
        ]

    def total(self) -> float:
        """The value for what the outputs hold now; NaN where a piece is not finite."""
        for piece in self._pieces:
            for call in piece.calls:
                call()
        return math.fsum(piece.share * piece.value.item() for piece in self._pieces)

    @property
    def calls(self) -> list[Call]:
        """Everything bound, in order."""
        return [call for piece in self._pieces for call in piece.calls]

    def is_finite(self, rows: slice) -> bool:
        """Whether the loss of these consecutive outputs alone is."""
        part = {name: outputs[..., rows] for name, outputs in self._outputs.items()}
        return math.isfinite(EpochLoss(self._graph, part, self._examples, self._order[rows]).total())

    def _bind(self, index: int, loss: Loss) -> list[_Piece]:
        y = self._outputs[str(loss.input)]
        length = rows_of_piece(y.shape[:-1])
        starts = range(0, len(self._order), length)
        scratch: dict[int, dict[str, Array]] = {}
        return [self._bind_piece(index, slice(start, start + length), scratch) for start in starts]

    def _bind_piece(self, index: int, part: slice, scratch: dict[int, dict[str, Array]]) -> _Piece:
        loss = self._graph.losses[index]
        y = self._outputs[str(loss.input)]
        rows, source = self._order[part], self._examples.targets[str(loss.target)]
        t = np.empty((len(rows), *source.shape[1:]), source.dtype)
        load: list[Call] = [take_rows(source, rows, t)]
        weights = None
        if loss.sample_weight is not None:
            weights = np.empty(len(rows), y.dtype)
            load.append(take_rows(self._examples.sample_weights[index], rows, weights))
        value = np.zeros((), at_least_double(y.dtype))
        # Pieces of one length share their work arrays, except where what is prepared in them is to stay.
        shared = {} if self._is_still else scratch.setdefault(len(rows), {})
        site = LossSite(y[..., part], batch_last(t), None, value, weights, shared)
        load += loss.prepare(site)
        if self._is_still:
            for call in load:
                call()
            load = []
        return _Piece([*load, *loss.forward(site)], value, loss.weight * len(rows) / len(self._order))
