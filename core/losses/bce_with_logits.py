"""Binary cross-entropy of logits."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call
from core.calls import constant, decay, larger, logistic, smaller
from core.classes import Scale
from core.entrywise import Entrywise
from core.loss import LossSite
from core.op import ShapeMismatch

PositiveWeight = Annotated[float, Field(ge=0)]


class BceWithLogits(Entrywise):
    """l = w t log(1 + exp(−y)) + (1 − t) log(1 + exp(y)), t in [0, 1]; slope (1 − t) σ(y) − w t σ(−y).

    Neither logarithm overflows, and none is taken of a probability that has been rounded to 0 or 1: at y = 0, t = 1
    the loss is log 2 = 0.6931 and the slope −1/2; at y = 100 they are 3.7e-44 and −3.7e-44.
    """

    kind: Literal["bce_with_logits"] = "bce_with_logits"

    output_scale: ClassVar[Scale | None] = "logits"
    chooses_one: ClassVar[bool] = False

    pos_weight: PositiveWeight | list[PositiveWeight] | None = None
    """Factor w of the positive term, one for all outputs or one an output; negatives over positives balances them."""

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(4, 3)), generator.integers(0, 2, (4, 3)).astype(np.float64)
        soft = generator.random((4, 3))
        return [
            (cls(), outputs, targets),
            (cls(reduction="sum"), outputs, soft),
            (cls(pos_weight=2.5), outputs, targets),
            (cls(pos_weight=[0.5, 1.0, 3.0], weight=0.3), outputs, soft),
        ]

    def target_shape(self, output: Shape) -> Shape:
        if isinstance(self.pos_weight, list) and len(self.pos_weight) not in {1, *output[-1:]}:
            raise ShapeMismatch(f"has {len(self.pos_weight)} numbers in `pos_weight` for an output {list(output)}")
        return output

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        y, t, zero = site.y, site.t, constant(0.0, out)
        tail, half = site.scratch("tail", out.shape), site.scratch("half", out.shape)
        return [
            *decay(y, tail),
            call(np.log1p, tail, tail),
            smaller(y, zero, half),
            call(np.subtract, tail, half, half),
            call(np.multiply, half, t, half),
            *self._weigh_positive(half),
            larger(y, zero, out),
            call(np.add, out, tail, out),
            call(np.subtract, constant(1.0, out), t, tail),
            call(np.multiply, out, tail, out),
            call(np.add, out, half, out),
        ]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        if self._is_plain(site):
            return self._plain_slopes(site, out, scale)
        probability, complement = site.scratch("tail", out.shape), site.scratch("half", out.shape)
        return [
            *logistic(site.y, probability, complement),
            call(np.divide, site.t, complement, complement),
            *self._weigh_positive(complement),
            call(np.subtract, constant(1.0, out), site.t, out),
            call(np.multiply, out, probability, out),
            call(np.subtract, out, complement, out),
            call(np.multiply, out, constant(scale, out), out),
        ]

    def prepare(self, site: LossSite) -> Sequence[Call]:
        """For plain slopes 1 − 2t, which is what they add to tanh ½y."""
        if not self._is_plain(site):
            return ()
        sign = site.scratch("sign", site.y.shape)
        return [
            call(np.multiply, site.t, constant(-2.0, sign), sign),
            call(np.add, sign, constant(1.0, sign), sign),
        ]

    def _is_plain(self, site: LossSite) -> bool:
        return self.pos_weight is None and site.y.dtype == np.float32

    def _plain_slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        """Calls for scale · (σ(y) − t) = ½ scale · (tanh ½y + 1 − 2t): 4 instead of 9, and no overflow to hold back.

        The error is a rounding of the largest slope, 6e-8, which is what float32 has; float64 keeps all digits.
        """
        return [
            call(np.multiply, site.y, constant(0.5, out), out),
            call(np.tanh, out, out),
            call(np.add, out, site.scratch("sign", site.y.shape), out),
            call(np.multiply, out, constant(0.5 * scale, out), out),
        ]

    def _weigh_positive(self, term: Array) -> Sequence[Call]:
        if self.pos_weight is None:
            return []
        weights = np.asarray(self.pos_weight, term.dtype)
        return [call(np.multiply, term, weights[:, None] if weights.ndim else weights, term)]
