"""Cross-entropy of logits against a target distribution."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.calls import constant
from core.classes import Scale
from core.logit_rows import CLASSES, likelihood_slopes, log_likelihood
from core.loss import Loss, LossSite, TargetType
from core.op import ShapeMismatch


class CrossEntropySoft(Loss):
    """L = −Σ t log softmax(y) over the last axis, for logits y and a distribution t of the same shape.

    The slope is softmax(y) Σ t − t. The mean divides by the number of examples (and of steps, for a sequence).
    """

    kind: Literal["cross_entropy_soft"] = "cross_entropy_soft"

    output_scale: ClassVar[Scale | None] = "logits"

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(4, 3)), generator.dirichlet((1.0, 1.0, 1.0), 4)
        sequence = generator.normal(size=(4, 2, 3)), generator.dirichlet((1.0, 1.0, 1.0), (4, 2))
        return [(cls(), outputs, targets), (cls(reduction="sum"), outputs, np.eye(4, 3)), (cls(weight=0.3), *sequence)]

    def target_type(self) -> TargetType:
        return "number"

    def target_shape(self, output: Shape) -> Shape:
        if not output or output[-1] < 2:
            raise ShapeMismatch("needs one output a class, and at least two classes")
        return output

    def forward(self, site: LossSite) -> Sequence[Call]:
        targets, write = self._targets(site, 1.0)
        return [*write, *log_likelihood(site, targets)]

    def backward(self, site: LossSite) -> Sequence[Call]:
        targets, write = self._targets(site, self.weight)
        return [*write, *likelihood_slopes(site, targets, None)]

    def _targets(self, site: LossSite, factor: float) -> tuple[Array, Sequence[Call]]:
        """The array of weighted targets, divided as the reduction says, and the calls that write it."""
        if self.reduction == "mean":
            factor /= site.y.size // site.y.shape[CLASSES]
        targets = site.scratch(f"targets times {factor}", site.y.shape)
        scale = call(np.multiply, site.t, constant(factor, targets), targets)
        return targets, [scale] if site.sample_weight is None else [
            scale,
            call(np.multiply, targets, site.sample_weight, targets),
        ]
