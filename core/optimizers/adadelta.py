"""Adadelta: steps as large as the steps before, in the units of the parameter."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Call, call
from core.calls import constant
from core.optimizer import Optimizer, OptimizerSite
from core.update import Decay, Epsilon, WeightDecay, accumulate, add_weight_decay


class Adadelta(Optimizer):
    """θ ← θ − learning_rate · d, d = √(u + eps) / √(s + eps) · g, s and u running averages of g² and of d².

    Source: Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1.
    """

    kind: Literal["adadelta"] = "adadelta"

    rescales: ClassVar[bool] = True
    usual_rates: ClassVar[tuple[float, float]] = (1e-3, 10.0)

    learning_rate: Annotated[float, Field(gt=0)] = 1.0
    rho: Decay = 0.9
    """Decay of both averages."""

    eps: Epsilon = 1e-6
    weight_decay: WeightDecay = 0.0

    def slots(self) -> dict[str, float]:
        return {"square_sum": 0.0, "step_square_sum": 0.0}

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        return {"rate": learning_rate}

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, gradient = site.parameters, site.gradient
        squares, step_squares = site.slots["square_sum"], site.slots["step_square_sum"]
        work, root = site.scratch("work"), site.scratch("root")
        # The sums lack the factor 1 − rho of an average; in the quotient of roots it cancels if eps gets it, too.
        eps = constant(self.eps / (1.0 - self.rho), work)
        return [
            *add_weight_decay(site, self.weight_decay),
            call(np.multiply, gradient, gradient, work),
            *accumulate(squares, self.rho, work),
            call(np.add, squares, eps, work),
            call(np.add, step_squares, eps, root),
            call(np.divide, root, work, root),
            call(np.sqrt, root, root),
            call(np.multiply, gradient, root, gradient),
            call(np.multiply, gradient, gradient, work),
            *accumulate(step_squares, self.rho, work),
            call(np.multiply, gradient, site.scalars["rate"], gradient),
            call(np.subtract, theta, gradient, theta),
        ]
