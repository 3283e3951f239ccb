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

    def prepare(self, site: LossSite) -> Sequence[Call]:
        """Targets divided as the reduction says, and weighted."""
        targets = self._targets(site)
        factor = 1.0 if self.reduction == "sum" else site.y.shape[CLASSES] / site.y.size
        scale = call(np.multiply, site.t, constant(factor, targets), targets)
        weigh = [] if site.sample_weight is None else [call(np.multiply, targets, site.sample_weight, targets)]
        return [scale, *weigh]

    def forward(self, site: LossSite) -> Sequence[Call]:
        return log_likelihood(site, self._targets(site), mass=None)

    def backward(self, site: LossSite) -> Sequence[Call]:
        return likelihood_slopes(site, self._targets(site), mass=None, weight=self.weight)

    def _targets(self, site: LossSite) -> Array:
        return site.scratch("targets", site.y.shape)
