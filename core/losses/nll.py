"""Negative log-likelihood of log-probabilities."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, at_least_double, call
from core.calls import constant, weighted_sum
from core.class_targets import ClassTargets, class_rows, target_distributions
from core.classes import Scale
from core.loss import LossSite


class Nll(ClassTargets):
    """L = −Σ q y for log-probabilities y (n, …, k) and classes t (n, …); slope −q."""

    kind: Literal["nll"] = "nll"

    output_scale: ClassVar[Scale | None] = "log_probabilities"

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = np.log(generator.dirichlet((1.0, 1.0, 1.0), 4)), np.array([2, 0, 1, 2])
        return [
            (cls(), outputs, targets),
            (cls(reduction="sum", ignore_index=0), outputs, targets),
            (cls(class_weight=[0.5, 1.0, 3.0], ignore_index=-1), outputs, np.array([2, -1, 1, -1])),
        ]

    def forward(self, site: LossSite) -> Sequence[Call]:
        targets, write_targets = target_distributions(self, site, smoothing=0.0)
        part = site.scratch("part", targets.shape)
        wide = site.scratch("wide", targets.shape, at_least_double(part.dtype))
        product = call(np.multiply, targets, class_rows(site.y), part)
        return [*write_targets, product, *weighted_sum(part, -1.0, site.value, wide)]

    def backward(self, site: LossSite) -> Sequence[Call]:
        assert site.dy is not None
        targets = site.scratch("targets", (site.t.size, site.y.shape[-1]))
        return [call(np.multiply, targets, constant(-self.weight, targets), class_rows(site.dy))]
