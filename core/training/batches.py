"""The batches of an epoch, bound to one flat list of calls an update: rows in, loss and gradient, penalties, move."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant
from core.graph.graph import Graph
from core.graph.plan import Plan
from core.graph.randomness import Randomness, permutation
from core.graph.sites import Wanted
from core.training.examples import Examples
from core.training.feed import Source
from core.training.spec import TrainingSpec
from core.training.step import Penalties

MOST_BOUND = 500_000
"""Calls of an epoch that are kept bound from epoch to epoch, 8 bytes each; beyond them steps are bound anew each time,
which takes 2 µs a step and more only where a step has hundreds of calls."""


Step = tuple[Call, ...]
"""Everything one update of the parameters takes, from gathering rows to moving them."""


class Measured(NamedTuple):
    """What one update met before it moved the weights, over all its batches."""

    rows: int
    loss: float
    penalty: float | None
    gradient_norm: float


class Batches:
    """Every batch of an epoch, in the order of its rows.

    What a curve needs of each is left behind where the epoch's end finds it: outputs in `kept`, the values of losses
    that do not add up in `losses`, penalties in `penalties`.
    """

    def __init__(
        self,
        graph: Graph,
        spec: TrainingSpec,
        examples: Examples,
        parameters: Array,
        *,
        randomness: Randomness,
        losses_in_steps: bool = False,
    ) -> None:
        self.examples, self.gradient = examples, np.zeros(graph.parameter_count, parameters.dtype)
        self.square = np.zeros((), parameters.dtype)
        """|gradient|² of the last update."""

        self.rows = examples.rows
        self.size = self.rows if spec.batch_size == "full" else min(spec.batch_size, self.rows)
        self.order = np.arange(self.rows)
        self._graph, self._spec, self._parameters, self._randomness = graph, spec, parameters, randomness
        self.reorders = spec.shuffle and self.size < self.rows
        self._source = Source(examples)
        self._plans: dict[int, Plan] = {}
        self._bound: list[Step] | None = None
        self._penalties = Penalties(graph, graph.penalties, parameters, self.gradient)
        self._mean = np.zeros_like(self.gradient) if spec.batches_per_update > 1 else self.gradient
        self.adds_up = not losses_in_steps and all(loss.adds_up for loss in graph.losses)
        names = sorted(graph.outcomes)
        if self.size == self.rows:
            self.kept = {name: self._plan(self.rows).buffers.values[name] for name in names}
        else:
            self.kept = {name: np.zeros((*graph.shape_of(name), self.rows), parameters.dtype) for name in names}
        self.counts = np.minimum(self.size, self.rows - np.arange(0, self.rows, self.size))
        """Rows of each batch."""

        self._weights = np.array([loss.weight for loss in graph.losses])
        self.losses = np.zeros((len(graph.losses), 0 if self.adds_up else len(self.counts)))
        self.penalties = np.zeros(len(self.counts) if self._penalties else 0)

    def arrange(self, epoch: int) -> None:
        """Draw the order of the rows of an epoch."""
        if self.reorders:
            self.order[...] = permutation(self._spec.seed, epoch, self.rows)

    def steps(self, moves: list[Call]) -> Iterator[Step]:
        """The updates of an epoch, each with the calls of `moves` at its end."""
        if self._bound is None:
            if len(self.counts) * len(self._plan(self.size).calls) > MOST_BOUND:
                return self._bind(moves)
            self._bound = list(self._bind(moves))
        return iter(self._bound)

    @property
    def updates(self) -> int:
        """How often the weights move in an epoch."""
        return -(-len(self.counts) // self._spec.batches_per_update)

    def measured(self, update: int, gradient_norm: float) -> Measured:
        """What the batches of one update left, if they take the values of losses."""
        group = slice(update * self._spec.batches_per_update, (update + 1) * self._spec.batches_per_update)
        counts = self.counts[group]
        rows = int(counts.sum())
        penalty = float(self.penalties[group] @ counts) / rows if self._penalties else None
        return Measured(rows, float(self._weights @ self.losses[:, group] @ counts) / rows, penalty, gradient_norm)

    def rows_of(self, position: int, count: int) -> list[Array]:
        """The rows of so many batches from this one on; fewer at the end of an epoch."""
        starts = range(position * self.size, min((position + count) * self.size, self.rows), self.size)
        return [self.order[start : start + self.size].copy() for start in starts]

    def plan_of(self, position: int) -> Plan:
        """The plan of a batch."""
        return self._plan(int(self.counts[position]))

    def last_plan(self, update: int) -> Plan:
        """The plan of the last batch of an update."""
        return self.plan_of(min((update + 1) * self._spec.batches_per_update, len(self.counts)) - 1)

    def mean_loss(self) -> float:
        """The data term, from the values that the batches left."""
        return float(self._weights @ self.losses @ self.counts) / self.rows

    def mean_penalty(self) -> float:
        """The penalties as they were in each batch, weighted by its rows."""
        return float(self.penalties @ self.counts) / self.rows

    def _bind(self, moves: list[Call]) -> Iterator[Step]:
        together = self._spec.batches_per_update
        measure = call(self.gradient.dot, self.gradient, self.square)
        for first in range(0, len(self.counts), together):
            positions = range(first, min(first + together, len(self.counts)))
            calls = [one for position in positions for one in self._gradient_calls(position, positions)]
            yield (*calls, *self._penalties.pull_calls, measure, *moves)

    def _gradient_calls(self, position: int, group: range) -> list[Call]:
        """Calls that write the gradient of a batch, or behind the last of a group their mean weighted by rows."""
        calls = self._forward_and_backward(position)
        if len(group) == 1:
            return calls
        share = constant(float(self.counts[position] / self.counts[group].sum()), self.gradient)
        calls.append(call(np.multiply, self.gradient, share, self.gradient))
        if position == group[0]:
            return [*calls, call(np.copyto, self._mean, self.gradient)]
        total = self._mean if position < group[-1] else self.gradient
        return [*calls, call(np.add, self._mean, self.gradient, total)]

    def _forward_and_backward(self, position: int) -> list[Call]:
        start = position * self.size
        rows = self.order[start : start + self.size]
        plan = self._plan(len(rows))
        load: list[Call] = [*self._source.gather(plan, rows), *plan.prepare_calls]
        keep = [
            call(np.copyto, kept[..., start : start + len(rows)], plan.buffers.values[name])
            for name, kept in self.kept.items()
            if kept is not plan.buffers.values[name]
        ]
        if len(rows) == self.rows:
            # The whole split is the one batch there is: it is loaded once and never changes.
            for one in load:
                one()
            load = []
        calls: list[Call] = [*load, *plan.calls, *keep]
        if not self.adds_up:
            calls += [
                call(np.copyto, self.losses[term, position, ...], value)
                for term, value in enumerate(plan.buffers.losses)
            ]
        if self._penalties:
            calls += [
                *self._penalties.value_calls,
                call(np.copyto, self.penalties[position, ...], self._penalties.total),
            ]
        return calls

    def _plan(self, rows: int) -> Plan:
        """The plan for a batch of this size; the short last batch of an epoch has its own."""
        if rows not in self._plans:
            self._plans[rows] = Plan(
                self._graph,
                rows,
                self._parameters,
                wanted=Wanted(losses=not self.adds_up, training=True),
                gradient=self.gradient,
                randomness=self._randomness,
            )
        return self._plans[rows]
