"""The step that Adam and AdamW have in common."""

import math
from collections.abc import Sequence

import numpy as np

from core.arrays import Call, call
from core.calls import constant, larger
from core.fused import adam_kernel, is_used_for
from core.optimizer import OptimizerSite
from core.update import accumulate


def adam_slots(amsgrad: bool) -> dict[str, float]:
    """The decaying sums of g and g², and with amsgrad the largest sum of g² so far."""
    return {"sum": 0.0, "square_sum": 0.0} | ({"largest_square_sum": 0.0} if amsgrad else {})


def adam_scalars(betas: tuple[float, float], epsilon: float, step: int, learning_rate: float) -> dict[str, float]:
    """Every constant of rate · m̂ / (√v̂ + ε), gathered for the sums M = m / (1 − β₁) and V = v / (1 − β₂).

    v̂ = V · (1 − β₂) / (1 − β₂ᵗ) = V / c², so m̂ / (√v̂ + ε) = (m̂ c) / (√V + ε c): bias correction costs no pass.
    """
    beta1, beta2 = betas
    scale = math.sqrt((1.0 - beta2**step) / (1.0 - beta2))
    return {"rate": learning_rate * scale * (1.0 - beta1) / (1.0 - beta1**step), "epsilon": epsilon * scale}


def adam_step(site: OptimizerSite, betas: tuple[float, float], amsgrad: bool) -> Sequence[Call]:
    """Calls for θ ← θ − rate · M / (√V + ε); they use up the gradient and need no work vector."""
    theta, gradient = site.parameters, site.gradient
    total, squares = site.slots["sum"], site.slots["square_sum"]
    if is_used_for(theta) and not amsgrad:
        numbers = *(constant(beta, theta) for beta in betas), site.scalars["epsilon"], site.scalars["rate"]
        return [call(adam_kernel(), theta, gradient, total, squares, *numbers)]
    calls: list[Call] = [
        *accumulate(total, betas[0], gradient),
        call(np.multiply, gradient, gradient, gradient),
        *accumulate(squares, betas[1], gradient),
    ]
    if amsgrad:
        largest = site.slots["largest_square_sum"]
        calls.append(larger(largest, squares, largest))
        squares = largest
    return [
        *calls,
        call(np.sqrt, squares, gradient),
        call(np.add, gradient, site.scalars["epsilon"], gradient),
        call(np.divide, total, gradient, gradient),
        call(np.multiply, gradient, site.scalars["rate"], gradient),
        call(np.subtract, theta, gradient, theta),
    ]
