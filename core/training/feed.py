"""Batches: rows copied from the training split into a plan's buffers, without allocating."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Array, Call, call
from core.graph.graph import Graph
from core.graph.plan import Plan
from core.training.examples import Examples

MOST_WIDENED = 4_000_000
"""Entries of an input that is kept a second time with a column of ones, so that a batch is gathered in one call."""


def widened_bytes(graph: Graph, rows: int, item: int) -> int:
    """Bytes of the inputs that a source of so many rows keeps a second time."""
    sizes = [rows * spec.axes[0] for spec in graph.inputs.values() if spec.dtype == "float" and len(spec.axes) == 1]
    return sum((size + rows) * item for size in sizes if size <= MOST_WIDENED)


class Source:
    """The examples of a run as arrays to gather rows from, by what they are fed into."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples
        self._widened: dict[str, Array] = {}
        self._stages: dict[tuple[str, int], Array] = {}

    def gather(self, plan: Plan, rows: Array) -> Sequence[Call]:
        """Calls that copy the rows whose numbers stand in `rows` at the time into the buffers of a plan."""
        buffers = plan.buffers
        calls: list[Call] = []
        for name, fed in buffers.fed_inputs.items():
            source = self.examples.inputs[name]
            if source.shape[1:] == fed.shape[1:]:
                calls.append(take_rows(source, rows, fed))
            elif source.size <= MOST_WIDENED:
                calls.append(take_rows(self._with_one(name, source), rows, fed))
            else:
                staged = self._staged(name, source, len(fed))
                calls += [take_rows(source, rows, staged), call(np.copyto, fed[:, :-1], staged)]
        calls += [take_rows(self.examples.targets[name], rows, fed) for name, fed in buffers.fed_targets.items()]
        calls += [
            take_rows(self.examples.sample_weights[term], rows, fed) for term, fed in buffers.sample_weights.items()
        ]
        return calls

    def _staged(self, name: str, source: Array, rows: int) -> Array:
        """Where rows are gathered before they are copied beside their ones: one array for all batches of a size."""
        if (name, rows) not in self._stages:
            self._stages[name, rows] = np.empty((rows, *source.shape[1:]), source.dtype)
        return self._stages[name, rows]

    def _with_one(self, name: str, source: Array) -> Array:
        if name not in self._widened:
            widened = np.ones((len(source), source.shape[1] + 1), source.dtype)
            widened[:, :-1] = source
            self._widened[name] = widened
        return self._widened[name]


def take_rows(source: Array, rows: Array, out: Array) -> Call:
    """The call that copies the rows whose numbers stand in `rows` at the time."""
    # With mode="clip" `take` fills `out` directly (0.22 µs); with mode="raise" it goes through a copy.
    return call(source.take, rows, 0, out, "clip")
