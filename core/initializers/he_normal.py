"""He (Kaiming) initialization, normal."""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class HeNormal(Initializer):
    """Weights ~ N(0, σ²), σ = gain / √((1 + slope²) · fan): keeps the variance of the signal through rectifiers.

    At fan_in 64 σ = √2 / √64 = 0.1768.

    Source: He et al. 2015, "Delving Deep into Rectifiers", eq. 10 and 15.
    """

    aliases: ClassVar[tuple[str, ...]] = ("kaiming_normal",)

    kind: Literal["he_normal"] = "he_normal"

    gain: Annotated[float, Field(gt=0, le=1e6)] = math.sqrt(2.0)
    """√2 makes up for the half of the signal that a rectifier stops."""

    slope: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """What the rectifier passes of negative signals: 0 for relu, the slope of a leaky one."""

    mode: Literal["fan_in", "fan_out"] = "fan_in"
    """Whether the signal forward (fan_in) or the gradient backward (fan_out) keeps its variance."""

    def std(self, fans: Fans) -> float:
        """Standard deviation of the draw."""
        fan = fans[0] if self.mode == "fan_in" else fans[1]
        return self.gain / math.sqrt((1.0 + self.slope**2) * fan)

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        return generator.normal(0.0, self.std(fans), shape)
