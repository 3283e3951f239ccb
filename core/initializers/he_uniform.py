"""He (Kaiming) initialization, uniform."""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class HeUniform(Initializer):
    """Weights ~ U(−a, a), a = gain · √(3 / ((1 + slope²) · fan)): keeps the variance of the signal through rectifiers.

    At fan_in 64 a = √2 · √(3 / 64) = 0.3062.

    Source: He et al. 2015, "Delving Deep into Rectifiers", eq. 10 and 15.
    """

    aliases: ClassVar[tuple[str, ...]] = ("kaiming_uniform",)

    kind: Literal["he_uniform"] = "he_uniform"

    gain: Annotated[float, Field(gt=0, le=1e6)] = math.sqrt(2.0)
    """√2 makes up for the half of the signal that a rectifier stops."""

    slope: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """What the rectifier passes of negative signals: 0 for relu, the slope of a leaky one."""

    mode: Literal["fan_in", "fan_out"] = "fan_in"
    """Whether the signal forward (fan_in) or the gradient backward (fan_out) keeps its variance."""

    def bound(self, fans: Fans) -> float:
        """The largest weight that can be drawn."""
        fan = fans[0] if self.mode == "fan_in" else fans[1]
        return self.gain * math.sqrt(3.0 / ((1.0 + self.slope**2) * fan))

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        bound = self.bound(fans)
        return generator.uniform(-bound, bound, shape)
