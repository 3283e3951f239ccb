"""Where what would have been is computed: the same network with one thing changed, before training or for a few epochs.

Nothing here touches the run: the networks are drawn anew, and what it costs is bounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import median
from typing import Any

import numpy as np

from core.arrays import Array, batch_last
from core.diagnosis.changes import Change
from core.diagnosis.course import Course, Failure
from core.diagnosis.overflow import Overflow, find_overflow
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.interpreter import interpret
from core.schedules.constant import Constant
from core.training.checkpoint import Checkpoint
from core.training.events import Ended, EpochEnded
from core.training.examples import Examples
from core.training.probe import probe
from core.training.run import Run
from core.training.spec import TrainingSpec
from core.training.statistics import EpochStatistics, Probe

SEEDS = 3
MOST_ROWS, LEAST_ROWS = 64, 8

MOST_WORK = 2e8
"""Floating-point operations of the looks at one network, and of one short training: about a tenth of a second."""

OPERATIONS_OF_A_CALL = 10_000
"""What a call costs beside them, however small its arrays are: about a microsecond in which others compute so much."""

MOST_WORK_OF_A_REPLAY = 2e10
"""Of the epoch that failed: some ten seconds."""

Measure = Callable[[Course, Probe], float | None]


@dataclass(frozen=True)
class Laboratory:
    """What a run is made of."""

    graph: Graph
    spec: TrainingSpec
    training: Examples
    validation: Examples | None = None
    checkpoint: Callable[[int], Checkpoint | None] = lambda _: None
    """The state after an epoch, where it is kept."""

    def compare(self, course: Course, what: str, measure: Measure, changes: Sequence[Change]) -> dict[str, Any] | None:
        """A measure of the start, without and with each change, as the median over seeds; None if no change applies."""
        after = {}
        for change in changes:
            changed = change.make(self.graph, self._rows())
            if changed is not None:
                after[change.words] = self._median(course, measure, *changed)
        if not after:
            return None
        return {
            "measure": what,
            "before": self._median(course, measure, self.graph, self._rows()),
            "after": after,
            "seeds": self._seeds,
            "rows": self._rows().rows,
        }

    def train(self, rates: Sequence[float]) -> dict[str, Any] | None:
        """The training losses of the first epochs at each learning rate; a last null stands for an overflow.

        None where not even some updates are cheap enough.
        """
        short = self._short()
        if short is None:
            return None
        spec, training = short
        return {
            "measure": "training loss of the first epochs by learning rate",
            "epochs": spec.epochs,
            "rows": training.rows,
            "losses": [
                {"learning_rate": rate, "loss": _losses(self.graph, _at(spec, rate), training)} for rate in rates
            ],
        }

    def overflow(self, failure: Failure) -> Overflow | None:
        """Where the numbers of a failed run stopped being finite; None where it is unknown or too much to do again."""
        checkpoint = self.checkpoint(failure.epoch)
        if checkpoint is None or self._work_of_a_row() * self.training.rows > MOST_WORK_OF_A_REPLAY:
            return None
        run = Run(self.graph, self.spec.model_copy(update={"statistics": False}), self.training)
        return find_overflow(run, self.training, self.validation, checkpoint=checkpoint, step=failure.step)

    @property
    def _seeds(self) -> list[int]:
        return [(self.spec.seed + one) % 2**63 for one in range(SEEDS)]

    def _rows(self) -> Examples:
        """Rows spread evenly over the training split, few where the network is large."""
        work = 9.0 * _flops(self.graph)
        count = min(self.training.rows, max(LEAST_ROWS, min(MOST_ROWS, int(MOST_WORK / max(work, 1.0)))))
        return self.training.take(np.arange(count) * self.training.rows // count).typed(self.graph, np.float64)

    def _median(self, course: Course, measure: Measure, graph: Graph, examples: Examples) -> float | None:
        found = []
        for seed in self._seeds:
            probe = _look(graph, initial_parameters(graph, seed, np.float64), examples)
            start = replace(course, graph=graph, points=(), statistics=(EpochStatistics(0, (), probe),), failure=None)
            value = measure(start, probe)
            if value is not None and isfinite(value):
                found.append(value)
        return float(median(found)) if found else None

    def _short(self) -> tuple[TrainingSpec, Examples] | None:
        """Up to three epochs of as many rows as may be computed; at least ten updates, or all there are in an epoch."""
        each = self._work_of_a_row()
        rows = min(self.training.rows, int(MOST_WORK / each))
        if rows < min(10 * self._batch * self.spec.batches_per_update, self.training.rows):
            return None
        epochs = int(max(1, min(3, self.spec.epochs, MOST_WORK // (each * rows))))
        # A schedule that watches a curve would miss it here; it does nothing in the first epochs.
        schedule = self.spec.schedule if self.spec.schedule.watches is None else Constant()
        changed = {"epochs": epochs, "schedule": schedule, "early_stopping": None, "statistics": False}
        spec = self.spec.model_copy(update=changed)
        return spec, self.training if rows == self.training.rows else self.training.take(np.arange(rows))

    @property
    def _batch(self) -> int:
        rows, size = self.training.rows, self.spec.batch_size
        return rows if size == "full" else min(size, rows)

    def _work_of_a_row(self) -> float:
        """Forward, backward, and its share of what the calls of a step cost."""
        return 3.0 * (_flops(self.graph) + OPERATIONS_OF_A_CALL * len(self.graph.nodes) / self._batch)


def _look(graph: Graph, parameters: Array, examples: Examples) -> Probe:
    """These rows through a network that has not been trained."""
    with np.errstate(all="ignore"):
        done = interpret(graph, parameters, examples.inputs, examples.targets, sample_weights=examples.sample_weights)
    values, gradients = (
        {name: batch_last(array) for name, array in arrays.items()} for arrays in (done.values, done.gradients)
    )
    return probe(graph, values, gradients, epoch=0, loss=float(done.loss(graph)))


def _flops(graph: Graph) -> int:
    return sum(node.op.flops(node.input_shapes) for node in graph.nodes)


def _at(spec: TrainingSpec, rate: float) -> TrainingSpec:
    optimizer = spec.optimizer.model_copy(update={"learning_rate": rate})
    return spec.model_copy(update={"optimizer": optimizer})


def _losses(graph: Graph, spec: TrainingSpec, training: Examples) -> list[float | None]:
    losses: list[float | None] = []
    for event in Run(graph, spec, training).events():
        match event:
            case EpochEnded():
                losses.append(event.training["loss"])
            case Ended() if event.reason == "diverged":
                losses.append(None)
    return losses
