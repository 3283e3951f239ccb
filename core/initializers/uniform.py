"""Weights from a uniform distribution, whatever the fans."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer

Edge = Annotated[float, Field(ge=-1e100, le=1e100)]  # the width between two edges must be finite, too


class Uniform(Initializer):
    """Weights ~ U(low, high), the same for every layer: `fans` are not looked at."""

    kind: Literal["uniform"] = "uniform"

    low: Edge = -0.05
    high: Edge = 0.05

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        return generator.uniform(self.low, self.high, shape)
