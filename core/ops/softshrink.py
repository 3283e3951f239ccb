"""Soft threshold."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call
from core.calls import constant, larger, smaller
from core.pointwise import Pointwise, Work, beyond


class Softshrink(Pointwise):
    """y = x − threshold where x > threshold, x + threshold where x < −threshold, else 0; slope 0 at both corners.

    Source: Donoho 1995, "De-noising by soft-thresholding".
    """

    op: Literal["softshrink"] = "softshrink"

    threshold: Annotated[float, Field(gt=0, le=1e6)] = 0.5
    """Numbers up to this size become 0, and larger ones shrink by it."""

    explanation: ClassVar[str] = "Pulls every number towards 0 by λ: y = x − λ above λ, x + λ below −λ, 0 in between."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(threshold=0.2), [(2, 3)])]

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        held = work("held")
        return [
            larger(x, constant(-self.threshold, y), held),
            smaller(held, constant(self.threshold, y), held),
            call(np.subtract, x, held, y),
        ]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return beyond(x, self.threshold, out, work)

    def corners(self) -> Sequence[float]:
        return (-self.threshold, self.threshold)
