"""All weights zero."""

from typing import Literal

import numpy as np

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class Zeros(Initializer):
    """Every weight starts at 0; right for biases, fatal for hidden weights, whose units then stay alike."""

    kind: Literal["zeros"] = "zeros"

    @property
    def is_constant(self) -> bool:
        return True

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        return np.zeros(shape)
