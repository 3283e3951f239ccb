"""Leaky rectifier."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, call
from core.calls import constant, larger
from core.pointwise import Pointwise, Work, above


class LeakyRelu(Pointwise):
    """y = x where x > 0, else slope · x; the slope at 0 is `slope` by convention."""

    op: Literal["leaky_relu"] = "leaky_relu"

    slope: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Gradient passed where x <= 0; 0 gives the plain rectifier."""

    rectifies: ClassVar[bool] = True
    explanation: ClassVar[str] = "A rectifier that lets a little through: y = x above 0 and slope·x below."

    @property
    def dies(self) -> bool:
        return self.slope == 0.0

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [call(np.multiply, x, constant(self.slope, y), y), larger(x, y, y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [*above(x, 0.0, out, work), larger(out, constant(self.slope, y), out)]

    def corners(self) -> Sequence[float]:
        return (0.0,)
