"""The rate falls when a watched curve no longer improves."""

import math
from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from core.monitor import Monitor, should_rise
from core.schedule import Schedule, Watched


class ReduceOnPlateau(Schedule):
    """rate · factor^n after n reductions; one comes after more than `patience` epochs in a row without improvement.

    An improvement is a value beyond the best so far by more than `threshold` of its size. Epochs of the `cooldown`
    after a reduction do not count. The rate never falls below `minimum_learning_rate`.
    """

    kind: Literal["reduce_on_plateau"] = "reduce_on_plateau"

    monitor: Monitor | None = None
    """What is watched; left out, `validation.loss`, or `training.loss` without a validation split."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """What the rate is multiplied by each time."""

    patience: Annotated[int, Field(ge=0, le=1_000_000)] = 10
    """Epochs without improvement that are borne; the next one reduces the rate."""

    threshold: Annotated[float, Field(ge=0, lt=1)] = 1e-4
    """Share of the best value that an improvement must exceed."""

    cooldown: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Epochs after a reduction that do not count as being without improvement."""

    minimum_learning_rate: Annotated[
        float, Field(ge=0, validation_alias=AliasChoices("minimum_learning_rate", "min_lr"))
    ] = 0.0

    def learning_rate(self, base: float, epoch: int) -> float:
        """The rate while nothing has been reduced."""
        return base

    @property
    def watches(self) -> Monitor | None:
        return self.monitor

    def rate_after(self, watched: Watched, base: float, epoch: int) -> float:
        return float(max(base * self.factor**watched.reductions, min(self.minimum_learning_rate, base)))

    def observe(self, watched: Watched, epoch: int, value: float) -> None:
        if self._improves(value, watched.best_value):
            watched.best_value, watched.wait = value, 0
        else:
            watched.wait += 1
        if watched.cooldown:
            watched.cooldown -= 1
            watched.wait = 0
        if watched.wait > self.patience:
            watched.reductions += 1
            watched.cooldown, watched.wait = self.cooldown, 0

    def _improves(self, value: float, best: float | None) -> bool:
        """By a share of the size of the best value: a log-likelihood may well be below 0."""
        if best is None:
            return math.isfinite(value)
        margin = self.threshold * abs(best)
        return value > best + margin if self.monitor and should_rise(self.monitor) else value < best - margin
