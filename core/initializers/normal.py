"""Weights from a normal distribution, whatever the fans."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class Normal(Initializer):
    """Weights ~ N(mean, std²), the same for every layer: `fans` are not looked at."""

    kind: Literal["normal"] = "normal"

    mean: Annotated[float, Field(ge=-1e100, le=1e100)] = 0.0
    std: Annotated[float, Field(ge=0, le=1e100)] = 0.05

    @property
    def is_constant(self) -> bool:
        return self.std == 0.0

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        return generator.normal(self.mean, self.std, shape)
