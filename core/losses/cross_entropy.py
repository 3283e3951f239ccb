"""Cross-entropy of logits against classes."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call
from core.class_targets import ClassTargets, Distributions, target_distributions
from core.classes import Scale
from core.logit_rows import CLASSES, likelihood_slopes, log_likelihood
from core.loss import LossSite


class CrossEntropy(ClassTargets):
    """L = −Σ q log softmax(y) for logits (k,) and a class, or logits (…, k) and classes (…) of each example.

    The slope is softmax(y) Σ q − q: for one example of class 0 with logits (1, 2, 3) the loss is 2.4076 and the
    slope (−0.9100, 0.2447, 0.6652).
    """

    kind: Literal["cross_entropy"] = "cross_entropy"

    output_scale: ClassVar[Scale | None] = "logits"

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Part s of the target that is spread over all classes: 1 − s + s/k at the class itself, s/k elsewhere."""

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(4, 3)), np.array([2, 0, 1, 2])
        sequence = generator.normal(size=(4, 2, 3)), generator.integers(0, 3, (4, 2))
        return [
            (cls(), outputs, targets),
            (cls(reduction="sum", label_smoothing=0.1), outputs, targets),
            (cls(class_weight=[0.5, 1.0, 3.0], label_smoothing=0.1, weight=0.5), outputs, targets),
            (cls(ignore_index=1, class_weight=[0.5, 1.0, 3.0]), outputs, targets),
            (cls(ignore_index=-1), outputs, np.array([2, -1, 1, -1])),
            (cls(ignore_index=-100), *sequence),
            (cls(), *sequence),
        ]

    def log_probabilities(self, outputs: Array) -> Array:
        shifted = outputs - outputs.max(axis=CLASSES, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=CLASSES, keepdims=True)))

    def prepare(self, site: LossSite) -> Sequence[Call]:
        return self._targets(site).prepare

    def forward(self, site: LossSite) -> Sequence[Call]:
        targets = self._targets(site)
        return log_likelihood(site, targets.q, mass=targets.mass)

    def backward(self, site: LossSite) -> Sequence[Call]:
        targets = self._targets(site)
        return likelihood_slopes(site, targets.q, mass=targets.mass, weight=self.weight)

    def _targets(self, site: LossSite) -> Distributions:
        return target_distributions(self, site, smoothing=self.label_smoothing)
