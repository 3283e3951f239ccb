"""Squared hinge loss."""

from collections.abc import Callable, Sequence
from typing import Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.calls import constant
from core.entrywise import Entrywise
from core.loss import LossSite
from core.losses.hinge import lack_of_margin


class SquaredHinge(Entrywise):
    """l = max(0, 1 − y t)² with t = ±1; slope −2 t max(0, 1 − y t)."""

    kind: Literal["squared_hinge"] = "squared_hinge"

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(4, 3)), generator.choice((-1.0, 1.0), (4, 3))
        return [(cls(), outputs, targets), (cls(reduction="sum"), outputs, targets)]

    def random_targets(self, output: Shape, rows: int, generator: np.random.Generator) -> Array:
        return generator.choice((-1.0, 1.0), (rows, *output))

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        margin = site.scratch("margin", out.shape)
        return [*lack_of_margin(site, margin), call(np.multiply, margin, margin, out)]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        margin = site.scratch("margin", out.shape)
        return [
            *lack_of_margin(site, margin),
            call(np.multiply, margin, site.t, out),
            call(np.multiply, out, constant(-2.0 * scale, out), out),
        ]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        return [lambda: site.y.real * site.t < 1]
