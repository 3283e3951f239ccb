"""LeCun initialization, normal."""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class LecunNormal(Initializer):
    """Weights ~ N(0, σ²), σ = gain / √fan_in: unit variance stays unit variance through a linear unit.

    Source: LeCun et al. 1998, "Efficient BackProp", eq. 16; the layer before selu (Klambauer et al. 2017).
    """

    kind: Literal["lecun_normal"] = "lecun_normal"

    gain: Annotated[float, Field(gt=0, le=1e6)] = 1.0

    def std(self, fans: Fans) -> float:
        """Standard deviation of the draw."""
        return self.gain / math.sqrt(fans[0])

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        return generator.normal(0.0, self.std(fans), shape)
