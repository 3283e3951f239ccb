"""The learning-rate range test: the loss of a run whose rate grows by the same factor in every update.

Below some rate nothing is learned; then the loss falls, faster and faster; then it explodes. A good rate is where it
falls most steeply.

Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3; growth by a factor, smoothing,
and the end at four times the lowest loss are those of fastai's learning-rate finder.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from core.arrays import Model
from core.training.batches import Step
from core.training.checkpoint import Checkpoint
from core.training.events import Ended, EpochEnded, RangeEnd
from core.training.run import Diverged, Interrupted, Run

SMOOTHING = 0.98
"""Share of the average that stays when a loss joins it."""

EXPLOSION = 4.0
"""The loss has exploded when its average is so many times the lowest."""

UNJUDGED = 0.1
"""Share of the points, at the start, that are neither lowest nor steepest nor exploded.

An average of one or two batches is noise: with one example a batch the first loss may be a thousandth of the next.
"""


FLAT = 1e-6
"""A fall by a smaller share of the loss is rounding, since a loss is often computed in float32."""


class LearningRateRange(Model):
    """Through which rates a range test goes, and how finely."""

    # `from` is no name in Python; nobody else shall learn of the other one.
    model_config = ConfigDict(populate_by_name=False, serialize_by_alias=True)

    lowest: Annotated[float, Field(ge=1e-30, le=1e9, alias="from")] = 1e-7
    """Rate of the first update."""

    to: Annotated[float, Field(ge=1e-30, le=1e9, validate_default=True)] = 10.0
    """Rate of the last update, unless the loss explodes before."""

    steps: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Updates, each with the rate of the one before times the same factor."""

    @field_validator("to")
    @classmethod
    def _grows(cls, to: float, known: ValidationInfo) -> float:
        lowest = known.data.get("lowest")
        if lowest is not None and to <= lowest:
            raise ValueError(f"must be larger than `from`, which is {lowest:g}")
        return to

    def rate(self, point: int) -> float:
        """The rate of a point, counted from 1: with 1, 100 and 3 steps, 1, 10 and 100."""
        share = (point - 1) / (self.steps - 1)
        return float(self.lowest ** (1.0 - share) * self.to**share)


class RangePoint(Model):
    """One update of a range test."""

    point: int
    """Counts from 1; the row of this number on the curve."""

    learning_rate: float

    smoothed_loss: float

    slope: float
    """Change of the smoothed loss when the rate grows by the factor e."""


class RangeResult(Model):
    """What a range test has found."""

    suggested_learning_rate: float | None
    """That of the steepest point; null if the loss never fell."""

    steepest: RangePoint | None
    """Where the smoothed loss fell most steeply, before it was lowest."""

    minimum: RangePoint | None
    """Where the smoothed loss was lowest: at this rate training is about to become unstable."""

    stopped_because: RangeEnd
    """`last_step`: every rate was tried; `loss_exploded`: the smoothed loss was more than 4 times its lowest;
    `loss_not_finite`: loss or gradient was too large to be a number."""

    explanation: str
    """The same in words."""


