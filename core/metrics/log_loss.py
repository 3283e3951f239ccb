"""Mean surprise at the true class."""

from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array
from core.classes import Scale, decisions
from core.metric import Metric, Task


class LogLoss(Metric):
    """Mean of −log of the probability given to the true class, in nats; log k for guessing among k."""

    kind: Literal["log_loss"] = "log_loss"

    scale: Scale = "logits"

    task: ClassVar[Task] = "classification"
    higher_is_better: ClassVar[bool] = False

    def value(self, outputs: Array, targets: Array) -> float | None:
        logs, truth = decisions(outputs, targets, self.scale)
        if len(truth) == 0:
            return None
        return float(-np.take_along_axis(logs, truth[:, None], axis=-1).mean())
