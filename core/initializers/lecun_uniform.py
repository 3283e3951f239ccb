"""LeCun initialization, uniform."""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class LecunUniform(Initializer):
    """Weights ~ U(−a, a), a = gain · √(3 / fan_in): unit variance stays unit variance through a linear unit.

    Source: LeCun et al. 1998, "Efficient BackProp", eq. 16; the layer before selu (Klambauer et al. 2017).
    """

    kind: Literal["lecun_uniform"] = "lecun_uniform"

    gain: Annotated[float, Field(gt=0, le=1e6)] = 1.0

    def bound(self, fans: Fans) -> float:
        """The largest weight that can be drawn."""
        return self.gain * math.sqrt(3.0 / fans[0])

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        bound = self.bound(fans)
        return generator.uniform(-bound, bound, shape)
