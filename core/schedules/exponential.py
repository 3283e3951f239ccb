"""The rate falls by the same factor every epoch."""

from typing import Literal

from core.schedule import Gamma, Schedule


class ExponentialDecay(Schedule):
    """rate · gamma^epoch."""

    kind: Literal["exponential"] = "exponential"

    gamma: Gamma

    def learning_rate(self, base: float, epoch: int) -> float:
        return base * self.gamma**epoch
