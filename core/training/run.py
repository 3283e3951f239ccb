"""One run: a graph trained on examples, as a generator of events that can be stopped, stored and resumed."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from core.arrays import Array, Call, batch_first, call, type_of_precision
from core.calls import constant
from core.graph.evaluator import Evaluator
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.plan import Plan
from core.graph.randomness import Randomness, permutation
from core.graph.sites import Wanted
from core.training.checkpoint import Checkpoint, memory_from_bytes, memory_to_bytes
from core.training.epoch_loss import EpochLoss
from core.training.events import Ended, EndReason, EpochEnded
from core.training.examples import Examples
from core.training.feed import Source
from core.training.max_norm import MaxNorm
from core.training.spec import TrainingSpec
from core.training.step import Penalties, Totals, norm
from core.training.stopping import EarlyStopping, StoppingState
from core.training.updater import Updater
from core.weights import weights_from_bytes, weights_to_bytes

Measure = Callable[[Array, Mapping[str, Array]], Mapping[str, float]]
"""Scores of outputs (n, …) against targets by name, beside the loss."""


MOST_BOUND = 2048
"""Batches of an epoch whose calls are kept from epoch to epoch; beyond them they are bound anew each time."""


class Diverged(Exception):
    """The loss stopped being finite."""

    def __init__(self, node: str | None, step: int) -> None:
        self.node, self.step = node, step
        super().__init__(f"the loss is not finite in step {step}; the first value that overflowed is that of {node}")


class Interrupted(Exception):
    """Somebody asked the run to stop; the epoch in hand is thrown away."""


class Run:
    """The state of one training run. `events` advances it; between events it can be stored by `checkpoint`."""

    def __init__(
        self,
        graph: Graph,
        spec: TrainingSpec,
        training: Examples,
        validation: Examples | None = None,
        *,
        measure: Measure | None = None,
    ) -> None:
        dtype = type_of_precision[spec.dtype]
        self.graph, self.spec = graph, spec
        self.parameters = initial_parameters(graph, spec.seed, dtype)
        self.gradient = np.zeros(graph.parameter_count, dtype)
        self._square = np.zeros((), dtype)
        self.epoch = self.step = 0
        self._source = Source(training.typed(graph, dtype))
        self._rows = training.rows
        self._batch = self._rows if spec.batch_size == "full" else min(spec.batch_size, self._rows)
        self._reorders = spec.shuffle and self._batch < self._rows
        self._order = np.arange(self._rows)
        self._validation = validation.typed(graph, dtype) if validation is not None and validation.rows else None
        self._measure = measure
        learned = self.parameters[: graph.parameter_count]
        self._updater = Updater(spec.optimizer, learned, self.gradient)
        self._max_norm = None if spec.max_norm is None else MaxNorm(graph, self.parameters, spec.max_norm)
        self._accumulated = np.zeros_like(self.gradient) if spec.batches_per_update > 1 else self.gradient
        self._penalties = Penalties(graph, graph.penalties, self.parameters, self.gradient)
        self._randomness = Randomness(graph, spec.seed)
        self._evaluator = Evaluator(graph, self.parameters)
        self._plans: dict[int, Plan] = {}
        self._bound: list[Batch] | None = None
        self._adds_up = all(loss.adds_up for loss in graph.losses)
        self._epoch_loss = EpochLoss(graph, dtype)
        judged = {str(loss.input) for loss in graph.losses} if self._adds_up else set()
        self._kept = {
            name: np.zeros((*graph.shape_of(name), self._rows), dtype) for name in sorted({graph.output} | judged)
        }
        self._watch = spec.early_stopping or EarlyStopping(
            monitor="training.loss" if self._validation is None else "validation.loss", patience=spec.epochs
        )
        self._stopping = StoppingState()
        self._best = self.parameters.copy()

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best watched value so far, counted from 1."""
        return None if self._stopping.best_epoch is None else self._stopping.best_epoch + 1

    def final_weights(self) -> bytes:
        """The weights the model is made of: the best epoch's if the run restores them, else the last."""
        restores = self.spec.early_stopping is not None and self.spec.early_stopping.restore_best
        return weights_to_bytes(self.graph, self._best if restores and self.best_epoch else self.parameters)

    def checkpoint(self) -> Checkpoint:
        """The state after the last whole epoch."""
        progress: dict[str, Any] = {"stopping": self._stopping.model_dump()}
        memory = memory_to_bytes(self._updater.slots, progress)
        return Checkpoint(self.epoch, self.step, weights_to_bytes(self.graph, self.parameters), memory)

    def restore(self, checkpoint: Checkpoint, best_weights: bytes | None = None) -> None:
        """Go on after a checkpoint; `best_weights` are those of the best epoch up to there."""
        slots, progress = memory_from_bytes(checkpoint.memory)
        self.parameters[...] = weights_from_bytes(self.graph, checkpoint.weights, self.parameters.dtype)
        self._updater.restore(slots)
        self._stopping = StoppingState.model_validate(progress["stopping"])
        self.epoch, self.step = checkpoint.epoch, checkpoint.step
        if best_weights is not None:
            self._best[...] = weights_from_bytes(self.graph, best_weights, self.parameters.dtype)

    def events(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[EpochEnded | Ended]:
        """Train epoch by epoch. After `interrupted` or `diverged` the state between epochs is gone: go on from the
        last checkpoint, not from this object."""
        while self.epoch < self.spec.epochs:
            if self._watch.is_over(self._stopping):
                yield self._ended("early_stopping")
                return
            try:
                # A run that diverges overflows on its way; the loss is looked at in every step.
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    ended = self._advance(should_stop)
            except Interrupted:
                yield self._ended("interrupted")
                return
            except Diverged as error:
                yield Ended("diverged", self.epoch, error.step, self.best_epoch, error.node, str(error))
                return
            yield ended
        yield self._ended("early_stopping" if self._watch.is_over(self._stopping) else "max_epochs")

    def _ended(self, reason: EndReason) -> Ended:
        return Ended(reason, self.epoch, self.step, self.best_epoch)

    def _advance(self, should_stop: Callable[[], bool]) -> EpochEnded:
        """One epoch: every batch once, then the validation split."""
        begun = time.perf_counter()
        rate = self.spec.schedule.learning_rate(self.spec.optimizer.learning_rate, self.epoch)
        if self._reorders:
            self._order[...] = permutation(self.spec.seed, self.epoch, self._rows)
        self._randomness.begin_epoch(self.epoch)
        totals = self._pass(should_stop, rate)
        step = self.step + totals.updates
        training = self._scores(totals)
        seconds = time.perf_counter() - begun
        validation = self._validate(step)
        epoch, self.step, self.epoch = self.epoch, step, self.epoch + 1
        watched = training if self._watch.monitor.startswith("training.") else validation
        is_best = self._watch.observe(self._stopping, epoch, watched[self._watch.monitor.partition(".")[2]])
        if is_best:
            np.copyto(self._best, self.parameters)
        return EpochEnded(
            epoch=self.epoch,
            step=step,
            learning_rate=rate,
            training=training,
            validation=validation,
            gradient_norm=totals.gradient_norm / totals.updates,
            seconds=seconds,
            examples_per_second=self._rows / max(seconds, 1e-9),
            best_epoch=self.best_epoch or 1,
            is_best=is_best,
            patience_left=None if self.spec.early_stopping is None else self._watch.patience - self._stopping.wait,
        )

    def _pass(self, should_stop: Callable[[], bool], rate: float) -> Totals:
        """Every batch of an epoch, and the updates between them.

        Whether to stop is asked every few milliseconds: the answer costs a tenth of a small step. A gradient that is
        not finite is seen in the step itself, by its norm.
        """
        totals, pace = Totals(), Pace()
        step, clip, square = self.step, self.spec.clip, self._square
        for position, batch in enumerate(self._batches()):
            if position >= pace.next:
                pace.measure(position)
                if should_stop():
                    raise Interrupted
            for bound in batch.calls:
                bound()
            if not self._adds_up:
                totals.loss += batch.plan.loss() * batch.rows
            if self._penalties:
                totals.penalty += self._penalties.value() * batch.rows
            if not batch.ends_update:
                continue
            if self._penalties:
                self._penalties.pull()
                self.gradient.dot(self.gradient, square)
            length = math.sqrt(found) if isfinite(found := square.item()) else norm(self.gradient)
            if not isfinite(length + totals.loss):
                raise self._diverged(position, step + 1)
            if clip is not None:
                clip.apply(self.gradient, length)
            step += 1
            totals.updates += 1
            totals.gradient_norm += length
            self._updater.step(step, rate)
            if self._max_norm:
                self._max_norm.apply()
        return totals

    def _batches(self) -> Iterable["Batch"]:
        """The batches of an epoch, bound once where they are few enough to be kept."""
        if self._bound is not None:
            return self._bound
        batches = self._bind_batches()
        if self._rows <= MOST_BOUND * self._batch:
            self._bound = list(batches)
            return self._bound
        return batches

    def _bind_batches(self) -> Iterator["Batch"]:
        size, together = self._batch, self.spec.batches_per_update
        for first in range(0, self._rows, size * together):
            group = self._order[first : first + size * together]
            for start in range(0, len(group), size):
                rows = group[start : start + size]
                ends = start + size >= len(group)
                share = len(rows) / len(group)
                yield self._bind_batch(first + start, rows, share=share, is_first=start == 0, ends_update=ends)

    def _bind_batch(self, start: int, rows: Array, *, share: float, is_first: bool, ends_update: bool) -> "Batch":
        plan = self._plan(len(rows))
        calls = [*self._source.gather(plan, rows), *plan.calls]
        if not self._reorders and len(rows) == self._rows:
            # The whole split is the one batch there is: it is loaded once and never changes.
            for gather in self._source.gather(plan, rows):
                gather()
            calls = list(plan.calls)
        for name, kept in self._kept.items():
            calls.append(call(np.copyto, kept[..., start : start + len(rows)], plan.buffers.values[name]))
        if not (is_first and ends_update):
            total = self._accumulated
            calls.append(call(np.multiply, self.gradient, constant(share, total), self.gradient))
            calls.append(
                call(np.copyto, total, self.gradient) if is_first else call(np.add, total, self.gradient, total)
            )
            if ends_update:
                calls.append(call(np.copyto, self.gradient, total))
        if ends_update and not self._penalties:
            calls.append(call(self.gradient.dot, self.gradient, self._square))
        return Batch(plan, len(rows), ends_update, tuple(calls))

    def _plan(self, rows: int) -> Plan:
        """The plan for a batch of this size; the short last batch of an epoch has its own."""
        if rows not in self._plans:
            self._plans[rows] = Plan(
                self.graph,
                rows,
                self.parameters,
                wanted=Wanted(losses=not self._adds_up, training=True),
                gradient=self.gradient,
                randomness=self._randomness,
            )
        return self._plans[rows]

    def _scores(self, totals: Totals) -> dict[str, float]:
        if self._adds_up:
            loss = self._epoch_loss.total(self._kept, self._source.examples, self._order)
            if not math.isfinite(loss):
                raise self._diverged(len(range(0, self._rows, self._batch)), self.step + totals.updates)
        else:
            loss = totals.loss / self._rows
        scores = {"loss": loss}
        if self._penalties:
            scores["penalty"] = totals.penalty / self._rows
        if self._measure is None:
            return scores
        targets = {name: array[self._order] for name, array in self._source.examples.targets.items()}
        return scores | dict(self._measure(batch_first(self._kept[self.graph.output]), targets))

    def _diverged(self, position: int, step: int) -> Diverged:
        """What to say when something is not finite after so many batches: the first batch whose loss is not.

        Its step is known from the outputs it left; where only the gradient overflowed, it is the present step.
        """
        for batch in range(position if self._adds_up else 0):
            rows = slice(batch * self._batch, (batch + 1) * self._batch)
            outputs = {name: kept[..., rows] for name, kept in self._kept.items()}
            loss = self._epoch_loss.total(outputs, self._source.examples, self._order[rows])
            if not math.isfinite(loss):
                culprits = [name for name, values in outputs.items() if not np.isfinite(values).all()]
                node = (culprits or [str(self.graph.losses[0].input)])[0]
                return Diverged(node, self.step + 1 + batch // self.spec.batches_per_update)
        plan = self._plans[min(self._batch, self._rows - position * self._batch)]
        return Diverged(plan.first_non_finite() or str(self.graph.losses[0].input), step)

    def _validate(self, step: int) -> dict[str, float]:
        """Loss and scores on the validation split; raises Diverged if the weights no longer give finite numbers."""
        if not isfinite(self.parameters.dot(self.parameters).item()) and not np.isfinite(self.parameters).all():
            raise Diverged(self._first_bad_parameter(), step)
        if self._validation is None:
            return {}
        names = list({*self._evaluator.judged, self.graph.output})
        values = self._evaluator.values(self._validation.inputs, names)
        loss = self._evaluator.judge(values, self._validation.targets, self._validation.sample_weights)
        if not math.isfinite(loss):
            raise Diverged(self._first_bad_parameter() or self.graph.losses[0].input, step)
        scores = {} if self._measure is None else self._measure(values[self.graph.output], self._validation.targets)
        return {"loss": loss} | dict(scores)

    def _first_bad_parameter(self) -> str | None:
        for piece in self.graph.layout:
            if not np.isfinite(self.parameters[piece.start : piece.stop]).all():
                return piece.node
        return None


@dataclass(frozen=True)
class Batch:
    """One batch of an epoch with everything bound: gathering its rows, its gradient, and keeping its outputs."""

    plan: Plan
    rows: int
    ends_update: bool
    calls: tuple[Call, ...]


@dataclass
class Pace:
    """When to ask next whether to stop: after about five milliseconds of batches."""

    next: int = 0
    _stride: int = 1
    _asked: float = field(default_factory=time.perf_counter)

    def measure(self, position: int) -> None:
        """Choose the next position to ask at by how long the last stretch took."""
        now = time.perf_counter()
        fitting = int(0.005 * self._stride / max(now - self._asked, 1e-9))
        self._stride, self._asked = min(max(fitting, 1), 2 * self._stride), now
        self.next = position + self._stride
