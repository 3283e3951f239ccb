"""A node that changes nothing."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Call, Shape, call
from core.op import Effect, Op, Site


class Identity(Op):
    """y = x; gives a place in the graph a name."""

    op: Literal["identity"] = "identity"

    effect: ClassVar[Effect] = "affine"
    only_moves: ClassVar[bool] = True
    explanation: ClassVar[str] = "Passes everything as it is: y = x; the gradient passes as it is too."

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return inputs[0]

    def forward(self, site: Site) -> Sequence[Call]:
        return [call(np.copyto, site.y, site.x[0])]

    def backward(self, site: Site) -> Sequence[Call]:
        (dx,) = site.dx
        assert site.dy is not None
        return [] if dx is None else [call(np.copyto, dx, site.dy)]
