"""Forward passes in evaluation mode over any number of rows, by static plans of a fixed batch size."""

from collections.abc import Mapping

import numpy as np

from core.arrays import Array, batch_first, batch_last, size_of
from core.graph.graph import Graph
from core.graph.plan import Plan
from core.graph.sites import Wanted
from core.loss import LossSite

BATCH = 256
"""Rows a plan takes at most: large enough for full matrix products, small enough to stay in the cache."""

MOST_VALUES = 16_000_000
"""Numbers that the values of one plan may be; a network with very wide nodes is computed by fewer rows at a time."""


class Evaluator:
    """Computes outputs and losses with the current content of a parameter vector; one thread at a time."""

    def __init__(self, graph: Graph, parameters: Array) -> None:
        self.graph, self.parameters = graph, parameters
        self._plans: dict[int, Plan] = {}
        self._batch = largest_batch(graph)

    def outputs(self, inputs: Mapping[str, Array]) -> Array:
        """The prediction of every row: (n, …) in the parameters' type."""
        return self.values(inputs, [self.graph.output])[self.graph.output]

    def values(self, inputs: Mapping[str, Array], names: list[str]) -> dict[str, Array]:
        """The values of these nodes for every row, as new arrays."""
        rows = len(next(iter(inputs.values())))
        results = {name: np.empty((rows, *self.graph.shape_of(name)), self.parameters.dtype) for name in names}
        for start in range(0, rows, self._batch):
            stop = min(start + self._batch, rows)
            plan = self._plan(stop - start)
            for name, buffer in plan.buffers.inputs.items():
                buffer[..., : stop - start] = batch_last(inputs[name][start:stop])
            plan.forward()
            for name, result in results.items():
                result[start:stop] = batch_first(plan.buffers.values[name][..., : stop - start])
        return results

    def losses(self, inputs: Mapping[str, Array], targets: Mapping[str, Array], weights: Mapping[int, Array]) -> float:
        """The data term over all rows at once, whatever its reduction divides by."""
        return self.judge(self.values(inputs, self.judged), targets, weights)

    @property
    def judged(self) -> list[str]:
        """The nodes that some loss term looks at."""
        return [str(loss.input) for loss in self.graph.losses]

    def judge(self, values: Mapping[str, Array], targets: Mapping[str, Array], weights: Mapping[int, Array]) -> float:
        """The data term of values that have been computed."""
        total = 0.0
        for index, loss in enumerate(self.graph.losses):
            assert loss.input is not None and loss.target is not None
            value = np.zeros((), np.float64)
            y, t = (np.ascontiguousarray(batch_last(one)) for one in (values[loss.input], targets[loss.target]))
            site = LossSite(y, t, None, value, weights.get(index))
            for call in (*loss.prepare(site), *loss.forward(site)):
                call()
            total += loss.weight * float(value)
        return total

    def _plan(self, rows: int) -> Plan:
        """The plan of the smallest power of two that holds these rows; what is beyond them is computed and unread."""
        size = rows_at_a_time(self.graph, rows)
        if size not in self._plans:
            self._plans[size] = Plan(self.graph, size, self.parameters, wanted=Wanted(losses=False, gradients=False))
        return self._plans[size]


def rows_at_a_time(graph: Graph, rows: int) -> int:
    """Rows of the plan that computes so many: the smallest power of two that holds them, if the network allows it."""
    return 1 << (min(rows, largest_batch(graph)) - 1).bit_length()


def largest_batch(graph: Graph) -> int:
    """The largest power of two up to BATCH whose values fit."""
    each = sum(size_of(node.shape) for node in graph.nodes)
    fitting = max(1, MOST_VALUES // max(each, 1))
    return min(BATCH, 1 << (fitting.bit_length() - 1))
