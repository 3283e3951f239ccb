"""Sum of inputs."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Call, Shape, call
from core.op import Effect, Op, Site, same_shape


class Add(Op):
    """y = x₁ + x₂ + …, all of one shape."""

    op: Literal["add"] = "add"

    effect: ClassVar[Effect] = "affine"
    arity: ClassVar[int | None] = None
    explanation: ClassVar[str] = "Adds its inputs: y = x₁ + x₂ + …; each of them receives the whole gradient."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)] * count) for count in (1, 2, 3)]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return same_shape(inputs)

    def forward(self, site: Site) -> Sequence[Call]:
        first, *others = site.x
        if not others:
            return [call(np.copyto, site.y, first)]
        second, *rest = others
        return [call(np.add, first, second, site.y), *(call(np.add, site.y, x, site.y) for x in rest)]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        return [call(np.copyto, dx, site.dy) for dx in site.dx if dx is not None]
