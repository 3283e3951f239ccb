"""Negative log-likelihood of counts."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.calls import constant, smaller
from core.entrywise import Entrywise
from core.loss import LossSite

_LARGEST = 50.0


class PoissonNll(Entrywise):
    """l = exp(y) − t y for the logarithm y of a rate and a count t >= 0, less the log t! that no y changes.

    The slope is exp(y) − t. Beyond y = 50, a rate of 5e21, exp goes on in a straight line, so that neither loss nor
    slope overflows. At y = 0, t = 3 the loss is 1 and the slope −2.
    """

    kind: Literal["poisson_nll"] = "poisson_nll"

    least_target: ClassVar[float] = 0.0

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(4, 3)), generator.poisson(2.0, (4, 3)).astype(np.float64)
        return [(cls(), outputs, targets), (cls(reduction="sum", weight=0.3), outputs, targets)]

    @property
    def gives_numbers(self) -> bool:
        return True

    def numbers(self, outputs: Array) -> Array:
        """The rates exp(y), straight beyond y = 50 as in the loss."""
        held = np.minimum(outputs, _LARGEST)
        return np.asarray(np.exp(held) * (1.0 + (outputs - held)))

    def random_targets(self, output: Shape, rows: int, generator: np.random.Generator) -> Array:
        return generator.poisson(1.0, (rows, *output)).astype(np.float64)

    def entries(self, site: LossSite, out: Array) -> Sequence[Call]:
        held, part = site.scratch("held", out.shape), site.scratch("part", out.shape)
        return [
            smaller(site.y, constant(_LARGEST, out), held),
            call(np.subtract, site.y, held, part),
            call(np.add, part, constant(1.0, out), part),
            call(np.exp, held, out),
            call(np.multiply, out, part, out),
            call(np.multiply, site.y, site.t, part),
            call(np.subtract, out, part, out),
        ]

    def slopes(self, site: LossSite, out: Array, scale: float) -> Sequence[Call]:
        return [
            smaller(site.y, constant(_LARGEST, out), out),
            call(np.exp, out, out),
            call(np.subtract, out, site.t, out),
            call(np.multiply, out, constant(scale, out), out),
        ]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        return [lambda: site.y.real > _LARGEST]
