"""The axes of an example cut anew."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Call, Shape, call, size_of
from core.op import Effect, Op, ShapeMismatch, Site


class Reshape(Op):
    """The numbers of each example in their order, row-major, as an array of another shape: columns as an image."""

    op: Literal["reshape"] = "reshape"

    shape: Annotated[list[Annotated[int, Field(ge=-1, le=1_000_000_000)]], Field(min_length=1, max_length=30)]
    """Shape of one example, without the batch; one axis may be -1, and takes what the others leave."""

    effect: ClassVar[Effect] = "affine"
    only_moves: ClassVar[bool] = True
    explanation: ClassVar[str] = "Gives the numbers of each example other axes; the gradient gets the old ones back."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(shape=[2, 3]), [(6,)]), (cls(shape=[1, -1, 2]), [(2, 3, 2)]), (cls(shape=[-1]), [(2, 2)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (given,) = inputs
        size, known = size_of(given), size_of([axis for axis in self.shape if axis != -1])
        if self.shape.count(-1) > 1:
            raise ShapeMismatch(f"can fill in one axis only, and `shape` {self.shape} leaves several at -1")
        if 0 in self.shape or size % known or (size != known and -1 not in self.shape):
            raise ShapeMismatch(f"cannot make {self.shape} of {size} numbers, an input of shape {list(given)}")
        return tuple(size // known if axis == -1 else axis for axis in self.shape)

    def forward(self, site: Site) -> Sequence[Call]:
        return [call(np.copyto, site.y.reshape(site.x[0].shape), site.x[0])]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,) = site.dx
        if dx is None:
            return []
        assert site.dy is not None
        return [call(np.copyto, dx, site.dy.reshape(dx.shape))]
