"""Mean absolute error."""

from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array
from core.metric import Metric, Task


class MeanAbsoluteError(Metric):
    """Mean |y − t| over all entries, in the unit of the target."""

    kind: Literal["mae"] = "mae"

    task: ClassVar[Task] = "regression"
    higher_is_better: ClassVar[bool] = False

    def value(self, outputs: Array, targets: Array) -> float | None:
        return float(np.mean(np.abs(outputs - targets.reshape(outputs.shape))))
