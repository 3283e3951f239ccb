"""Rectifier that learns its slope."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call
from core.calls import constant, larger, smaller
from core.op import Effect, Op, ParameterShape, ShapeMismatch, Site


class Prelu(Op):
    """y = x where x > 0, else a · x, with a learned slope a (1,), or (c,) for c channels on the first axis.

    dx = dy where x > 0, else a · dy; da = Σ min(x, 0) dy. Penalties and max-norm leave a alone, as biases, since
    they would pull it to the plain rectifier.

    Source: He et al. 2015, "Delving Deep into Rectifiers", eq. 1 and 3.
    """

    op: Literal["prelu"] = "prelu"

    channelwise: bool = False
    """Whether each channel has a slope of its own: each entry of the first axis of an example."""

    start: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.25
    """Where every slope starts."""

    effect: ClassVar[Effect] = "entrywise"
    rectifies: ClassVar[bool] = True
    is_activation: ClassVar[bool] = True
    explanation: ClassVar[str] = "A rectifier that learns how much it lets through: y = x above 0 and a·x below."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(), [(3,)]),
            (cls(channelwise=True), [(3,)]),
            (cls(channelwise=True, start=0.1), [(2, 3, 2)]),
            (cls(), [(2, 3)]),
        ]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        if self.channelwise and not shape:
            raise ShapeMismatch("needs an input with at least one axis to have channels: leave `channelwise` out")
        return shape

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        (shape,) = inputs
        count = shape[0] if self.channelwise else 1
        return {"slope": ParameterShape((count,), 1, 1, is_bias=True, start=self.start)}

    def forward(self, site: Site) -> Sequence[Call]:
        (x,), y, negative = site.x, site.y, site.scratch("negative", site.y.shape)
        zero = constant(0.0, y)
        return [
            smaller(x, zero, negative),
            call(np.multiply, negative, _along(site.params["slope"], y), y),
            *_add_positive(x, y, site),
        ]

    def backward(self, site: Site) -> Sequence[Call]:
        return [*self._by_slope(site), *self._by_input(site)]

    def _by_slope(self, site: Site) -> Sequence[Call]:
        dslope = site.dparams["slope"]
        if dslope is None:
            return []
        part = site.scratch("part", site.y.shape)
        rows = part.reshape(len(dslope), -1)
        return [
            call(np.multiply, site.scratch("negative", site.y.shape), site.dy, part),
            call(rows.dot, np.ones(rows.shape[1], rows.dtype), dslope),
        ]

    def _by_input(self, site: Site) -> Sequence[Call]:
        (dx,) = site.dx
        if dx is None:
            return []
        (x,), part = site.x, site.scratch("part", site.y.shape)
        is_positive = site.scratch("is positive", site.y.shape, np.bool_)
        return [
            # Ones and zeros as factors: `copyto` with `where` takes ten times as long (see core.pointwise.above).
            call(np.greater, x.real, np.asarray(0.0, x.real.dtype), is_positive),
            call(np.copyto, part, is_positive),
            call(np.multiply, part, site.dy, dx),
            call(np.subtract, constant(1.0, part), part, part),
            call(np.multiply, part, _along(site.params["slope"], part), part),
            call(np.multiply, part, site.dy, part),
            call(np.add, dx, part, dx),
        ]

    def kinks(self, site: Site) -> Sequence[Callable[[], Array]]:
        return [partial(np.greater, site.x[0].real, 0.0)]


def _add_positive(x: Array, y: Array, site: Site) -> Sequence[Call]:
    positive = site.scratch("part", y.shape)
    return [larger(x, constant(0.0, y), positive), call(np.add, y, positive, y)]


def _along(slope: Array, like: Array) -> Array:
    """The slopes as an array that goes with the first axis."""
    return slope.reshape(-1, *[1] * (like.ndim - 1))
