"""Share of right decisions, every class counting alike."""

from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array
from core.classes import Scale, decisions
from core.metric import Metric, Task


class BalancedAccuracy(Metric):
    """Mean over the classes that occur of the share of their examples that is recognized (recall)."""

    kind: Literal["balanced_accuracy"] = "balanced_accuracy"

    scale: Scale = "logits"

    task: ClassVar[Task] = "classification"
    higher_is_better: ClassVar[bool] = True

    def value(self, outputs: Array, targets: Array) -> float | None:
        logs, truth = decisions(outputs, targets, self.scale)
        if len(truth) == 0 or np.isnan(logs).any():
            return None
        right = logs.argmax(axis=-1) == truth
        occurring = np.bincount(truth)
        recalled = np.bincount(truth, weights=right)
        return float(np.mean(recalled[occurring > 0] / occurring[occurring > 0]))
