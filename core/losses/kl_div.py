"""Kullback-Leibler divergence from log-probabilities."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.calls import constant, larger
from core.classes import Scale
from core.entrywise import Entrywise
from core.loss import LossSite


class KlDiv(Entrywise):
    """l = t (log t − y) for log-probabilities y and probabilities t, 0 where t is 0; slope −t.

    The mean divides by the number of examples, so that it is the divergence of one of them.
    """

    kind: Literal["kl_div"] = "kl_div"

    output_scale: ClassVar[Scale | None] = "log_probabilities"

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs = np.log(generator.dirichlet((1.0, 1.0, 1.0), 4))
        targets = generator.dirichlet((1.0, 1.0, 1.0), 4)
        return [(cls(), outputs, targets), (cls(reduction="sum", weight=0.7), outputs, np.eye(4, 3))]

    def divisor(self, shape: Shape) -> int:
        return shape[-1]

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        return [
            larger(site.t, constant(1e-37, out), out),
            call(np.log, out, out),
            call(np.subtract, out, site.y, out),
            call(np.multiply, out, site.t, out),
        ]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        return [call(np.multiply, site.t, constant(-scale, out), out)]
