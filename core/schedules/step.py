"""The rate falls by a factor every few epochs."""

from typing import Literal

from core.schedule import Epochs, Gamma, Schedule


class StepDecay(Schedule):
    """rate · gamma^⌊epoch / step_size⌋."""

    kind: Literal["step"] = "step"

    step_size: Epochs
    """Epochs between two falls."""

    gamma: Gamma = 0.1

    def learning_rate(self, base: float, epoch: int) -> float:
        return base * self.gamma ** (epoch // self.step_size)
