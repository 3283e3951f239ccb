"""Softmax."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.axes import example_axis
from core.op import Op, Site
from core.rows import row_sum, shifted_exponentials


class Softmax(Op):
    """y = exp(x) / Σ exp(x) along `axis`, computed from x − max x; dx = y (dy − Σ dy y)."""

    op: Literal["softmax"] = "softmax"

    axis: int = -1
    """Axis whose entries sum to 1, the batch counted as axis 0."""

    is_activation: ClassVar[bool] = True
    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, 1.0)
    explanation: ClassVar[str] = "Turns numbers into probabilities that sum to 1: yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(), [(2, 3)]), (cls(axis=1), [(3, 2)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        example_axis(self.axis, inputs[0])
        return inputs[0]

    def forward(self, site: Site) -> Sequence[Call]:
        (x,), y, total = site.x, site.y, self._total(site)
        return [*shifted_exponentials(x, y, y, total, axis=self._place(site)), call(np.divide, y, total, y)]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,), y, total = site.dx, site.y, self._total(site)
        if dx is None:
            return []
        part = site.scratch("part", y.shape)
        return [
            call(np.multiply, site.dy, y, part),
            row_sum(part, self._place(site), total),
            call(np.subtract, site.dy, total, part),
            call(np.multiply, part, y, dx),
        ]

    def _total(self, site: Site) -> Array:
        shape = list(site.y.shape)
        shape[self._place(site)] = 1
        return site.scratch("total", tuple(shape))

    def _place(self, site: Site) -> int:
        return example_axis(self.axis, site.y.shape[:-1])
