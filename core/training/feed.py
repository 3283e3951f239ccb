"""Batches: rows copied from the training split into a plan's buffers, without allocating."""

import numpy as np

from core.arrays import Array, call
from core.graph.plan import Plan
from core.training.examples import Examples


class Feed:
    """Moves rows of the examples into the buffers of one plan."""

    def __init__(self, plan: Plan, examples: Examples) -> None:
        buffers = plan.buffers
        pairs = [(examples.inputs[name], buffer) for name, buffer in buffers.inputs.items()]
        pairs += [(examples.targets[name], buffer) for name, buffer in buffers.targets.items()]
        pairs += [(examples.sample_weights[term], buffer) for term, buffer in buffers.sample_weights.items()]
        self._pairs = pairs
        self._rows = np.zeros(plan.rows, np.intp)
        # `take` with mode="clip" fills `out` directly (0.22 µs); with mode="raise" it goes through a copy.
        self._gather = [call(source.take, self._rows, 0, buffer, "clip") for source, buffer in pairs]

    def rows(self, rows: Array) -> None:
        """Load these rows."""
        self._rows[...] = rows
        for gather in self._gather:
            gather()

    def stretch(self, start: int, stop: int) -> None:
        """Load consecutive rows."""
        for source, buffer in self._pairs:
            np.copyto(buffer, source[start:stop])
