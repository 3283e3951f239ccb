"""The rate rises in a straight line before another schedule takes over."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from core.monitor import Monitor
from core.schedule import Epochs, Schedule, Watched
from core.schedules.constant import Constant

if TYPE_CHECKING:
    from core.schedules import AnySchedule


class Warmup(Schedule):
    """rate · (start_factor + (1 − start_factor) · epoch / epochs), then `then`, whose epochs start at 0 there.

    Source: Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.2.
    """

    kind: Literal["warmup"] = "warmup"

    epochs: Epochs = 5
    """Length of the rise; the full rate is reached in the epoch after it."""

    start_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of the rate in the first epoch."""

    then: "AnySchedule" = Constant()
    """What follows."""

    @field_validator("then")
    @classmethod
    def _is_no_warmup(cls, then: Schedule) -> Schedule:
        if isinstance(then, Warmup):
            raise ValueError("a warm-up cannot follow a warm-up: give one with more epochs")
        return then

    def learning_rate(self, base: float, epoch: int) -> float:
        if epoch >= self.epochs:
            return self.then.learning_rate(base, epoch - self.epochs)
        return self._rising(base, epoch)

    @property
    def watches(self) -> Monitor | None:
        return self.then.watches

    def rate_after(self, watched: Watched, base: float, epoch: int) -> float:
        if epoch >= self.epochs:
            return self.then.rate_after(watched, base, epoch - self.epochs)
        return self._rising(base, epoch)

    def observe(self, watched: Watched, epoch: int, value: float) -> None:
        """What the curve does while the rate still rises is not looked at."""
        if epoch >= self.epochs:
            self.then.observe(watched, epoch - self.epochs, value)

    def _rising(self, base: float, epoch: int) -> float:
        return base * (self.start_factor + (1.0 - self.start_factor) * epoch / self.epochs)
