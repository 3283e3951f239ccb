"""One entry along an axis."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call
from core.axes import example_axis
from core.op import Effect, Op, ShapeMismatch, Site


class Select(Op):
    """y is the part of x at `index` along `axis`, which falls away; all other entries of x have gradient 0."""

    op: Literal["select"] = "select"

    axis: int = 1
    """Axis along which one entry is taken, the batch counted as axis 0."""

    index: Annotated[int, Field(ge=-(2**31), le=2**31)] = -1
    """Which entry, from 0; −1 is the last, such as the last step of a sequence."""

    effect: ClassVar[Effect] = "affine"
    only_moves: ClassVar[bool] = True
    explanation: ClassVar[str] = (
        "Takes one entry along an axis, such as the last step of a sequence: y = x[…, index, …]."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(axis=1, index=0), [(2, 3)]), (cls(axis=-1, index=-2), [(2, 3, 2)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        axis = example_axis(self.axis, shape)
        if not -shape[axis] <= self.index < shape[axis]:
            raise ShapeMismatch(f"has no index {self.index}: axis {self.axis} of its input has {shape[axis]} entries")
        return shape[:axis] + shape[axis + 1 :]

    def forward(self, site: Site) -> Sequence[Call]:
        return [call(np.copyto, site.y, self._part(site.x[0]))]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,) = site.dx
        if dx is None:
            return []
        assert site.dy is not None
        return [call(dx.fill, 0.0), call(np.copyto, self._part(dx), site.dy)]

    def _part(self, array: Array) -> Array:
        """The view of the entry that is taken."""
        axis = example_axis(self.axis, array.shape[:-1])
        return array[(slice(None),) * axis + (self.index,)]
