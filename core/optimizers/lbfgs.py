"""L-BFGS: steps along the curvature that the last gradients tell; for whole-split batches."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Call
from core.optimizer import Optimizer, OptimizerSite

_LEAST_CURVATURE = 1e-10
"""Of a pair that is kept: below it the quotient of rounding errors would decide the next direction."""


class Lbfgs(Optimizer):
    """θ ← θ − learning_rate · H g, with H the inverse Hessian as the last `history_size` steps have seen it.

    Each step remembers s = θ − θ₋₁ and y = g − g₋₁ if s·y > 1e-10. H g comes by the two-loop recursion, started
    from (s·y / y·y) g of the newest pair. There is no line search; the very first step is g · min(1, 1 / Σ|g|).

    y is a difference of two gradients, so it means something only where both are of the same examples: with small
    batches another rule does better. One call is one iteration, since each needs a new gradient; PyTorch's
    `max_iter` of 20 is 20 epochs of `batch_size: "full"`.

    Source: Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4 and 7.5; the form is PyTorch's.
    """

    kind: Literal["lbfgs"] = "lbfgs"

    usual_rates: ClassVar[tuple[float, float]] = (1e-3, 10.0)

    learning_rate: Annotated[float, Field(gt=0)] = 1.0
    history_size: Annotated[int, Field(ge=1, le=100)] = 10
    """Pairs that are remembered; each takes twice the memory of the parameters."""

    max_iter: Literal[1] = 1
    """Iterations a step: always one."""

    needs_whole_vector: ClassVar[bool] = True

    def slots(self) -> dict[str, float]:
        pairs = [name for place in range(self.history_size) for name in (f"step_{place}", f"change_{place}")]
        return dict.fromkeys(["parameters", "gradient", *pairs], 0.0)

    def counters(self) -> Sequence[str]:
        return ("pairs",)

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        return {"rate": learning_rate, "is_first": float(step == 1)}

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        return [_Descent(site, self.history_size).move]


class _Descent:
    """The vectors of one run. Pair number i, from 0, lies at place i mod history_size."""

    def __init__(self, site: OptimizerSite, history_size: int) -> None:
        slots = site.slots
        self._theta, self._gradient, self._scalars = site.parameters, site.gradient, site.scalars
        self._last_theta, self._last_gradient, self._pairs = slots["parameters"], slots["gradient"], slots["pairs"]
        self._s = [slots[f"step_{place}"] for place in range(history_size)]
        self._y = [slots[f"change_{place}"] for place in range(history_size)]
        self._direction, self._work, self._other = (site.scratch(name) for name in ("direction", "work", "other"))

    def move(self) -> None:
        """Remember how the gradient has changed since the last step, and take the next."""
        theta, gradient, direction = self._theta, self._gradient, self._direction
        rate = self._scalars["rate"]
        np.copyto(direction, gradient)
        if self._scalars["is_first"]:
            length = np.add.reduce(np.absolute(gradient, self._work))
            np.divide(direction, np.maximum(length, 1.0), direction)
        else:
            self._remember()
            self._turn()
        np.copyto(self._last_theta, theta)
        np.copyto(self._last_gradient, gradient)
        np.multiply(direction, rate, direction)
        np.subtract(theta, direction, theta)

    def _remember(self) -> None:
        """Keep the pair in place of the oldest, unless it tells of no curvature."""
        step = np.subtract(self._theta, self._last_theta, self._work)
        change = np.subtract(self._gradient, self._last_gradient, self._other)
        if step.dot(change) > _LEAST_CURVATURE:
            place = int(self._pairs) % len(self._s)
            np.copyto(self._s[place], step)
            np.copyto(self._y[place], change)
            self._pairs += 1

    def _turn(self) -> None:
        """Turn the direction from g to H g, the newest pair first and last."""
        kept, size, q = int(self._pairs), len(self._s), self._direction
        if not kept:
            return
        places = [index % size for index in range(max(kept - size, 0), kept)]
        curvature = {place: self._s[place].dot(self._y[place]) for place in places}
        shares = {}
        for place in reversed(places):
            shares[place] = self._s[place].dot(q) / curvature[place]
            self._add(-shares[place], self._y[place])
        newest = self._y[places[-1]]
        np.multiply(q, curvature[places[-1]] / newest.dot(newest), q)
        for place in places:
            self._add(shares[place] - self._y[place].dot(q) / curvature[place], self._s[place])

    def _add(self, factor: Array, vector: Array) -> None:
        np.multiply(vector, factor, self._work)
        np.add(self._direction, self._work, self._direction)
