"""Binary cross-entropy of probabilities."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, larger, smaller
from core.classes import Scale
from core.entrywise import Entrywise
from core.loss import LossSite


class Bce(Entrywise):
    """l = −t log y − (1 − t) log(1 − y), slope (y − t) / (y (1 − y)); `bce_with_logits` is the more exact one.

    An output of 0 or 1 (or beyond) counts as the nearest number that has a logarithm, and the denominator of the
    slope as at least 1e-12, so both stay finite.
    """

    kind: Literal["bce"] = "bce"

    output_scale: ClassVar[Scale | None] = "probabilities"
    chooses_one: ClassVar[bool] = False

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs = generator.uniform(0.05, 0.95, (4, 3))
        hard, soft = generator.integers(0, 2, (4, 3)).astype(np.float64), generator.random((4, 3))
        return [(cls(), outputs, hard), (cls(reduction="sum"), outputs, soft)]

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        held, logarithm, other = (site.scratch(name, out.shape) for name in ("held", "logarithm", "other"))
        return [
            *_held(site.y, held),
            call(np.log, held, logarithm),
            call(np.multiply, logarithm, site.t, logarithm),
            call(np.negative, held, out),
            call(np.log1p, out, out),
            call(np.subtract, site.t, constant(1.0, out), other),
            call(np.multiply, out, other, out),
            call(np.subtract, out, logarithm, out),
        ]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        held, denominator = site.scratch("held", out.shape), site.scratch("logarithm", out.shape)
        return [
            *_held(site.y, held),
            call(np.subtract, constant(1.0, out), held, denominator),
            call(np.multiply, denominator, held, denominator),
            larger(denominator, constant(1e-12, out), denominator),
            call(np.subtract, held, site.t, out),
            call(np.divide, out, denominator, out),
            call(np.multiply, out, constant(scale, out), out),
        ]


def _held(y: Array, out: Array) -> Sequence[Call]:
    """Calls that write y, held between the numbers that have both logarithms."""
    return [
        larger(y, constant(_SMALLEST, out), out),
        smaller(out, constant(1.0 - float(np.finfo(out.dtype).epsneg), out), out),
    ]


_SMALLEST = 1e-37
"""About the smallest normal number of float32; its logarithm is −85."""
