"""Mean of each channel."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Call, Shape, call, size_of
from core.calls import constant
from core.op import Effect, Op, Site
from core.pooling import channels_of


class GlobalAvgPool(Op):
    """y (c,) = mean of x (c, …) over all axes after the channel."""

    op: Literal["global_avg_pool"] = "global_avg_pool"

    effect: ClassVar[Effect] = "affine"
    reads_channels: ClassVar[bool] = True
    explanation: ClassVar[str] = (
        "Passes the mean of each channel on; all its entries share the gradient: y = Σ x / size."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [shape]) for shape in ((2, 3), (2, 3, 2), (1, 2, 2, 3), (3, 1))]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return channels_of(inputs[0])

    def forward(self, site: Site) -> Sequence[Call]:
        (x,), y = site.x, site.y
        axes = tuple(range(1, x.ndim - 1))
        size = constant(1.0 / size_of(x.shape[1:-1]), y)
        return [call(np.add.reduce, x, axes, None, y), call(np.multiply, y, size, y)]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,) = site.dx
        if dx is None:
            return []
        assert site.dy is not None
        middle = [1] * (dx.ndim - 2)
        shares = site.dy.reshape(len(site.dy), *middle, -1)
        return [call(np.multiply, shares, constant(1.0 / size_of(dx.shape[1:-1]), dx), dx)]

    def flops(self, inputs: Sequence[Shape]) -> int:
        return size_of(inputs[0])
