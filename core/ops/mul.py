"""Product of inputs."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.op import Op, Site, same_shape


class Mul(Op):
    """y = x₁ · x₂ · … entry by entry, all of one shape; dxᵢ is dy times all other inputs."""

    op: Literal["mul"] = "mul"

    arity: ClassVar[int | None] = None
    explanation: ClassVar[str] = "Multiplies its inputs: y = x₁ · x₂ · …; each receives the gradient times the others."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)] * count) for count in (1, 2, 3, 5)]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return same_shape(inputs)

    def forward(self, site: Site) -> Sequence[Call]:
        return _product(site.x, site.y)

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        if len(site.x) == 1:
            return [call(np.copyto, dx, site.dy) for dx in site.dx if dx is not None]
        if len(site.x) == 2:
            return [
                call(np.multiply, site.dy, other, dx)
                for dx, other in zip(site.dx, reversed(site.x), strict=True)
                if dx is not None
            ]
        return [*self._what_stands_before(site), *self._what_stands_behind(site)]

    def _what_stands_before(self, site: Site) -> Sequence[Call]:
        """Calls that write into each dx the product of all inputs before its own."""
        before = site.scratch("before", site.y.shape)
        calls: list[Call] = [call(before.fill, 1.0)]
        for x, dx in zip(site.x, site.dx, strict=True):
            if dx is not None:
                calls.append(call(np.copyto, dx, before))
            calls.append(call(np.multiply, before, x, before))
        return calls

    def _what_stands_behind(self, site: Site) -> Sequence[Call]:
        """Calls that multiply each dx by dy and by all inputs behind its own: n inputs take 3n products, not n²."""
        assert site.dy is not None
        behind = site.scratch("behind", site.y.shape)
        calls: list[Call] = [call(np.copyto, behind, site.dy)]
        for x, dx in zip(reversed(site.x), reversed(site.dx), strict=True):
            if dx is not None:
                calls.append(call(np.multiply, dx, behind, dx))
            calls.append(call(np.multiply, behind, x, behind))
        return calls


def _product(factors: Sequence[Array], out: Array) -> Sequence[Call]:
    first, *others = factors
    if not others:
        return [call(np.copyto, out, first)]
    second, *rest = others
    return [call(np.multiply, first, second, out), *(call(np.multiply, out, factor, out) for factor in rest)]
