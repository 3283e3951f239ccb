"""What is noticed in single updates: norms of gradients, weights and updates, and the signal that reaches each layer.

Two calls are put into the list of an update that is looked at: one before the weights move, and one behind. All others
are the lists that they would be without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, islice

import numpy as np

from core.arrays import Array, call
from core.graph.graph import Graph
from core.graph.layers import layers_of
from core.training.batches import Batches, Step
from core.training.probe import rms
from core.training.statistics import StepStatistics, is_noted
from core.training.step import norm


class Notes:
    """The updates of an epoch that were looked at; their numbers count over the whole run."""

    def __init__(self, graph: Graph, batches: Batches, parameters: Array) -> None:
        """`parameters` are those that are learned."""
        self.steps: list[StepStatistics] = []
        self._batches, self._parameters = batches, parameters
        self._before = np.zeros_like(parameters)
        self._tensors = [slice(piece.start, piece.stop) for piece in graph.layout]
        self._layers = [node.id for node in layers_of(graph)]
        self._rate = 0.0
        self._begun: StepStatistics | None = None

    def begin(self, rate: float) -> None:
        """Forget the epoch before, whatever became of it; the new one has this learning rate."""
        self._rate, self.steps, self._begun = rate, [], None

    def within(self, steps: Iterator[Step], first: int, moves: int | None) -> Iterator[Step]:
        """The same updates, the first of them with this number, with calls that take notes in some of them.

        The last `moves` calls of each move the weights; with None, who moves them later calls `complete` behind.
        """
        number = first
        while True:
            noted = next(later for later in count(number) if is_noted(later))
            yield from islice(steps, noted - number)
            step = next(steps, None)
            if step is None:
                return
            note = call(self._note, noted, self._signals(noted - first))
            if moves is None:
                yield (*step, note)
            else:
                moved = len(step) - moves
                yield (*step[:moved], note, *step[moved:], self.complete)
            number = noted + 1

    def complete(self) -> None:
        """Finish what was begun before the weights moved, if anything was."""
        if self._begun is None:
            return
        change = np.subtract(self._parameters, self._before, self._before)
        self.steps.append(replace(self._begun, update_norms=self._norms(change)))
        self._begun = None

    def _note(self, number: int, signals: Sequence[Array]) -> None:
        np.copyto(self._before, self._parameters)
        self._begun = StepStatistics(
            step=number,
            learning_rate=self._rate,
            gradient_norms=self._norms(self._batches.gradient),
            weight_norms=self._norms(self._parameters),
            update_norms=(),
            slope_rms=[rms(signal) for signal in signals],
        )

    def _norms(self, vector: Array) -> Sequence[float]:
        return [norm(vector[tensor]) for tensor in self._tensors]

    def _signals(self, update: int) -> Sequence[Array]:
        """Where the backward pass of the last batch of an update leaves dL/dz of each layer."""
        gradients = self._batches.last_plan(update).buffers.gradients
        return [gradients[layer] for layer in self._layers]
