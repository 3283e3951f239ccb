"""Stochastic gradient descent, with momentum."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from core.arrays import Call, call
from core.calls import constant
from core.optimizer import Optimizer, OptimizerSite
from core.update import Decay, WeightDecay, accumulate, add_weight_decay


class Sgd(Optimizer):
    """θ ← θ − learning_rate · d, where d is the gradient g + weight_decay · θ or its running velocity.

    With momentum μ: v = g in the first step and μ v + (1 − dampening) g afterwards; d = v, or g + μ v (Nesterov).

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum"; the form is PyTorch's.
    """

    kind: Literal["sgd"] = "sgd"

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    momentum: Decay = 0.0
    dampening: Annotated[float, Field(ge=0, le=1)] = 0.0
    nesterov: bool = False
    weight_decay: WeightDecay = 0.0

    @model_validator(mode="after")
    def _nesterov_needs_plain_momentum(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        return self

    @model_validator(mode="after")
    def _dampening_needs_momentum(self) -> Self:
        if self.dampening and not self.momentum:
            raise ValueError("dampening acts on momentum, which is 0")
        return self

    def slots(self) -> dict[str, float]:
        return {"velocity": 0.0} if self.momentum else {}

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        if not self.dampening:
            return {"rate": learning_rate}
        return {"rate": learning_rate, "share": 1.0 if step == 1 else 1.0 - self.dampening}

    @property
    def is_steady(self) -> bool:
        return not self.dampening

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, gradient, rate = site.parameters, site.gradient, site.scalars["rate"]
        calls = [*add_weight_decay(site, self.weight_decay)]
        direction = gradient
        if self.momentum:
            direction = velocity = site.slots["velocity"]
            if self.dampening:
                calls.append(call(np.multiply, gradient, site.scalars["share"], gradient))
            calls += accumulate(velocity, self.momentum, gradient)
            if self.nesterov:
                work = site.scratch("work")
                calls.append(call(np.multiply, velocity, constant(self.momentum, velocity), work))
                calls.append(call(np.add, gradient, work, gradient))
                direction = gradient
        return [*calls, call(np.multiply, direction, rate, gradient), call(np.subtract, theta, gradient, theta)]