@dataclass(frozen=True)
class RangeCurve:
    """The smoothed losses of a range test so far, and what can be read off them."""

    spec: LearningRateRange
    smoothed: Sequence[float]

    def minimum(self) -> int | None:
        """The point with the lowest smoothed loss."""
        judged = self.smoothed[self._unjudged :]
        return self._unjudged + judged.index(min(judged)) + 1 if judged else None

    def has_exploded(self) -> bool:
        """Whether the last smoothed loss is more than four times the lowest.

        Measured from the lowest, since some losses fall below 0: l > l_min + 3 |l_min|.
        """
        minimum = self.minimum()
        if minimum is None:
            return False
        lowest = self.smoothed[minimum - 1]
        return self.smoothed[-1] > lowest + (EXPLOSION - 1.0) * abs(lowest)

    def steepest(self) -> int | None:
        """The point up to the lowest at which the loss falls most with ln(rate); None if it does not fall."""
        minimum = self.minimum()
        if minimum is None or len(self.smoothed) < 2:
            return None
        slopes = self._slopes()[self._unjudged : minimum]
        steepest = int(slopes.argmin())
        falls = slopes[steepest] < -FLAT * abs(self.smoothed[self._unjudged + steepest])
        return self._unjudged + steepest + 1 if falls else None

    def at(self, point: int | None) -> RangePoint | None:
        """What was measured at a point."""
        if point is None or len(self.smoothed) < 2:
            return None
        return RangePoint(
            point=point,
            learning_rate=self.spec.rate(point),
            smoothed_loss=self.smoothed[point - 1],
            slope=float(self._slopes()[point - 1]),
        )

    @property
    def _unjudged(self) -> int:
        return int(UNJUDGED * self.spec.steps)

    def _slopes(self) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Central differences by ln(rate), in which the points are equally far from one another."""
        distance = math.log(self.spec.to / self.spec.lowest) / (self.spec.steps - 1)
        return np.asarray(np.gradient(np.asarray(self.smoothed, np.float64), distance))


class RangeTest:
    """A run driven by single updates; an update is what an epoch is to training: a point with an event and a state."""

    def __init__(self, run: Run, spec: LearningRateRange) -> None:
        self.spec = spec
        self._run = run
        self._average = 0.0
        self._smoothed: list[float] = []
        self._end: RangeEnd | None = None

    @property
    def curve(self) -> RangeCurve:
        """The points so far."""
        return RangeCurve(self.spec, self._smoothed)

    def checkpoint(self) -> Checkpoint:
        """The state after the last point."""
        stored = self._run.store({"average": self._average, "smoothed": self._smoothed})
        return replace(stored, epoch=stored.step)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on after a checkpoint."""
        progress = self._run.recall(checkpoint)
        self._average, self._smoothed = progress["average"], progress["smoothed"]

    def events(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[EpochEnded | Ended]:
        """Measure point after point. After `interrupted` the state between points is gone: go on from the last
        checkpoint, not from this object."""
        updates = self._updates()
        while (end := self._find_end()) is None:
            try:
                # The loss overflows sooner or later; it is looked at in every step.
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    measured = self._measure(*next(updates), should_stop)
            except Interrupted:
                yield Ended("interrupted", self._point, self._point, self.curve.minimum())
                return
            except Diverged:
                end = "loss_not_finite"
                break
            yield measured
        self._end = end
        yield Ended(end, self._point, self._point, self.curve.minimum(), detail=self.result().explanation)

    def result(self) -> RangeResult:
        """What was found; of a test that came to its end."""
        assert self._end is not None
        curve = self.curve
        steepest, minimum = curve.at(curve.steepest()), curve.at(curve.minimum())
        return RangeResult(
            suggested_learning_rate=None if steepest is None else steepest.learning_rate,
            steepest=steepest,
            minimum=minimum,
            stopped_because=self._end,
            explanation=" ".join([_found(steepest, minimum), self._why_it_ended(self._end)]),
        )

    @property
    def _point(self) -> int:
        return len(self._smoothed)

    def _find_end(self) -> RangeEnd | None:
        if self._point and self.curve.has_exploded():
            return "loss_exploded"
        return "last_step" if self._point >= self.spec.steps else None

    def _updates(self) -> Iterator[tuple[int, Step]]:
        """Each update from the next one on, epoch after epoch."""
        first, done = divmod(self._point, self._run.updates_per_epoch)
        for epoch in count(first):
            yield from islice(self._run.updates(epoch), done if epoch == first else 0, None)

    def _measure(self, number: int, update: Step, should_stop: Callable[[], bool]) -> EpochEnded:
        """One update at the next rate, and the loss of its batches before the weights moved."""
        begun = time.perf_counter()
        rate = self.spec.rate(self._point + 1)
        measured = self._run.update(number, update, rate, should_stop)
        self._average = SMOOTHING * self._average + (1.0 - SMOOTHING) * measured.loss
        # Bias-corrected as in Adam: divided by the sum of the weights, since the average began at 0.
        self._smoothed.append(self._average / (1.0 - SMOOTHING ** (self._point + 1)))
        seconds = time.perf_counter() - begun
        best = self.curve.minimum() or self._point
        penalty = {} if measured.penalty is None else {"penalty": measured.penalty}
        return EpochEnded(
            epoch=self._point,
            step=self._point,
            learning_rate=rate,
            training={"loss": measured.loss, "smoothed_loss": self._smoothed[-1], **penalty},
            validation={},
            gradient_norm=measured.gradient_norm,
            seconds=seconds,
            examples_per_second=measured.rows / max(seconds, 1e-9),
            best_epoch=best,
            is_best=best == self._point,
            patience_left=None,
        )

    def _why_it_ended(self, end: RangeEnd) -> str:
        match end:
            case "last_step":
                return f"All {self.spec.steps} rates up to {self.spec.to:.3g} were tried."
            case "loss_exploded":
                rate = self.spec.rate(self._point)
                return f"The test ended at {rate:.3g}, where the smoothed loss was more than 4 times its lowest."
            case "loss_not_finite":
                rate = self.spec.rate(self._point + 1)
                return f"The test ended at {rate:.3g}, where loss or gradient was too large to be a number."


def _found(steepest: RangePoint | None, minimum: RangePoint | None) -> str:
    if minimum is None:
        return "The test ended before anything could be judged: begin `from` a lower rate."
    lowest = f"it was lowest at {minimum.learning_rate:.3g}."
    if steepest is None:
        return f"The smoothed loss never fell, so no rate is suggested; {lowest}"
    return f"The smoothed loss fell most steeply at a learning rate of {steepest.learning_rate:.3g}; {lowest}"
