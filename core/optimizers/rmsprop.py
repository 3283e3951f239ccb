"""RMSprop: the gradient divided by its own recent size."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, call
from core.calls import constant, larger
from core.optimizer import Optimizer, OptimizerSite
from core.update import Decay, Epsilon, WeightDecay, accumulate, add_weight_decay


class RmsProp(Optimizer):
    """θ ← θ − learning_rate · g / a, a = √s + eps, s the running average of g²; with momentum b ← μ b + g / a moves θ.

    Centered, s less the square of the average gradient, an estimate of the variance, stands for s.

    Source: Tieleman and Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5; Graves 2013 (centered).
    """

    kind: Literal["rmsprop"] = "rmsprop"

    rescales: ClassVar[bool] = True
    usual_rates: ClassVar[tuple[float, float]] = (1e-6, 0.1)

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    alpha: Decay = 0.99
    """Decay of the averages."""

    momentum: Decay = 0.0
    centered: bool = False
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0

    def slots(self) -> dict[str, float]:
        names = ["square_average"]
        names += ["average"] if self.centered else []
        names += ["velocity"] if self.momentum else []
        return dict.fromkeys(names, 0.0)

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        return {"rate": learning_rate}

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, gradient, squares = site.parameters, site.gradient, site.slots["square_average"]
        work = site.scratch("work")
        calls: list[Call] = [
            *add_weight_decay(site, self.weight_decay),
            call(np.multiply, gradient, gradient, work),
            *self._average(squares, work, work),
            *(self._center(site, squares, work) if self.centered else [call(np.sqrt, squares, work)]),
            call(np.add, work, constant(self.eps, work), work),
            call(np.divide, gradient, work, gradient),
        ]
        direction = gradient
        if self.momentum:
            direction = site.slots["velocity"]
            calls += accumulate(direction, self.momentum, gradient)
        return [
            *calls,
            call(np.multiply, direction, site.scalars["rate"], gradient),
            call(np.subtract, theta, gradient, theta),
        ]

    def _average(self, average: Array, new: Array, work: Array) -> Sequence[Call]:
        return [
            call(np.multiply, new, constant(1.0 - self.alpha, work), work),
            *accumulate(average, self.alpha, work),
        ]

    def _center(self, site: OptimizerSite, squares: Array, work: Array) -> Sequence[Call]:
        """Calls that write √(s − m²) into `work`; rounding may leave s − m² just below 0, which counts as 0."""
        average = site.slots["average"]
        return [
            *self._average(average, site.gradient, work),
            call(np.multiply, average, average, work),
            call(np.subtract, squares, work, work),
            larger(work, constant(0.0, work), work),
            call(np.sqrt, work, work),
        ]
