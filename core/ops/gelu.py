"""Gaussian error linear unit."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, larger, magnitude, smaller
from core.error_function import normal_bell, normal_tail
from core.pointwise import Pointwise, Work, above


class Gelu(Pointwise):
    """y = x Φ(x), Φ the distribution function of the standard normal; slope Φ(x) + x φ(x).

    With `approximate: "tanh"` Φ(x) is replaced by σ(2u) = ½ (1 + tanh u), u = √(2/π) (x + 0.044715 x³).

    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units".
    """

    op: Literal["gelu"] = "gelu"

    approximate: Literal["none", "tanh"] = "none"
    """Whether Φ is exact or the tanh formula that some published weights were trained with."""

    rectifies: ClassVar[bool] = True
    explanation: ClassVar[str] = "Each number weighted by the chance that a normal number is smaller: y = x·Φ(x)."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        size, tail, part = work("size"), work("tail"), work("part")
        # x Φ(x) = max(x, 0) − |x| (1 − Φ(|x|)): nothing cancels on either side.
        return [
            *magnitude(x, size),
            smaller(size, constant(_FAR, y), size),
            *(_tanh_tail if self.approximate == "tanh" else _exact_tail)(size, tail, work),
            call(np.multiply, size, tail, part),
            larger(x, constant(0.0, y), y),
            call(np.subtract, y, part, y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        positive, sign = work("positive"), work("part")
        return [
            *(_tanh_density if self.approximate == "tanh" else _exact_density)(out, work),
            call(np.multiply, out, work("size"), out),
            call(np.subtract, out, work("tail"), out),
            *above(x, 0.0, positive, work),
            call(np.add, positive, positive, sign),
            call(np.subtract, sign, constant(1.0, y), sign),
            call(np.multiply, out, sign, out),
            call(np.add, out, positive, out),
        ]


_FAR = 40.0
"""Every tail is 0 beyond 40 in every precision, and nothing that is computed from 40 overflows."""

_STEEPNESS = 2.0 * math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715


def _exact_tail(size: Array, tail: Array, work: Work) -> Sequence[Call]:
    bell = work("bell")
    return [*normal_bell(size, bell, work), *normal_tail(size, bell, tail, work)]


def _exact_density(out: Array, work: Work) -> Sequence[Call]:
    return [call(np.multiply, work("bell"), constant(1.0 / math.sqrt(2.0 * math.pi), out), out)]


def _tanh_tail(size: Array, tail: Array, work: Work) -> Sequence[Call]:
    """Calls that write σ(−2u(x)) = e / (1 + e) with e = exp(−2u(x))."""
    square, total = work("square"), work("total")
    return [
        call(np.multiply, size, size, square),
        call(np.multiply, square, constant(-_STEEPNESS * _CUBIC, tail), tail),
        call(np.subtract, tail, constant(_STEEPNESS, tail), tail),
        call(np.multiply, tail, size, tail),
        call(np.exp, tail, tail),
        call(np.add, tail, constant(1.0, tail), total),
        call(np.divide, tail, total, tail),
    ]


def _tanh_density(out: Array, work: Work) -> Sequence[Call]:
    """Calls that write e / (1 + e)² · 2u'(x)."""
    return [
        call(np.multiply, work("square"), constant(3.0 * _STEEPNESS * _CUBIC, out), out),
        call(np.add, out, constant(_STEEPNESS, out), out),
        call(np.multiply, out, work("tail"), out),
        call(np.divide, out, work("total"), out),
    ]
