"""Hinge loss of several classes."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, at_least_double, call, size_of
from core.calls import constant, larger, weighted_sum
from core.loss import Loss, LossSite, TargetType, weigh_examples
from core.op import ShapeMismatch
from core.rows import row_sum

_CLASSES = -2
"""The axis of the classes in outputs (…, k, n)."""


class MultiMargin(Loss):
    """L = Σⱼ max(0, margin − yₜ + yⱼ) / k over the classes j ≠ t, for scores (…, k) and classes (…) of each example.

    The slope is 1/k for every class within the margin, and for the true class minus their sum. Of three classes with
    scores (1, 2, 0) and truth 0 the loss is (2 + 0) / 3 at margin 1, and the slope (−1/3, 1/3, 0). The mean is over
    the decisions.

    Source: Crammer and Singer 2001, "On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines";
    the form is PyTorch's, which sums over the classes where they take the worst.
    """

    kind: Literal["multi_margin"] = "multi_margin"

    margin: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """By how much the score of the true class must exceed every other."""

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        outputs, targets = generator.normal(size=(4, 3)), np.array([2, 0, 1, 2])
        sequence = generator.normal(size=(4, 2, 3)), generator.integers(0, 3, (4, 2))
        return [
            (cls(), outputs, targets),
            (cls(margin=0.3, reduction="sum"), outputs, targets),
            (cls(weight=0.5), *sequence),
        ]

    def target_type(self) -> TargetType:
        return "class"

    def target_shape(self, output: Shape) -> Shape:
        if not output or output[-1] < 2:
            raise ShapeMismatch("needs one output a class, and at least two classes")
        return output[:-1]

    def forward(self, site: LossSite) -> Sequence[Call]:
        lacks, _, find = self._lacks(site)
        wide = site.scratch("wide", lacks.shape, at_least_double(lacks.dtype))
        return [
            *find,
            larger(lacks, constant(0.0, lacks), lacks),
            *weigh_examples(lacks, site),
            *weighted_sum(lacks, self._factor(site), site.value, wide),
        ]

    def backward(self, site: LossSite) -> Sequence[Call]:
        dy = site.dy
        assert dy is not None
        lacks, truth, find = self._lacks(site)
        inside, total = site.scratch("inside", lacks.shape, np.bool_), _one_a_decision("total", site)
        return [
            *find,
            call(np.greater, lacks.real, np.asarray(0.0, lacks.real.dtype), inside),
            call(np.multiply, inside, constant(self.weight * self._factor(site), dy), dy),
            *weigh_examples(dy, site),
            row_sum(dy, dy.ndim + _CLASSES, total),
            call(np.multiply, truth, total, lacks),
            call(np.subtract, dy, lacks, dy),
        ]

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        lacks, _, find = self._lacks(site)

        def inside() -> Array:
            for one in find:
                one()
            return np.asarray(lacks.real > 0)

        return [inside]

    def _lacks(self, site: LossSite) -> tuple[Array, Array, Sequence[Call]]:
        """What each class lacks of the margin, margin − yₜ + yⱼ and exactly 0 at t; ones at t; what writes both."""
        y, axis = site.y, site.y.ndim + _CLASSES
        ones = np.eye(y.shape[axis], dtype=y.dtype)
        truth, find = _looked_up(ones, "truth", site)
        margins, find_margins = _looked_up(self.margin * (1 - ones), "margins", site)
        lacks, score = site.scratch("lacks", y.shape), _one_a_decision("score", site)
        compare: list[Call] = [
            call(np.multiply, truth, y, lacks),
            row_sum(lacks, axis, score),
            call(np.subtract, y, score, lacks),
            call(np.add, lacks, margins, lacks),
        ]
        return lacks, truth, [find, find_margins, *compare]

    def _factor(self, site: LossSite) -> float:
        return 1.0 / (size_of(site.y.shape) if self.reduction == "mean" else site.y.shape[_CLASSES])


def _looked_up(table: Array, name: str, site: LossSite) -> tuple[Array, Call]:
    """The array (…, k, n) of the columns of a table (k, k) that belong to the classes, and the call that writes it."""
    found = site.scratch(name, (len(table), *site.t.shape))
    return np.moveaxis(found, 0, _CLASSES), call(table.take, site.t, 1, found, "clip")


def _one_a_decision(name: str, site: LossSite) -> Array:
    *leading, _, rows = site.y.shape
    return site.scratch(name, (*leading, 1, rows))
