"""Adamax: Adam with the largest recent gradient in place of the root mean square."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Call, call
from core.calls import constant, larger
from core.optimizer import Optimizer, OptimizerSite
from core.update import Betas, Epsilon, WeightDecay, accumulate, add_weight_decay


class Adamax(Optimizer):
    """θ ← θ − learning_rate / (1 − β₁ᵗ) · m / u, m the running average of g and u ← max(β₂ u, |g| + eps).

    Source: Kingma and Ba 2015, "Adam", algorithm 2.
    """

    kind: Literal["adamax"] = "adamax"

    rescales: ClassVar[bool] = True
    usual_rates: ClassVar[tuple[float, float]] = (1e-6, 0.1)

    learning_rate: Annotated[float, Field(gt=0)] = 0.002
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0

    def slots(self) -> dict[str, float]:
        return {"sum": 0.0, "largest": 0.0}

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        beta1 = self.betas[0]
        return {"rate": learning_rate * (1.0 - beta1) / (1.0 - beta1**step)}

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, gradient = site.parameters, site.gradient
        total, largest = site.slots["sum"], site.slots["largest"]
        return [
            *add_weight_decay(site, self.weight_decay),
            *accumulate(total, self.betas[0], gradient),
            call(np.absolute, gradient, gradient),
            call(np.add, gradient, constant(self.eps, gradient), gradient),
            call(np.multiply, largest, constant(self.betas[1], largest), largest),
            larger(largest, gradient, largest),
            call(np.divide, total, largest, gradient),
            call(np.multiply, gradient, site.scalars["rate"], gradient),
            call(np.subtract, theta, gradient, theta),
        ]
