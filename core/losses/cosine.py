"""Angle between output and target."""

from collections.abc import Callable, Sequence
from typing import Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, at_least_double, call, size_of
from core.calls import constant, larger, weighted_sum
from core.loss import Loss, LossSite, TargetType, weigh_examples
from core.op import ShapeMismatch
from core.rows import row_sum

_LEAST = 1e-8


class Cosine(Loss):
    """L = 1 − y·t / (|y| |t|) along the last axis of outputs and targets (…, k): 0 for one direction, 2 for opposite.

    The slope is (cos · ŷ − t̂) / |y| with the directions ŷ and t̂. A length counts as at least 1e-8: an output of 0
    has the loss 1 and the slope −1e8 t̂, a target of 0 the loss 1 and no slope. The mean is over the directions. For
    y = (3, 4) and t = (1, 0) the loss is 1 − 3/5 = 0.4 and the slope (0.36 − 1, 0.48) / 5 = (−0.128, 0.096).
    """

    kind: Literal["cosine"] = "cosine"

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(2, 4, 3))
        sequences = generator.normal(size=(2, 4, 2, 3))
        without_direction = targets.copy()
        without_direction[1] = 0.0
        return [
            (cls(), outputs, targets),
            (cls(reduction="sum", weight=0.3), outputs, without_direction),
            (cls(), *sequences),
        ]

    def target_type(self) -> TargetType:
        return "number"

    def target_shape(self, output: Shape) -> Shape:
        if not output or output[-1] < 2:
            raise ShapeMismatch("needs at least two outputs: a single number has a sign but no direction")
        return output

    def forward(self, site: LossSite) -> Sequence[Call]:
        cosine = _one_a_row("cosine", site)
        wide = site.scratch("wide", cosine.shape, at_least_double(cosine.dtype))
        return [
            *_compare(site),
            call(np.subtract, constant(1.0, cosine), cosine, cosine),
            *weigh_examples(cosine, site),
            *weighted_sum(cosine, self._factor(site), site.value, wide),
        ]

    def backward(self, site: LossSite) -> Sequence[Call]:
        dy = site.dy
        assert dy is not None
        cosine, length = _one_a_row("cosine", site), _one_a_row("length", site)
        output, target = site.scratch("output", site.y.shape), site.scratch("target", site.y.shape)
        is_long = site.scratch("is long", length.shape, np.bool_)
        return [
            *_compare(site),
            # A length that is held has no slope.
            call(np.greater, length.real, np.asarray(_LEAST, length.real.dtype), is_long),
            call(np.multiply, cosine, is_long, cosine),
            call(np.multiply, output, cosine, dy),
            call(np.subtract, dy, target, dy),
            call(np.divide, dy, length, dy),
            call(np.multiply, dy, constant(self.weight * self._factor(site), dy), dy),
            *weigh_examples(dy, site),
        ]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        return [lambda: np.linalg.norm(site.y.real, axis=-2) > _LEAST]

    def _factor(self, site: LossSite) -> float:
        return site.y.shape[-2] / size_of(site.y.shape) if self.reduction == "mean" else 1.0


def _compare(site: LossSite) -> Sequence[Call]:
    """Calls that write the directions of output and target, the length of the output, and the cosine."""
    output, target = site.scratch("output", site.y.shape), site.scratch("target", site.y.shape)
    cosine, length, part = _one_a_row("cosine", site), _one_a_row("length", site), site.scratch("part", site.y.shape)
    return [
        *_directions(site.t, target, cosine, site),
        *_directions(site.y, output, length, site),
        call(np.multiply, output, target, part),
        row_sum(part, part.ndim - 2, cosine),
    ]


def _directions(x: Array, out: Array, length: Array, site: LossSite) -> Sequence[Call]:
    """Calls that write x / |x| and |x|, at least 1e-8, along the last axis of an example.

    |x| is computed of x over its largest entry, whose squares neither overflow nor vanish; how large that is makes no
    difference, so under the complex step it may be a real number.
    """
    real = site.scratch("size", x.shape, x.real.dtype)
    largest = site.scratch("largest", length.shape, x.real.dtype)
    part, axis = site.scratch("part", site.y.shape), x.ndim - 2
    return [
        call(np.absolute, x.real, real),
        call(np.maximum.reduce, real, axis, None, largest, True),
        larger(largest, np.asarray(_LEAST, largest.dtype), largest),
        call(np.divide, x, largest, out),
        call(np.multiply, out, out, part),
        row_sum(part, axis, length),
        call(np.sqrt, length, length),
        call(np.multiply, length, largest, length),
        larger(length, constant(_LEAST, length), length),
        call(np.divide, largest, length, part[..., :1, :]),
        call(np.multiply, out, part[..., :1, :], out),
    ]


def _one_a_row(name: str, site: LossSite) -> Array:
    *leading, _, rows = site.y.shape
    return site.scratch(name, (*leading, 1, rows))
