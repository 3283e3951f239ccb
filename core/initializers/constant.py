"""All weights the same number."""

from typing import Literal

import numpy as np

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class ConstantWeights(Initializer):
    """Every weight starts at `value`; units that start alike stay alike, so this is for experiments and biases."""

    kind: Literal["constant"] = "constant"

    value: float

    @property
    def is_constant(self) -> bool:
        return True

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        return np.full(shape, self.value, np.float64)
