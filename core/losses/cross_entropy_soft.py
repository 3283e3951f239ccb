"""Cross-entropy of logits against a target distribution."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call, size_of
from core.calls import constant
from core.classes import Scale
from core.logit_rows import LogitRows
from core.loss import Loss, LossSite, TargetType, weight_column
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
        targets, rows = self._targets(site), LogitRows(site)
        factor = 1.0 / size_of(site.y.shape[:-1]) if self.reduction == "mean" else 1.0
        shaped = targets.reshape(site.y.shape, copy=False)
        scale = call(np.multiply, site.t, constant(factor, targets), shaped)
        weigh = (
            [] if site.sample_weight is None else [call(np.multiply, shaped, weight_column(site, shaped.ndim), shaped)]
        )
        return [scale, *weigh, *rows.log_probabilities(), *rows.cross_entropy(targets)]

    def backward(self, site: LossSite) -> Sequence[Call]:
        return LogitRows(site).slopes(self._targets(site), self.weight)

    def _targets(self, site: LossSite) -> Array:
        return site.scratch("targets", (size_of(site.y.shape[:-1]), site.y.shape[-1]))
