"""Hinge loss."""

from collections.abc import Callable, Sequence
from typing import Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.calls import constant, larger
from core.entrywise import Entrywise
from core.loss import LossSite


class Hinge(Entrywise):
    """l = max(0, 1 − y t) with t = ±1; slope −t inside the margin, 0 at its edge and beyond."""

    kind: Literal["hinge"] = "hinge"

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(4, 3)), generator.choice((-1.0, 1.0), (4, 3))
        return [(cls(), outputs, targets), (cls(reduction="sum"), outputs, targets)]

    def random_targets(self, output: Shape, rows: int, generator: np.random.Generator) -> Array:
        return generator.choice((-1.0, 1.0), (rows, *output))

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        margin = site.scratch("margin", out.shape)
        return [*lack_of_margin(site, margin), call(np.copyto, out, margin)]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        margin, inside = site.scratch("margin", out.shape), site.scratch("inside", out.shape, np.bool_)
        return [
            *lack_of_margin(site, margin),
            call(np.greater, margin.real, np.asarray(0.0, margin.real.dtype), inside),
            call(np.multiply, inside, constant(-scale, out), out),
            call(np.multiply, out, site.t, out),
        ]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        return [lambda: site.y.real * site.t < 1]


def lack_of_margin(site: LossSite, out: Array) -> Sequence[Call]:
    """Calls that write max(0, 1 − y t) into `out`."""
    return [
        call(np.multiply, site.y, site.t, out),
        call(np.subtract, constant(1.0, out), out, out),
        larger(out, constant(0.0, out), out),
    ]
