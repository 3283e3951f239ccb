"""Adagrad: the more a parameter has been moved, the less it is."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Call, call
from core.calls import constant
from core.optimizer import Optimizer, OptimizerSite
from core.update import Epsilon, WeightDecay, add_weight_decay


class Adagrad(Optimizer):
    """θ ← θ − rate · g / (√s + eps), s the sum of all g² so far; rate = learning_rate / (1 + (t − 1) · lr_decay).

    Source: Duchi et al. 2011, "Adaptive Subgradient Methods"; the form is PyTorch's.
    """

    kind: Literal["adagrad"] = "adagrad"

    rescales: ClassVar[bool] = True

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    lr_decay: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """How fast the rate falls with the steps t, besides the schedule."""

    initial_accumulator_value: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Where the sum of squares starts."""

    eps: Epsilon = 1e-10
    weight_decay: WeightDecay = 0.0

    def slots(self) -> dict[str, float]:
        return {"square_sum": self.initial_accumulator_value}

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        return {"rate": learning_rate / (1.0 + (step - 1) * self.lr_decay)}

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, gradient, squares = site.parameters, site.gradient, site.slots["square_sum"]
        work = site.scratch("work")
        return [
            *add_weight_decay(site, self.weight_decay),
            call(np.multiply, gradient, gradient, work),
            call(np.add, squares, work, squares),
            call(np.sqrt, squares, work),
            call(np.add, work, constant(self.eps, work), work),
            call(np.divide, gradient, work, gradient),
            call(np.multiply, gradient, site.scalars["rate"], gradient),
            call(np.subtract, theta, gradient, theta),
        ]
