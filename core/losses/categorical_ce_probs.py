"""Cross-entropy of probabilities against a target distribution."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call, size_of
from core.calls import constant, larger
from core.classes import Scale
from core.entrywise import Entrywise
from core.loss import LossSite


class CategoricalCeProbs(Entrywise):
    """l = −Σ t log y over the last axis, for probabilities y and t; slope −t / y. The mean is over examples.

    A probability counts as at least 1e-37 in the logarithm and 1e-12 in the slope, so both stay finite;
    `cross_entropy_soft` takes logits and needs neither.
    """

    kind: Literal["categorical_ce_probs"] = "categorical_ce_probs"

    output_scale: ClassVar[Scale | None] = "probabilities"

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs = generator.dirichlet((2.0, 2.0, 2.0), 4)
        targets = generator.dirichlet((1.0, 1.0, 1.0), 4)
        return [(cls(), outputs, targets), (cls(reduction="sum"), outputs, np.eye(4, 3))]

    def divisor(self, shape: Shape) -> int:
        return size_of(shape) // shape[-2]

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        return [
            larger(site.y, constant(1e-37, out), out),
            call(np.log, out, out),
            call(np.multiply, out, site.t, out),
            call(np.negative, out, out),
        ]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        return [
            larger(site.y, constant(1e-12, out), out),
            call(np.divide, site.t, out, out),
            call(np.multiply, out, constant(-scale, out), out),
        ]
