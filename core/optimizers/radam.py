"""RAdam: Adam that trusts its divisor only once it has seen enough gradients."""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Call, call
from core.optimizer import Optimizer, OptimizerSite
from core.update import Betas, Epsilon, WeightDecay, accumulate, add_weight_decay


class RAdam(Optimizer):
    """θ ← θ − learning_rate · m̂ · r · √(1 − β₂ᵗ) / (√v + eps) if ρ > 5, else θ − learning_rate · m̂.

    ρ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ), ρ∞ = 2 / (1 − β₂) − 1, counts how many gradients v is worth, and
    r² = (ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ). m and v are the running averages of Adam.

    Source: Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond", algorithm 2.
    """

    kind: Literal["radam"] = "radam"

    rescales: ClassVar[bool] = True
    usual_rates: ClassVar[tuple[float, float]] = (1e-6, 0.1)

    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0

    def slots(self) -> dict[str, float]:
        return {"sum": 0.0, "square_sum": 0.0}

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        beta1, beta2 = self.betas
        rate = learning_rate * (1.0 - beta1) / (1.0 - beta1**step)
        trust = rectification(beta2, step)
        if trust is None:
            return {"rate": rate, "root_share": 0.0, "epsilon": 1.0}
        rate *= trust * math.sqrt(1.0 - beta2**step)
        return {"rate": rate, "root_share": math.sqrt(1.0 - beta2), "epsilon": self.eps}

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, gradient = site.parameters, site.gradient
        total, squares = site.slots["sum"], site.slots["square_sum"]
        return [
            *add_weight_decay(site, self.weight_decay),
            *accumulate(total, self.betas[0], gradient),
            call(np.multiply, gradient, gradient, gradient),
            *accumulate(squares, self.betas[1], gradient),
            call(np.sqrt, squares, gradient),
            call(np.multiply, gradient, site.scalars["root_share"], gradient),
            call(np.add, gradient, site.scalars["epsilon"], gradient),
            call(np.divide, total, gradient, gradient),
            call(np.multiply, gradient, site.scalars["rate"], gradient),
            call(np.subtract, theta, gradient, theta),
        ]


def rectification(beta2: float, step: int) -> float | None:
    """r, or None while v rests on too few gradients to divide by its root."""
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * step * beta2**step / (1.0 - beta2**step)
    if length <= 5.0:
        return None
    return math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
