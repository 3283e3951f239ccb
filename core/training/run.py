"""One run: a graph trained on examples, as a generator of events that can be stopped, stored and resumed."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np

from core.arrays import Array, batch_first, type_of_precision
from core.graph.evaluator import Evaluator
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.randomness import Randomness
from core.monitor import Monitor
from core.schedule import Watched
from core.schedules import watching
from core.training.batches import Batches, Measured, Step
from core.training.checkpoint import Checkpoint, memory_from_bytes, memory_to_bytes
from core.training.clipping import Clip
from core.training.epoch_loss import EpochLoss
from core.training.events import Ended, EndReason, EpochEnded
from core.training.examples import Examples
from core.training.max_norm import MaxNorm
from core.training.notes import Notes
from core.training.probe import Prober
from core.training.spec import TrainingSpec
from core.training.statistics import EpochStatistics, is_probed
from core.training.step import norm
from core.training.stopping import EarlyStopping, StoppingState
from core.training.updater import Updater
from core.weights import weights_from_bytes, weights_to_bytes

Measure = Callable[[Mapping[str, Array], Mapping[str, Array]], Mapping[str, float]]
"""Scores beside the loss, of the values (n, …) that loss terms look at, by node, against targets by name."""


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
        losses_in_steps: bool = False,
    ) -> None:
        """With `losses_in_steps` the value of the loss is taken in every update, for `update`."""
        dtype = type_of_precision[spec.dtype]
        self.graph, self.spec = graph, spec
        self.parameters = initial_parameters(graph, spec.seed, dtype)
        self.epoch = self.step = 0
        self._randomness = Randomness(graph, spec.seed)
        self._batches = Batches(
            graph,
            spec,
            training.typed(graph, dtype),
            self.parameters,
            randomness=self._randomness,
            losses_in_steps=losses_in_steps,
        )
        self._validation = validation.typed(graph, dtype) if validation is not None and validation.rows else None
        self._measure = measure
        batches, learned = self._batches, self.parameters[: graph.parameter_count]
        self._updater = Updater(spec.optimizer, learned, batches.gradient)
        bounds = [] if spec.max_norm is None else MaxNorm(graph, self.parameters, spec.max_norm).calls
        self._moves = [*self._updater.calls, *bounds]
        self._notes, self._prober = None, None
        if spec.statistics:
            self._notes = Notes(graph, batches, learned)
            self._prober = Prober(graph, batches.examples, self.parameters, batches.gradient)
        self._epoch_loss = (
            EpochLoss(graph, batches.kept, batches.examples, batches.order, is_still=not batches.reorders)
            if batches.adds_up
            else None
        )
        self._evaluator = Evaluator(graph, self.parameters)
        usual: Monitor = "training.loss" if self._validation is None else "validation.loss"
        self._schedule, self._watched = watching(spec.schedule, usual), Watched()
        self._watch = spec.early_stopping or EarlyStopping(monitor=usual, patience=spec.epochs)
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

    @property
    def updates_per_epoch(self) -> int:
        """How often the weights move in one pass over the training split."""
        return self._batches.updates

    def first_look(self) -> EpochStatistics | None:
        """What there is to notice before training; None without statistics."""
        return None if self._prober is None else EpochStatistics(0, (), self._prober.probe(0))

    def checkpoint(self) -> Checkpoint:
        """The state after the last whole epoch."""
        return self.store({"stopping": asdict(self._stopping), "schedule": self._watched.model_dump()})

    def restore(self, checkpoint: Checkpoint, best_weights: bytes | None = None) -> None:
        """Go on after a checkpoint; `best_weights` are those of the best epoch up to there, if they are at hand."""
        progress = self.recall(checkpoint)
        self._stopping = StoppingState(**progress["stopping"])
        # Checkpoints of before there were schedules that watch have no memory of one.
        self._watched = Watched.model_validate(progress.get("schedule", {}))
        np.copyto(self._best, self.parameters)
        if best_weights is not None:
            self._best[...] = weights_from_bytes(self.graph, best_weights, self.parameters.dtype)

    def store(self, progress: Mapping[str, Any]) -> Checkpoint:
        """Weights, what the optimizer remembers, and this progress of whoever drives the run."""
        memory = memory_to_bytes(self._updater.slots, progress)
        return Checkpoint(self.epoch, self.step, weights_to_bytes(self.graph, self.parameters), memory)

    def recall(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Take back what `store` has kept; the progress that was kept with it."""
        slots, progress = memory_from_bytes(checkpoint.memory)
        self.parameters[...] = weights_from_bytes(self.graph, checkpoint.weights, self.parameters.dtype)
        self._updater.restore(slots)
        self.epoch, self.step = checkpoint.epoch, checkpoint.step
        return progress

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
                yield self._ended("diverged")._replace(
                    step=error.step, node=error.node, detail=str(error), statistics=self._unfinished()
                )
                return
            yield ended
        yield self._ended("early_stopping" if self._watch.is_over(self._stopping) else "max_epochs")

    def updates(self, epoch: int) -> Iterator[tuple[int, Step]]:
        """The updates of an epoch in its order of rows, numbered from 0, for `update`."""
        self._batches.arrange(epoch)
        return enumerate(self._steps())

    def update(self, number: int, step: Step, rate: float, should_stop: Callable[[], bool]) -> Measured:
        """Move the weights once, for whoever drives the run by single updates, each with random numbers of its own.

        Raises Interrupted, Diverged; then the state is gone, as in `events`.
        """
        self._randomness.begin_epoch(self.step)
        reached, gradient_norm = self._pass(iter([step]), should_stop, rate)
        measured = self._batches.measured(number, gradient_norm)
        if not isfinite(measured.loss):
            raise self._diverged(reached)
        self.step = reached
        return measured

    def approach(self, step: int) -> tuple[list[Array], Randomness]:
        """Make the updates of the epoch in hand that come before this one, counted from 1 over the whole run; the rows
        of each of its batches, and the random numbers that they are given.

        The state is then within an epoch and nothing to go on from. Raises Diverged.
        """
        rate = self._schedule.rate_after(self._watched, self.spec.optimizer.learning_rate, self.epoch)
        self._batches.arrange(self.epoch)
        self._randomness.begin_epoch(self.epoch)
        before = step - self.step - 1
        if before > 0:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                self._pass(islice(self._steps(), before), lambda: False, rate)
        together = self.spec.batches_per_update
        return self._batches.rows_of(before * together, together), self._randomness

    def _ended(self, reason: EndReason) -> Ended:
        return Ended(reason, self.epoch, self.step, self.best_epoch)

    def _advance(self, should_stop: Callable[[], bool]) -> EpochEnded:
        """One epoch: every batch once, then the validation split."""
        begun = time.perf_counter()
        rate = self._schedule.rate_after(self._watched, self.spec.optimizer.learning_rate, self.epoch)
        self._batches.arrange(self.epoch)
        self._randomness.begin_epoch(self.epoch)
        step, gradient_norm = self._pass(self._noted(self._steps(), rate), should_stop, rate)
        training = self._scores(step)
        seconds = time.perf_counter() - begun
        validation = self._validate(step)
        epoch, self.step, self.epoch = self.epoch, step, self.epoch + 1
        curves = {"training": training, "validation": validation}
        if self._schedule.watches is not None:
            self._schedule.observe(self._watched, epoch, _latest(self._schedule.watches, curves))
        is_best = self._watch.observe(self._stopping, epoch, _latest(self._watch.monitor, curves))
        if is_best:
            np.copyto(self._best, self.parameters)
        return EpochEnded(
            epoch=self.epoch,
            step=step,
            learning_rate=rate,
            training=training,
            validation=validation,
            gradient_norm=gradient_norm,
            seconds=seconds,
            examples_per_second=self._batches.rows / max(seconds, 1e-9),
            best_epoch=self.best_epoch or 1,
            is_best=is_best,
            patience_left=None if self.spec.early_stopping is None else self._watch.patience - self._stopping.wait,
            statistics=self._statistics(),
        )

    def _noted(self, steps: Iterator[Step], rate: float) -> Iterator[Step]:
        """The same updates; those that are looked at take notes."""
        if self._notes is None:
            return steps
        self._notes.begin(rate)
        return self._notes.within(steps, self.step, None if self.spec.clip else len(self._moves))

    def _statistics(self) -> EpochStatistics | None:
        """What was noticed in the epoch that has just ended."""
        if self._notes is None or self._prober is None:
            return None
        is_last = self.epoch == self.spec.epochs or self._watch.is_over(self._stopping)
        probe = self._prober.probe(self.epoch) if is_last or is_probed(self.epoch) else None
        return EpochStatistics(self.epoch, self._notes.steps, probe)

    def _unfinished(self) -> EpochStatistics | None:
        """What was noticed in an epoch that does not end."""
        return None if self._notes is None else EpochStatistics(self.epoch + 1, self._notes.steps, None)

    def _steps(self) -> Iterator[Step]:
        """The updates of an epoch; with clipping they end before the weights move."""
        return self._batches.steps([] if self.spec.clip else self._moves)

    def _pass(self, steps: Iterator[Step], should_stop: Callable[[], bool], rate: float) -> tuple[int, float]:
        """Each of these updates: the last step, and the mean norm of the gradients.

        Whether to stop is asked every few milliseconds: the answer costs a tenth of a small step. A gradient that is
        not finite is seen in the step itself, by its norm.
        """
        updater, clip, square = self._updater, self.spec.clip, self._batches.square.item
        steady, step, total, pace = updater.optimizer.is_steady, self.step, 0.0, Pace()
        updater.prepare(step + 1, rate)
        while stretch := tuple(islice(steps, pace.stride)):
            if should_stop():
                raise Interrupted
            for calls in stretch:
                step += 1
                if not steady:
                    updater.prepare(step, rate)
                for call in calls:
                    call()
                length = sqrt(found) if (found := square()) < inf else self._long_norm(clip)
                if not length < inf:
                    raise self._diverged(step)
                total += length
                if clip:
                    self._clip(clip, length)
            pace.adapt()
        return step, total / (step - self.step)

    def _clip(self, clip: Clip, length: float) -> None:
        """Clip and move: only then something must be decided between gradient and update."""
        clip.apply(self._batches.gradient, length)
        for move in self._moves:
            move()
        if self._notes is not None:
            self._notes.complete()

    def _long_norm(self, clip: Clip | None) -> float:
        """The norm whose square overflowed in float32: with clipping, before anything has been moved, it may be finite.

        Without it the update has used the gradient up; weights that take such a step are lost anyway.
        """
        return inf if clip is None else norm(self._batches.gradient)

    def _scores(self, step: int) -> dict[str, float]:
        batches = self._batches
        loss = batches.mean_loss() if self._epoch_loss is None else self._epoch_loss.total()
        if not isfinite(loss):
            raise self._diverged(step)
        scores = {"loss": loss}
        if len(batches.penalties):
            scores["penalty"] = batches.mean_penalty()
        if self._measure is None:
            return scores
        targets = {name: array[batches.order] for name, array in batches.examples.targets.items()}
        return scores | dict(self._measure({name: batch_first(kept) for name, kept in batches.kept.items()}, targets))

    def _diverged(self, step: int) -> Diverged:
        """What to say when something is not finite up to this step: the first batch whose loss is not.

        It is known from what the batches left behind; where only a gradient overflowed, it is the last one.
        """
        batches, judged = self._batches, str(self.graph.losses[0].input)
        together = self.spec.batches_per_update
        last = min((step - self.step) * together, len(batches.counts)) - 1
        for position in range(last):
            rows = slice(position * batches.size, (position + 1) * batches.size)
            if self._epoch_loss is None:
                is_finite = isfinite(batches.losses[:, position].sum())
            else:
                is_finite = self._epoch_loss.is_finite(rows)
            if not is_finite:
                node = next((name for name, y in batches.kept.items() if not np.isfinite(y[..., rows]).all()), judged)
                return Diverged(node, self.step + 1 + position // together)
        return Diverged(batches.plan_of(last).first_non_finite() or judged, step)

    def _validate(self, step: int) -> dict[str, float]:
        """Loss and scores on the validation split; raises Diverged if the weights no longer give finite numbers."""
        if not isfinite(self.parameters.dot(self.parameters).item()) and not np.isfinite(self.parameters).all():
            raise Diverged(self._first_bad_parameter(), step)
        if self._validation is None:
            return {}
        values = self._evaluator.values(self._validation.inputs, list(self.graph.outcomes))
        loss = self._evaluator.judge(values, self._validation.targets, self._validation.sample_weights)
        if not isfinite(loss):
            raise Diverged(self._first_bad_parameter() or self.graph.losses[0].input, step)
        scores = {} if self._measure is None else self._measure(values, self._validation.targets)
        return {"loss": loss} | dict(scores)

    def _first_bad_parameter(self) -> str | None:
        for piece in (*self.graph.layout, *self.graph.state_layout):
            if not np.isfinite(self.parameters[piece.start : piece.stop]).all():
                return piece.node
        return None


def _latest(monitor: Monitor, curves: Mapping[str, Mapping[str, float]]) -> float:
    split, _, name = monitor.partition(".")
    return curves[split][name]


class Pace:
    """How many updates to make before asking again whether to stop: about five milliseconds of them."""

    def __init__(self) -> None:
        self.stride, self._asked = 1, time.perf_counter()

    def adapt(self) -> None:
        """Choose the next stretch by how long the last one took."""
        now = time.perf_counter()
        fitting = int(0.005 * self.stride / max(now - self._asked, 1e-9))
        self.stride, self._asked = min(max(fitting, 1), 4 * self.stride, 4096), now
