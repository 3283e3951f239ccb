"""Exponential linear unit."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from core.arrays import Array, Call
from core.exponential_unit import exponential_unit, exponential_unit_slope
from core.pointwise import Pointwise, Work


class Elu(Pointwise):
    """y = x where x > 0, else alpha (exp(x) − 1); the slope at 0 is alpha.

    Source: Clevert et al. 2016, "Fast and accurate deep network learning by exponential linear units".
    """

    op: Literal["elu"] = "elu"

    alpha: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    """The value −alpha is approached far below 0."""

    rectifies: ClassVar[bool] = True
    explanation: ClassVar[str] = "A rectifier that bends towards −α below 0: y = x above 0 and α(exp(x)−1) below."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return exponential_unit(x, y, self.alpha, work)

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return exponential_unit_slope(x, out, self.alpha, work)

    def corners(self) -> Sequence[float]:
        return () if self.alpha == 1.0 else (0.0,)
