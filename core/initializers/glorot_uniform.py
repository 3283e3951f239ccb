"""Glorot (Xavier) initialization, uniform."""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class GlorotUniform(Initializer):
    """Weights ~ U(−a, a), a = gain · √(6 / (fan_in + fan_out)).

    A compromise between keeping the variance of the signal forward and of the gradient backward. At fans (64, 32)
    a = √(6 / 96) = 0.25.

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq. 16.
    """

    aliases: ClassVar[tuple[str, ...]] = ("xavier_uniform",)

    kind: Literal["glorot_uniform"] = "glorot_uniform"

    gain: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """What the following activation asks for: 1 for linear and sigmoid, 5/3 for tanh."""

    def bound(self, fans: Fans) -> float:
        """The largest weight that can be drawn."""
        return self.gain * math.sqrt(6.0 / (fans[0] + fans[1]))

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        bound = self.bound(fans)
        return generator.uniform(-bound, bound, shape)
