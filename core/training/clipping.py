"""Clipping: a bound on the gradient before each update."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from core.arrays import Array, Model

Bound = Annotated[float, Field(gt=0)]


class Clip(Model):
    """`{"norm": 1.0}` shortens the gradient to this length, `{"value": 0.5}` cuts each entry to ±0.5; exactly one.

    By norm: g ← g · min(1, norm / (|g| + 1e-6)) over all parameters together, which keeps the direction.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
    """

    norm: Bound | None = None
    """Largest L2 norm of the whole gradient."""

    value: Bound | None = None
    """Largest absolute entry."""

    @model_validator(mode="after")
    def _is_one_bound(self) -> Self:
        if (self.norm is None) == (self.value is None):
            raise ValueError("give either `norm` or `value`")
        return self

    def apply(self, gradient: Array, norm: float) -> None:
        """Clip the whole gradient in place, given its L2 norm."""
        if self.value is not None:
            np.clip(gradient, -self.value, self.value, gradient)
        if self.norm is not None and self.norm < norm + 1e-6:
            np.multiply(gradient, self.norm / (norm + 1e-6), gradient)
