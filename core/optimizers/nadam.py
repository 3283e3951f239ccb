"""NAdam: Adam with Nesterov's momentum."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Call, call
from core.optimizer import Optimizer, OptimizerSite
from core.update import Betas, Epsilon, WeightDecay, accumulate, add_weight_decay


class NAdam(Optimizer):
    """θ ← θ − learning_rate · ((1 − μₜ) / (1 − Πμ) · g + μₜ₊₁ / (1 − Πμ · μₜ₊₁) · m) / (√v̂ + eps).

    m and v are the running averages of Adam, μₜ = β₁ (1 − ½ · 0.96^(t · momentum_decay)), Πμ = μ₁ · … · μₜ.

    Source: Dozat 2016, "Incorporating Nesterov Momentum into Adam"; the form is PyTorch's.
    """

    kind: Literal["nadam"] = "nadam"

    rescales: ClassVar[bool] = True
    usual_rates: ClassVar[tuple[float, float]] = (1e-6, 0.1)

    learning_rate: Annotated[float, Field(gt=0)] = 0.002
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0
    momentum_decay: Annotated[float, Field(ge=0, le=1e6)] = 0.004
    """How fast μ rises from β₁ / 2 to β₁."""

    def slots(self) -> dict[str, float]:
        return {"sum": 0.0, "square_sum": 0.0}

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        beta1, beta2 = self.betas
        scale = math.sqrt((1.0 - beta2**step) / (1.0 - beta2))
        now, following = (momentum(beta1, self.momentum_decay, at) for at in (step, step + 1))
        product = _products(beta1, self.momentum_decay).until(step)
        return {
            "gradient_rate": learning_rate * scale * (1.0 - now) / (1.0 - product),
            "sum_rate": learning_rate * scale * (1.0 - beta1) * following / (1.0 - product * following),
            "epsilon": self.eps * scale,
        }

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, gradient, work = site.parameters, site.gradient, site.scratch("work")
        total, squares = site.slots["sum"], site.slots["square_sum"]
        return [
            *add_weight_decay(site, self.weight_decay),
            *accumulate(total, self.betas[0], gradient),
            call(np.multiply, gradient, gradient, work),
            *accumulate(squares, self.betas[1], work),
            call(np.multiply, gradient, site.scalars["gradient_rate"], gradient),
            call(np.multiply, total, site.scalars["sum_rate"], work),
            call(np.add, gradient, work, gradient),
            call(np.sqrt, squares, work),
            call(np.add, work, site.scalars["epsilon"], work),
            call(np.divide, gradient, work, gradient),
            call(np.subtract, theta, gradient, theta),
        ]


def momentum(beta1: float, momentum_decay: float, step: int) -> float:
    """μ of a step, counted from 1."""
    return float(beta1 * (1.0 - 0.5 * 0.96 ** (step * momentum_decay)))


class _Products:
    """Π μ, remembered from step to step; multiplied up in the same order when a run starts in the middle."""

    def __init__(self, beta1: float, momentum_decay: float) -> None:
        self._beta1, self._momentum_decay = beta1, momentum_decay
        self._last = (0, 1.0)

    def until(self, step: int) -> float:
        """μ₁ · … · μ_step."""
        reached, product = self._last if self._last[0] <= step else (0, 1.0)
        while reached < step and product > 0.0:
            reached += 1
            product *= momentum(self._beta1, self._momentum_decay, reached)
        self._last = (step, product)
        return product


_products = lru_cache(maxsize=16)(_Products)
