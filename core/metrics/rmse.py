"""Root of the mean squared error."""

from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array
from core.metric import Metric, Task


class RootMeanSquaredError(Metric):
    """√ mean (y − t)² over all entries, in the unit of the target."""

    kind: Literal["rmse"] = "rmse"

    task: ClassVar[Task] = "regression"
    higher_is_better: ClassVar[bool] = False

    def value(self, outputs: Array, targets: Array) -> float | None:
        return float(np.sqrt(np.mean(np.square(outputs - targets.reshape(outputs.shape)))))
