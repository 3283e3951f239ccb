"""The loss of an epoch, taken once from the outputs that its steps left behind.

Slopes are needed in every step, values only for the curve: of 35 µs of a small step the value of a cross-entropy took
7, and in long vectors it takes less than 1. So a plan computes slopes alone, where the loss adds up over batches.
"""

import math
from collections.abc import Mapping

import numpy as np

from core.arrays import Array, at_least_double, batch_last, size_of
from core.graph.graph import Graph
from core.loss import LossSite
from core.training.examples import Examples

MOST_VALUES = 131_072
"""Outputs that are judged at a time: their logarithms and products stay in a cache of 1 MB in float32."""


class EpochLoss:
    """Judges the outputs (…, n) of a whole split, piece by piece in work arrays made once."""

    def __init__(self, graph: Graph, dtype: "np.dtype[np.floating]") -> None:
        self._graph, self._dtype = graph, dtype
        self._sites: dict[tuple[int, int], LossSite] = {}

    def total(self, outputs: Mapping[str, Array], examples: Examples, order: Array) -> float:
        """The data term of outputs that stand in this order of the examples."""
        return math.fsum(
            loss.weight * self._term(index, outputs[str(loss.input)], examples, order)
            for index, loss in enumerate(self._graph.losses)
        )

    def _term(self, index: int, y: Array, examples: Examples, order: Array) -> float:
        loss, weights = self._graph.losses[index], examples.sample_weights
        t = examples.targets[str(loss.target)]
        piece = max(1, MOST_VALUES // max(1, size_of(y.shape[:-1])))
        sums = []
        for start in range(0, len(order), piece):
            rows = order[start : start + piece]
            site = self._site(index, y, t, len(rows))
            np.copyto(site.y, y[..., start : start + len(rows)])
            np.copyto(site.t, batch_last(t[rows]))
            if site.sample_weight is not None:
                np.copyto(site.sample_weight, weights[index][rows])
            for call in loss.forward(site):
                call()
            sums.append(float(site.value) * len(rows))
        return math.fsum(sums) / len(order) if all(map(math.isfinite, sums)) else math.nan

    def _site(self, index: int, y: Array, t: Array, rows: int) -> LossSite:
        key, weight = (index, rows), self._graph.losses[index].sample_weight
        if key not in self._sites:
            self._sites[key] = LossSite(
                y=np.empty((*y.shape[:-1], rows), y.dtype),
                t=np.empty((*t.shape[1:], rows), t.dtype),
                dy=None,
                value=np.zeros((), at_least_double(y.dtype)),
                sample_weight=None if weight is None else np.empty(rows, y.dtype),
            )
        return self._sites[key]
