"""Glorot (Xavier) initialization, normal."""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class GlorotNormal(Initializer):
    """Weights ~ N(0, σ²), σ = gain · √(2 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq. 12.
    """

    aliases: ClassVar[tuple[str, ...]] = ("xavier_normal",)

    kind: Literal["glorot_normal"] = "glorot_normal"

    gain: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """What the following activation asks for: 1 for linear and sigmoid, 5/3 for tanh."""

    def std(self, fans: Fans) -> float:
        """Standard deviation of the draw."""
        return self.gain * math.sqrt(2.0 / (fans[0] + fans[1]))

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        return generator.normal(0.0, self.std(fans), shape)
