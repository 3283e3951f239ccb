"""Share of right decisions."""

from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array
from core.classes import Scale, decisions
from core.metric import Metric, Task


class Accuracy(Metric):
    """How many of the most probable classes are the true ones, from 0 to 1; the first wins a tie."""

    kind: Literal["accuracy"] = "accuracy"

    scale: Scale = "logits"

    task: ClassVar[Task] = "classification"
    higher_is_better: ClassVar[bool] = True

    def value(self, outputs: Array, targets: Array) -> float | None:
        logs, truth = decisions(outputs, targets, self.scale)
        if len(truth) == 0 or np.isnan(logs).any():
            return None
        return float(np.mean(logs.argmax(axis=-1) == truth))
