"""Largest entry of each channel."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call, size_of
from core.op import Op, Site
from core.pooling import channels_of


class GlobalMaxPool(Op):
    """y (c,) = max of x (c, …) over all axes after the channel.

    Of equal entries the first in row-major order receives the gradient; a NaN is the maximum.
    """

    op: Literal["global_max_pool"] = "global_max_pool"

    reads_channels: ClassVar[bool] = True
    explanation: ClassVar[str] = (
        "Passes the largest number of each channel on; the gradient goes to that one: y = max x."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [shape]) for shape in ((2, 3), (2, 3, 2), (1, 2, 2, 3), (3, 1))]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return channels_of(inputs[0])

    def forward(self, site: Site) -> Sequence[Call]:
        (x,) = site.x
        return [call(np.maximum.reduce, x, tuple(range(1, x.ndim - 1)), None, site.y)]

    def backward(self, site: Site) -> Sequence[Call]:
        """The maximum that stands first has the highest rank: size for the first entry down to 1 for the last."""
        (x,), (dx,), y = site.x, site.dx, site.y
        if dx is None:
            return []
        assert site.dy is not None
        axes, sizes, middle = tuple(range(1, x.ndim - 1)), x.shape[1:-1], [1] * (x.ndim - 2)
        ranks = np.arange(size_of(sizes), 0, -1, dtype=np.int32).reshape(*sizes, 1)
        rank = site.scratch("rank", x.shape, np.int32)
        best = site.scratch("best", (len(y), *middle, y.shape[-1]), np.int32)
        wins = site.scratch("wins", x.shape, np.bool_)
        return [
            # Not x >= y, so that under a NaN, which is neither below nor above, there is a winner as well.
            call(np.less, x.real, y.real.reshape(best.shape), wins),
            call(np.logical_not, wins, wins),
            call(np.copyto, rank, wins),
            call(np.multiply, rank, ranks, rank),
            call(np.maximum.reduce, rank, axes, None, best, True),
            call(np.equal, rank, best, wins),
            call(np.copyto, dx, wins),
            call(np.multiply, dx, site.dy.reshape(best.shape), dx),
        ]

    def kinks(self, site: Site) -> Sequence[Callable[[], Array]]:
        return [partial(_winners, site.x[0])]

    def flops(self, inputs: Sequence[Shape]) -> int:
        return size_of(inputs[0])


def _winners(x: Array) -> Array:
    """Which entry of each channel is its first maximum."""
    winners: Array = x.real.reshape(len(x), -1, x.shape[-1]).argmax(1)
    return winners
