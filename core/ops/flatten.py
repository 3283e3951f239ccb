"""All axes of an example as one."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Call, Shape, call, size_of
from core.op import Effect, Op, Site


class Flatten(Op):
    """The axes of an example become one, row-major; a scalar example becomes one feature."""

    op: Literal["flatten"] = "flatten"

    effect: ClassVar[Effect] = "affine"
    only_moves: ClassVar[bool] = True
    explanation: ClassVar[str] = "Lays the numbers of each example in one row; the gradient is laid back."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [shape]) for shape in ((3,), (2, 3), (2, 1, 3), ())]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (size_of(inputs[0]),)

    def forward(self, site: Site) -> Sequence[Call]:
        return [call(np.copyto, site.y.reshape(site.x[0].shape), site.x[0])]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,) = site.dx
        if dx is None:
            return []
        assert site.dy is not None
        return [call(np.copyto, dx, site.dy.reshape(dx.shape))]
