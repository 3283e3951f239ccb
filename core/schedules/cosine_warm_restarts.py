"""The rate falls along a cosine wave and starts anew, again and again."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from core.schedule import Epochs, LeastRate, Schedule, half_wave


class CosineWarmRestarts(Schedule):
    """A cosine from the rate to the minimum, over first_period epochs, then over period_factor times as many, …

    Source: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", eq. 5.
    """

    kind: Literal["cosine_warm_restarts"] = "cosine_warm_restarts"

    first_period: Annotated[Epochs, Field(validation_alias=AliasChoices("first_period", "T_0"))]
    """Epochs until the first restart."""

    period_factor: Annotated[int, Field(ge=1, le=1000, validation_alias=AliasChoices("period_factor", "T_mult"))] = 1
    """How many times as long each period is as the one before."""

    minimum_learning_rate: LeastRate = 0.0

    def learning_rate(self, base: float, epoch: int) -> float:
        since, period = epoch, self.first_period
        if self.period_factor == 1:
            since %= period
        while since >= period:
            since, period = since - period, period * self.period_factor
        return half_wave(base, self.minimum_learning_rate, since / period)
