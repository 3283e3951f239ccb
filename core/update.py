"""Steps that the update rules of several optimizers have in common, as calls on given vectors."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, call
from core.calls import constant
from core.optimizer import OptimizerSite

Decay = Annotated[float, Field(ge=0, lt=1)]
"""Share of a running average that lasts from one step to the next."""

Betas = Annotated[tuple[Decay, Decay], Field(strict=False)]
"""Decays of the running averages of the gradient and of its square; a list of two in JSON."""

Epsilon = Annotated[float, Field(gt=0, le=1)]
"""Keeps a division by a vanishing root finite."""

WeightDecay = Annotated[float, Field(ge=0, le=1e6)]
"""How strongly parameters are pulled towards 0."""


def add_weight_decay(site: OptimizerSite, weight_decay: float) -> Sequence[Call]:
    """g ← g + weight_decay · θ, the gradient of an L2 penalty on everything; no calls where it is 0."""
    if weight_decay == 0:
        return []
    theta, gradient, work = site.parameters, site.gradient, site.scratch("work")
    return [
        call(np.multiply, theta, constant(weight_decay, theta), work),
        call(np.add, gradient, work, gradient),
    ]


def accumulate(total: Array, decay: float, addend: Array) -> Sequence[Call]:
    """total ← decay · total + addend.

    Such a decaying sum is the running average decay · a + (1 − decay) · x without its factor 1 − decay, which each
    rule multiplies into its other constants: one pass over the vector less in every step.
    """
    return [call(np.multiply, total, constant(decay, total), total), call(np.add, total, addend, total)]
