"""The rate falls along half a cosine wave."""

from typing import Literal

from core.schedule import LeastRate, Schedule, TotalEpochs, half_wave, settled


class CosineDecay(Schedule):
    """minimum + (rate − minimum) · (1 + cos(π · epoch / total_epochs)) / 2, and the minimum from total_epochs on.

    PyTorch's rises again after total_epochs; a run that goes on longer than planned should not.

    Source: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", eq. 5.
    """

    kind: Literal["cosine"] = "cosine"

    total_epochs: TotalEpochs = None
    """When the minimum is reached; the end of the run when left out."""

    minimum_learning_rate: LeastRate = 0.0

    def learning_rate(self, base: float, epoch: int) -> float:
        return half_wave(base, self.minimum_learning_rate, min(epoch / settled(self.total_epochs), 1.0))
