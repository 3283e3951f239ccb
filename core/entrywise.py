"""Losses that are the mean or the sum of one number an entry."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from core.arrays import Array, Call, Shape, at_least_double, call, size_of
from core.calls import constant, larger, magnitude, smaller, weighted_sum
from core.loss import Loss, LossSite, TargetType, weigh_examples


class Entrywise(Loss):
    """L = Σ l(y, t) over all entries, divided by `divisor` for the mean; y and t have one shape.

    A weight of an example multiplies each of its entries, and the divisor stays.
    """

    @abstractmethod
    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        """Calls that write l(y, t) into `out`, stable for any finite y."""

    @abstractmethod
    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        """Calls that write scale · dl/dy into `out`; they read nothing that `entries` left."""

    def divisor(self, shape: Shape) -> int:
        """What the mean divides by, for outputs (…, n) of this shape, the batch last."""
        return size_of(shape)

    def target_type(self) -> TargetType:
        return "number"

    def target_shape(self, output: Shape) -> Shape:
        return output

    def forward(self, site: LossSite) -> Sequence[Call]:
        entries = site.scratch("entries", site.y.shape)
        wide = site.scratch("wide", site.y.shape, at_least_double(site.y.dtype))
        return [
            *self.entries(site, entries),
            *weigh_examples(entries, site),
            *weighted_sum(entries, self._factor(site), site.value, wide),
        ]

    def backward(self, site: LossSite) -> Sequence[Call]:
        assert site.dy is not None
        return [*self.slopes(site, site.dy, self.weight * self._factor(site)), *weigh_examples(site.dy, site)]

    def _factor(self, site: LossSite) -> float:
        return 1.0 / self.divisor(site.y.shape) if self.reduction == "mean" else 1.0


def residual(site: LossSite) -> tuple[Array, Call]:
    """The scratch array of the error y − t, and the call that writes it."""
    error = site.scratch("error", site.y.shape)
    return error, call(np.subtract, site.y, site.t, error)


def bent_square(error: Array, corner: float, out: Array, site: LossSite) -> Sequence[Call]:
    """Calls that write ½ e² where |e| <= corner and corner (|e| − corner / 2) beyond, as c (|e| − c / 2) with
    c = min(|e|, corner)."""
    size, held = site.scratch("size", out.shape), site.scratch("held", out.shape)
    return [
        *magnitude(error, size),
        smaller(size, constant(corner, out), held),
        call(np.multiply, held, constant(0.5, out), out),
        call(np.subtract, size, out, out),
        call(np.multiply, out, held, out),
    ]


def bent_square_slope(error: Array, corner: float, out: Array) -> Sequence[Call]:
    """Calls that write e held between −corner and corner."""
    return [larger(error, constant(-corner, out), out), smaller(out, constant(corner, out), out)]
