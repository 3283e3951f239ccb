"""Share of the variance that is explained."""

from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array
from core.metric import Metric, Task


class R2(Metric):
    """1 − Σ(y − t)² / Σ(t − mean t)², averaged over the target's columns: 1 is perfect, 0 no better than the mean.

    Undefined where a column of the target is constant.
    """

    kind: Literal["r2"] = "r2"

    task: ClassVar[Task] = "regression"
    higher_is_better: ClassVar[bool] = True

    def value(self, outputs: Array, targets: Array) -> float | None:
        y = outputs.reshape(len(outputs), -1)
        t = targets.astype(np.float64).reshape(y.shape)
        if (t == t[0]).all(axis=0).any():
            return None
        unexplained = np.square(y - t).sum(axis=0)
        return float(np.mean(1.0 - unexplained / np.square(t - t.mean(axis=0)).sum(axis=0)))
