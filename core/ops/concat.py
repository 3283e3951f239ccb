"""Inputs side by side."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.axes import example_axis
from core.op import Effect, Op, ShapeMismatch, Site


class Concat(Op):
    """The inputs one behind the other along `axis`; all other axes must agree."""

    op: Literal["concat"] = "concat"

    axis: int = -1
    """Axis along which they are joined, the batch counted as axis 0."""

    effect: ClassVar[Effect] = "affine"
    arity: ClassVar[int | None] = None
    explanation: ClassVar[str] = (
        "Puts its inputs side by side: y = (x₁, x₂, …); each receives its part of the gradient."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,), (2,), (1,)]), (cls(axis=1), [(2, 3), (1, 3)]), (cls(axis=-1), [(2, 3), (2, 1)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        axis = example_axis(self.axis, inputs[0])
        first = inputs[0]
        for shape in inputs:
            if len(shape) != len(first) or shape[:axis] != first[:axis] or shape[axis + 1 :] != first[axis + 1 :]:
                raise ShapeMismatch(f"cannot join {list(shape)} to {list(first)}: they differ beyond axis {self.axis}")
        return (*first[:axis], sum(shape[axis] for shape in inputs), *first[axis + 1 :])

    def forward(self, site: Site) -> Sequence[Call]:
        return [call(np.copyto, part, x) for part, x in zip(self._parts(site.y, site), site.x, strict=True)]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        pairs = zip(site.dx, self._parts(site.dy, site), strict=True)
        return [call(np.copyto, dx, part) for dx, part in pairs if dx is not None]

    def _parts(self, joined: Array, site: Site) -> Iterator[Array]:
        """The views of `joined` that belong to each input."""
        axis = example_axis(self.axis, joined.shape[:-1])
        start = 0
        for x in site.x:
            stop = start + x.shape[axis]
            yield joined[(slice(None),) * axis + (slice(start, stop),)]
            start = stop
