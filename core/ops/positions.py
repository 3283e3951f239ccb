"""Positions in a sequence."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.op import Effect, Op, ParameterShape, Site
from core.sequences import sequence_shape


class Positions(Op):
    """y[t] = x[t] + p[t], so that what treats all steps alike, as attention does, can tell them apart; x (L, d).

    Sinusoidal: p[t, 2i] = sin(t / 10000^(2i / d)) and p[t, 2i + 1] = cos(t / 10000^(2i / d)). Learned: p is the
    parameter `table` (L, d), dp = Σ dy over the examples.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.5.
    """

    op: Literal["positions"] = "positions"

    encoding: Literal["sinusoidal", "learned"] = "sinusoidal"
    """Whether p is made of waves, or learned as a table that holds for this length only."""

    effect: ClassVar[Effect] = "affine"
    explanation: ClassVar[str] = (
        "Adds to each step numbers that tell its place: y[t] = x[t] + p[t], p of sines and cosines of t or learned."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(), [(4, 3)]),
            (cls(), [(3, 4)]),
            (cls(), [(1, 1)]),
            (cls(encoding="learned"), [(3, 2)]),
        ]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return sequence_shape(inputs)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        steps, features = sequence_shape(inputs)
        return {"table": ParameterShape((steps, features), steps, features)} if self.encoding == "learned" else {}

    def forward(self, site: Site) -> Sequence[Call]:
        table = site.params.get("table")
        if table is None:
            table = waves(site.y.shape[0], site.y.shape[1]).astype(site.y.dtype)
        return [call(np.add, site.x[0], table[:, :, None], site.y)]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        (dx,), dtable = site.dx, site.dparams.get("table")
        calls: list[Call] = []
        if dtable is not None:
            calls.append(call(np.add.reduce, site.dy, 2, None, dtable))
        return calls if dx is None else [*calls, call(np.copyto, dx, site.dy)]


def waves(steps: int, features: int) -> Array:
    """The sinusoidal p (L, d): sine and cosine in turn, each pair slower than the one before."""
    pair = np.arange(features) // 2
    angles = np.arange(steps)[:, None] / 10_000.0 ** (2 * pair / features)
    return np.where(np.arange(features) % 2, np.cos(angles), np.sin(angles))
