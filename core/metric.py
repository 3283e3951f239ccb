"""What a metric is: a number that tells people how good predictions are; nothing is differentiated through it."""

import math
from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Model

Task = Literal["classification", "regression"]


class Metric(Model):
    """A number from the outputs of n examples and their targets.

    In regression both have the same number of entries. For classification see `core.classes.decisions`.
    """

    kind: str

    task: ClassVar[Task]

    higher_is_better: ClassVar[bool]

    def measure(self, outputs: Array, targets: Array) -> float | None:
        """The metric, computed in float64; None where it is undefined (no examples) or not finite."""
        if outputs.size == 0:
            return None
        with np.errstate(all="ignore"):
            value = self.value(np.asarray(outputs, np.float64), np.asarray(targets))
        return value if value is not None and math.isfinite(value) else None

    @abstractmethod
    def value(self, outputs: Array, targets: Array) -> float | None:
        """The metric of at least one example; None where it is undefined."""
