"""Rprop: only the sign of the gradient counts; for whole-split batches."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from core.arrays import Call, call
from core.calls import constant
from core.optimizer import Optimizer, OptimizerSite

Shrink = Annotated[float, Field(gt=0, lt=1)]
Grow = Annotated[float, Field(gt=1, le=1e6)]
StepSize = Annotated[float, Field(gt=0, le=1e6)]


class Rprop(Optimizer):
    """θ ← θ − sign(g) · step, each parameter with a step of its own that starts at learning_rate.

    Where g keeps its sign the step grows by etas[1]; where it turns, the step shrinks by etas[0] and θ waits once.
    A schedule scales all steps alike.

    Source: Riedmiller and Braun 1993, "A Direct Adaptive Method for Faster Backpropagation Learning: RPROP".
    """

    kind: Literal["rprop"] = "rprop"

    rescales: ClassVar[bool] = True

    learning_rate: StepSize = 0.01
    etas: Annotated[tuple[Shrink, Grow], Field(strict=False)] = (0.5, 1.2)
    """Factors by which a step shrinks and grows."""

    step_sizes: Annotated[tuple[StepSize, StepSize], Field(strict=False)] = (1e-6, 50.0)
    """The smallest and the largest step."""

    @model_validator(mode="after")
    def _smallest_is_below_largest(self) -> Self:
        if self.step_sizes[0] >= self.step_sizes[1]:
            raise ValueError("step_sizes are the smallest and then the largest step")
        return self

    def slots(self) -> dict[str, float]:
        return {"step": self.learning_rate, "previous": 0.0}

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        return {"share": learning_rate / self.learning_rate}

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, gradient = site.parameters, site.gradient
        step, previous, work = site.slots["step"], site.slots["previous"], site.scratch("work")
        zero, (shrink, grow) = constant(0.0, theta), (constant(eta, theta) for eta in self.etas)
        smallest, largest = (constant(size, theta) for size in self.step_sizes)
        kept, turned = np.zeros(theta.shape, np.bool_), np.zeros(theta.shape, np.bool_)
        return [
            # The product of signs, not of gradients: that of two small gradients is 0 in float32.
            call(np.sign, gradient, work),
            call(np.multiply, previous, work, work),
            call(np.greater, work, zero, kept),
            call(np.less, work, zero, turned),
            call(np.multiply, step, grow, step, where=kept),
            call(np.minimum, step, largest, out=step, where=kept),
            call(np.multiply, step, shrink, step, where=turned),
            call(np.maximum, step, smallest, out=step, where=turned),
            call(np.copyto, gradient, zero, where=turned),
            call(np.sign, gradient, previous),
            call(np.multiply, previous, step, work),
            call(np.multiply, work, site.scalars["share"], work),
            call(np.subtract, theta, work, theta),
        ]
