"""One run: a graph trained on examples, as a generator of events that can be stopped, stored and resumed."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from core.arrays import Array, type_of_precision
from core.graph.evaluator import Evaluator
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.plan import Plan
from core.graph.randomness import Randomness, permutation
from core.graph.sites import Wanted
from core.training.checkpoint import Checkpoint, memory_from_bytes, memory_to_bytes
from core.training.events import Ended, EndReason, EpochEnded
from core.training.examples import Examples
from core.training.feed import Feed
from core.training.spec import TrainingSpec
from core.training.step import Penalties, Totals, norm
from core.training.stopping import EarlyStopping, StoppingState
from core.training.updater import Updater
from core.weights import weights_from_bytes, weights_to_bytes

Measure = Callable[[Array, Mapping[str, Array]], Mapping[str, float]]
"""Scores of outputs (n, …) against targets by name, beside the loss."""


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
        self.gradient = np.zeros_like(self.parameters)
        self.epoch = self.step = 0
        self._training = training.typed(graph, dtype)
        self._rows = training.rows
        self._batch = self._rows if spec.batch_size == "full" else min(spec.batch_size, self._rows)
        self._validation = validation.typed(graph, dtype) if validation is not None and validation.rows else None
        self._measure: Measure = measure or (lambda outputs, targets: {})
        self._updater = Updater(spec.optimizer, self.parameters, self.gradient)
        self._penalties = Penalties(graph, graph.penalties, self.parameters, self.gradient)
        self._randomness = Randomness(graph, spec.seed)
        self._evaluator = Evaluator(graph, self.parameters)
        self._plans: dict[int, tuple[Plan, Feed]] = {}
        self._outputs = np.zeros((self._rows, *graph.shape_of(graph.output)), dtype)
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
        epoch, step = self.epoch, self.step
        rate = self.spec.schedule.learning_rate(self.spec.optimizer.learning_rate, epoch)
        order = self._order(epoch)
        self._randomness.begin_epoch(epoch)
        totals = Totals()
        for start in range(0, self._rows, self._batch):
            if should_stop():
                raise Interrupted
            step += 1
            self._update(start, order, totals, step=step, rate=rate)
        seconds = time.perf_counter() - begun
        training = self._scores(totals, order)
        validation = self._validate(step)
        self.epoch, self.step = epoch + 1, step
        watched = training if self._watch.monitor.startswith("training.") else validation
        is_best = self._watch.observe(self._stopping, epoch, watched[self._watch.monitor.partition(".")[2]])
        if is_best:
            self._best[...] = self.parameters
        return EpochEnded(
            epoch=self.epoch,
            step=step,
            learning_rate=rate,
            training=training,
            validation=validation,
            gradient_norm=totals.gradient_norm / totals.steps,
            seconds=seconds,
            examples_per_second=totals.rows / max(seconds, 1e-9),
            best_epoch=self.best_epoch or 1,
            is_best=is_best,
            patience_left=None if self.spec.early_stopping is None else self._watch.patience - self._stopping.wait,
        )

    def _order(self, epoch: int) -> Array | None:
        """The order of the rows; None for the order they have, which is all the same to a full batch."""
        reorders = self.spec.shuffle and self._batch < self._rows
        return permutation(self.spec.seed, epoch, self._rows) if reorders else None

    def _update(self, start: int, order: Array | None, totals: Totals, *, step: int, rate: float) -> None:
        stop = min(start + self._batch, self._rows)
        plan, feed = self._plan(stop - start)
        if order is None:
            feed.stretch(start, stop)
        else:
            feed.rows(order[start:stop])
        plan.forward()
        loss = plan.loss()
        if not math.isfinite(loss):
            raise Diverged(plan.first_non_finite(), step)
        np.copyto(self._outputs[start:stop], plan.output)
        plan.backward()
        penalty = 0.0
        if self._penalties:
            penalty = self._penalties.value()
            self._penalties.pull()
        gradient_norm = norm(self.gradient)
        if self.spec.clip is not None:
            self.spec.clip.apply(self.gradient, gradient_norm)
        totals.add(plan, loss, penalty, gradient_norm)
        self._updater.step(step, rate)

    def _plan(self, rows: int) -> tuple[Plan, Feed]:
        """The plan for a batch of this size; the short last batch of an epoch has its own."""
        if rows not in self._plans:
            plan = Plan(
                self.graph,
                rows,
                self.parameters,
                wanted=Wanted(training=True),
                gradient=self.gradient,
                randomness=self._randomness,
            )
            self._plans[rows] = plan, Feed(plan, self._training)
        return self._plans[rows]

    def _scores(self, totals: Totals, order: Array | None) -> dict[str, float]:
        targets = self._training.targets
        if order is not None:
            targets = {name: array[order] for name, array in targets.items()}
        scores = {"loss": totals.loss / totals.rows}
        if self._penalties:
            scores["penalty"] = totals.penalty / totals.rows
        return scores | dict(self._measure(self._outputs, targets))

    def _validate(self, step: int) -> dict[str, float]:
        """Loss and scores on the validation split; raises Diverged if the weights no longer give finite numbers."""
        if self._validation is None:
            if not np.isfinite(self.parameters).all():
                raise Diverged(self._first_bad_parameter(), step)
            return {}
        names = list({*self._evaluator.judged, self.graph.output})
        values = self._evaluator.values(self._validation.inputs, names)
        loss = self._evaluator.judge(values, self._validation.targets, self._validation.sample_weights)
        if not (math.isfinite(loss) and np.isfinite(self.parameters).all()):
            raise Diverged(self._first_bad_parameter(), step)
        return {"loss": loss} | dict(self._measure(values[self.graph.output], self._validation.targets))

    def _first_bad_parameter(self) -> str | None:
        for piece in self.graph.layout:
            if not np.isfinite(self.parameters[piece.start : piece.stop]).all():
                return piece.node
        return None
