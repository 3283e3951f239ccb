"""Logarithm of the softmax."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.axes import example_axis
from core.op import Op, Site
from core.rows import row_sum, shifted_exponentials


class LogSoftmax(Op):
    """y = x − log Σ exp(x) along `axis`, computed from x − max x; dx = dy − exp(y) Σ dy."""

    op: Literal["log_softmax"] = "log_softmax"

    axis: int = -1
    """Axis whose probabilities sum to 1, the batch counted as axis 0."""

    is_activation: ClassVar[bool] = True
    bounds: ClassVar[tuple[float | None, float | None]] = (None, 0.0)
    explanation: ClassVar[str] = "Turns numbers into logarithms of probabilities: yᵢ = xᵢ − log Σⱼ exp(xⱼ)."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(), [(2, 3)]), (cls(axis=1), [(3, 2)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        example_axis(self.axis, inputs[0])
        return inputs[0]

    def forward(self, site: Site) -> Sequence[Call]:
        (x,), y, total, part = site.x, site.y, self._total(site), site.scratch("part", site.y.shape)
        return [
            *shifted_exponentials(x, y, part, total, axis=self._place(site)),
            call(np.log, total, total),
            call(np.subtract, y, total, y),
        ]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,), y, total, part = site.dx, site.y, self._total(site), site.scratch("part", site.y.shape)
        if dx is None:
            return []
        assert site.dy is not None
        return [
            row_sum(site.dy, self._place(site), total),
            call(np.exp, y, part),
            call(np.multiply, part, total, part),
            call(np.subtract, site.dy, part, dx),
        ]

    def _total(self, site: Site) -> Array:
        shape = list(site.y.shape)
        shape[self._place(site)] = 1
        return site.scratch("total", tuple(shape))

    def _place(self, site: Site) -> int:
        return example_axis(self.axis, site.y.shape[:-1])
