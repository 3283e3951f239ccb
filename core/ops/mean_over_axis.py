"""Mean along an axis."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call, size_of
from core.axes import example_axis
from core.calls import constant
from core.op import Effect, Op, Site
from core.rows import row_sum


class MeanOverAxis(Op):
    """y = mean of x along `axis`, which falls away; each of its k entries has gradient dy / k."""

    op: Literal["mean_over_axis"] = "mean_over_axis"

    axis: int = 1
    """Axis along which the mean is taken, the batch counted as axis 0."""

    effect: ClassVar[Effect] = "affine"
    explanation: ClassVar[str] = "Takes the mean along an axis, such as over the steps of a sequence: y = Σ x / k."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(axis=1), [(2, 3)]), (cls(axis=-1), [(2, 3, 4)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        axis = example_axis(self.axis, shape)
        return shape[:axis] + shape[axis + 1 :]

    def forward(self, site: Site) -> Sequence[Call]:
        (x,), y = site.x, site.y
        axis = self._axis(x)
        share = constant(1.0 / x.shape[axis], y)
        return [row_sum(x, axis, np.expand_dims(y, axis)), call(np.multiply, y, share, y)]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,) = site.dx
        if dx is None:
            return []
        assert site.dy is not None
        axis = self._axis(dx)
        return [call(np.multiply, np.expand_dims(site.dy, axis), constant(1.0 / dx.shape[axis], dx), dx)]

    def _axis(self, array: Array) -> int:
        return example_axis(self.axis, array.shape[:-1])

    def flops(self, inputs: Sequence[Shape]) -> int:
        return size_of(inputs[0])
