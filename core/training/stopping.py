"""Early stopping: a run ends when the watched value has stopped improving."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from core.arrays import Model
from core.monitor import Monitor, should_rise

Verdict = Literal["patience", "non_finite"]


class EarlyStopping(Model):
    """Stop after `patience` epochs without an improvement, by default with the weights of the best epoch.

    An improvement is a value beyond the best so far by more than min_delta; the first value always is one. A value
    that is not finite stops at once.
    """

    monitor: Monitor = "validation.loss"
    """What is watched; of accuracy the highest value is best, of losses and errors the lowest. Of several targets the
    score of the first can be watched, and the loss of all."""

    patience: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """Epochs without improvement that are waited for."""

    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """What an improvement must exceed."""

    start_from_epoch: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Epochs at the start of the run that do not count as waiting."""

    restore_best: bool = True
    """Whether the run ends with the weights of its best epoch or with the last."""

    @property
    def higher_is_better(self) -> bool:
        """Whether the watched value should rise."""
        return should_rise(self.monitor)

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a finite value beats the best so far."""
        if best is None:
            return True
        return value > best + self.min_delta if self.higher_is_better else value < best - self.min_delta

    def observe(self, state: "StoppingState", epoch: int, value: float) -> bool:
        """Enter into `state` the value after an epoch, counted from 0; True if it is the best so far."""
        if not math.isfinite(value):
            state.verdict = "non_finite"
            return False
        if self.improves(value, state.best_value):
            state.best_epoch, state.best_value, state.wait = epoch, value, 0
            return True
        state.wait += epoch >= self.start_from_epoch
        if state.wait >= self.patience:
            state.verdict = "patience"
        return False

    def is_over(self, state: "StoppingState") -> bool:
        """Whether the run must stop now."""
        return state.verdict is not None


@dataclass
class StoppingState:
    """What early stopping remembers between two epochs; all of it goes into a checkpoint."""

    best_epoch: int | None = None
    """The epoch of the best value, counted as `observe` was told."""

    best_value: float | None = None

    wait: int = 0
    """Epochs since the best one that counted."""

    verdict: Verdict | None = None
    """Why the run must stop now; None while it goes on."""
