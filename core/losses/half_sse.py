"""Half the sum of squared errors."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant
from core.entrywise import Entrywise, residual
from core.loss import LossSite


class HalfSse(Entrywise):
    """L = ½ Σ (y − t)² over all examples and outputs, slope y − t: the error itself is what flows back."""

    kind: Literal["half_sse"] = "half_sse"

    has_free_units: ClassVar[bool] = True

    reduction: Literal["sum"] = "sum"
    """Always the sum; the mean of squared errors is `mse`."""

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(2, 4, 3))
        return [(cls(), outputs, targets)]

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, call(np.multiply, error, error, out), call(np.multiply, out, constant(0.5, out), out)]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        error, subtract = residual(site)
        return [subtract, call(np.multiply, error, constant(scale, out), out)]
