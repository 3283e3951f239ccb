"""What a schedule is: the learning rate as a function of the epoch, and for some of a curve that they watch."""

import math
from abc import abstractmethod
from typing import Annotated

from pydantic import AliasChoices, ConfigDict, Field

from core.arrays import Model
from core.monitor import Monitor

Epochs = Annotated[int, Field(ge=1, le=1_000_000)]
"""A length in epochs."""

TotalEpochs = Annotated[
    Epochs | None, Field(validation_alias=AliasChoices("total_epochs", "total_iters", "total_steps", "T_max"))
]
"""How many epochs a schedule changes the rate for; left out, all of the run (see `core.schedules.spread_over`)."""

Gamma = Annotated[float, Field(gt=0, le=1)]
"""What the rate is multiplied by each time."""

LeastRate = Annotated[float, Field(ge=0, validation_alias=AliasChoices("minimum_learning_rate", "eta_min"))]
"""The rate at the low end."""


class Watched(Model):
    """What a schedule remembers of the curve it watches, between two epochs; all of it goes into a checkpoint."""

    model_config = ConfigDict(frozen=False)

    best_value: float | None = None

    wait: int = 0
    """Epochs since the best one that counted."""

    cooldown: int = 0
    """Epochs to come that do not count."""

    reductions: int = 0
    """How often the rate has been reduced."""


class Schedule(Model):
    """The learning rate of each epoch, from the optimizer's own rate."""

    kind: str

    @abstractmethod
    def learning_rate(self, base: float, epoch: int) -> float:
        """The rate of `epoch`, counted from 0, whatever the run does."""

    @property
    def watches(self) -> Monitor | None:
        """The curve that decides, too; None for a function of the epoch alone."""
        return None

    def rate_after(self, watched: Watched, base: float, epoch: int) -> float:
        """The rate in force during `epoch`, after all that has been seen before it."""
        return self.learning_rate(base, epoch)

    def observe(self, watched: Watched, epoch: int, value: float) -> None:
        """Enter into `watched` the value of the watched curve after `epoch`."""


def half_wave(start: float, end: float, fraction: float) -> float:
    """From `start` to `end` along half a cosine wave: at the fractions 0, ½ and 1 the start, the middle and the end."""
    return end + (start - end) * (1.0 + math.cos(math.pi * fraction)) / 2.0


def settled(total_epochs: int | None) -> int:
    """The length, once it is known.

    Raises ValueError while it is still left open.
    """
    if total_epochs is None:
        raise ValueError("total_epochs is open: `core.schedules.spread_over` sets it to the epochs of the run")
    return total_epochs
