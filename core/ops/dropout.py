"""Dropout."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import AfterValidator, Field

from core.arrays import Array, Call, Shape, Tensor, batch_last, call
from core.calls import constant
from core.op import Effect, Op, ShapeMismatch, Site


def _zeros_and_ones(mask: Array) -> Array:
    if not np.isin(mask, (0.0, 1.0)).all():
        raise ValueError("a mask holds only 0 (dropped) and 1 (kept)")
    return mask


class Dropout(Op):
    """In training y = x · mask / (1 − p), each entry kept with probability 1 − p; in evaluation y = x.

    Source: Srivastava et al. 2014, in the inverted form, which needs nothing in evaluation.
    """

    op: Literal["dropout"] = "dropout"

    p: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Probability that an entry is dropped."""

    mask: Annotated[Tensor, AfterValidator(_zeros_and_ones)] | None = None
    """What is kept (1) and dropped (0) in training, the batch first, instead of drawing it."""

    effect: ClassVar[Effect] = "affine"
    is_random: ClassVar[bool] = True
    explanation: ClassVar[str] = "In training stops each number with probability p, and scales the rest by 1/(1−p)."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(p=0.2), [(2, 3)]), (cls(p=0.0), [(3,)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        if self.mask is not None and self.mask.shape[1:] != shape:
            raise ShapeMismatch(f"has a mask of shape {list(self.mask.shape)} for examples of shape {list(shape)}")
        return shape

    def forward(self, site: Site) -> Sequence[Call]:
        (x,) = site.x
        if not site.training:
            return [call(np.copyto, site.y, x)]
        factor = site.scratch("factor", x.shape)
        return [*self._factor(site, factor), call(np.multiply, x, factor, site.y)]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,) = site.dx
        if dx is None:
            return []
        assert site.dy is not None
        if not site.training:
            return [call(np.copyto, dx, site.dy)]
        return [call(np.multiply, site.dy, site.scratch("factor", dx.shape), dx)]

    def _factor(self, site: Site, factor: Array) -> Sequence[Call]:
        """Calls that write mask / (1 − p); none for a mask that was given, which is written at once."""
        scale = constant(1.0 / (1.0 - self.p), factor)
        if self.mask is not None:
            if len(self.mask) != factor.shape[-1]:
                raise ShapeMismatch(f"has a mask for {len(self.mask)} examples, and the batch has {factor.shape[-1]}")
            np.multiply(batch_last(self.mask), scale, factor)
            return []
        if site.generator is None:
            raise ValueError("dropout in training mode needs a generator or a mask")
        # Drawn in float64 whatever the type of the network, so that every precision drops the same entries; it is
        # not slower either (19 µs at 64 × 128, float32 24).
        draws, kept = site.scratch("draws", factor.shape, np.float64), site.scratch("kept", factor.shape, np.bool_)
        return [
            call(site.generator.random, None, np.float64, draws),
            call(np.greater_equal, draws, np.asarray(self.p), kept),
            call(np.copyto, factor, kept),
            call(np.multiply, factor, scale, factor),
        ]
