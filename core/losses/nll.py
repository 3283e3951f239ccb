"""Negative log-likelihood of log-probabilities."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, at_least_double, call
from core.calls import constant, weighted_sum
from core.class_targets import ClassTargets, target_distributions
from core.classes import Scale
from core.loss import LossSite


class Nll(ClassTargets):
    """L = −Σ q y for log-probabilities (…, k) and classes (…) of each example; slope −q."""

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

    def log_probabilities(self, outputs: Array) -> Array:
        return outputs

    def prepare(self, site: LossSite) -> Sequence[Call]:
        return target_distributions(self, site).prepare

    def forward(self, site: LossSite) -> Sequence[Call]:
        part = site.scratch("part", site.y.shape)
        wide = site.scratch("wide", site.y.shape, at_least_double(part.dtype))
        product = call(np.multiply, target_distributions(self, site).q, site.y, part)
        return [product, *weighted_sum(part, -1.0, site.value, wide)]

    def backward(self, site: LossSite) -> Sequence[Call]:
        assert site.dy is not None
        q = target_distributions(self, site).q
        return [call(np.multiply, q, constant(-self.weight, site.dy), site.dy)]
