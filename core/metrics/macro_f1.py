"""Mean of the F1 of every class."""

from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array
from core.classes import Scale, decisions
from core.metric import Metric, Task


class MacroF1(Metric):
    """Mean over the classes of F1 = 2 · hits / (predicted + true), all classes counting alike.

    Classes that are neither predicted nor true are left out. With truth 0, 0, 1 and predictions 0, 1, 1 both
    classes have F1 = 2 · 1 / 3, so the mean is 2 / 3.
    """

    kind: Literal["macro_f1"] = "macro_f1"

    scale: Scale = "logits"

    task: ClassVar[Task] = "classification"
    higher_is_better: ClassVar[bool] = True

    def value(self, outputs: Array, targets: Array) -> float | None:
        logs, truth = decisions(outputs, targets, self.scale)
        if len(truth) == 0 or np.isnan(logs).any():
            return None
        predicted, classes = logs.argmax(axis=-1), max(logs.shape[-1], int(truth.max()) + 1)
        hits = np.bincount(truth[predicted == truth], minlength=classes)
        seen = np.bincount(predicted, minlength=classes) + np.bincount(truth, minlength=classes)
        return float(np.mean(2.0 * hits[seen > 0] / seen[seen > 0]))
