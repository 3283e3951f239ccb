"""Losses whose target is a class: its index becomes a row of a table of target distributions."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, at_least_double, call
from core.errors import Invalid, Problem
from core.loss import Loss, LossSite, TargetType
from core.op import ShapeMismatch

ClassWeight = Annotated[float, Field(ge=0)]


class ClassTargets(Loss):
    """L = −Σᵢ Σₖ qᵢₖ log pᵢₖ, with qᵢ the row of a table that belongs to the class of example i.

    Smoothing, class weights and ignored classes all are in the table, so they cost nothing in a step. The mean
    divides by the sum of the class weights of the examples that count; a weight of an example does not change that.
    """

    class_weight: list[ClassWeight] | Literal["balanced"] | None = None
    """One factor a class; "balanced" takes n / (k · count) of the training split, so rare classes count as much."""

    ignore_index: int | None = None
    """Examples of this class (which need not be one) count for nothing."""

    @property
    def adds_up(self) -> bool:
        """The mean divides by the number of examples only where all of them count alike."""
        return self.reduction == "mean" and self.class_weight is None and self.ignore_index is None

    @abstractmethod
    def log_probabilities(self, outputs: Array) -> Array:
        """What the loss takes outputs (…, k, n) for, as log p of the same shape."""

    def own_values(self, site: LossSite) -> Array:
        """−Σ q log p of each example, times n for a mean: q has been divided by what counts in the whole batch."""
        q = target_distributions(self, site).q
        entries = q * self.log_probabilities(site.y)
        times = site.y.shape[-1] if self.reduction == "mean" else 1
        return np.asarray(-times * entries.reshape(-1, entries.shape[-1]).sum(axis=0))

    def target_type(self) -> TargetType:
        return "class"

    def target_shape(self, output: Shape) -> Shape:
        if not output or output[-1] < 2:
            raise ShapeMismatch("needs one output a class, and at least two classes")
        if isinstance(self.class_weight, list) and len(self.class_weight) != output[-1]:
            raise ShapeMismatch(f"has {len(self.class_weight)} numbers in `class_weight` for {output[-1]} classes")
        return output[:-1]


@dataclass(frozen=True)
class Distributions:
    """The target distributions q (…, k, n) of a batch, divided and weighted as the loss says."""

    q: Array
    """A view of memory in which the classes come first."""

    prepare: Sequence[Call]
    mass: float | None
    """Σ q of every example, where it is the same for all."""


def target_distributions(loss: ClassTargets, site: LossSite, *, smoothing: float = 0.0) -> Distributions:
    """The array (…, k, n) of q and the calls that write it.

    Raises Invalid for class weights that no data set has been asked for yet.
    """
    classes = site.y.shape[-2]
    weights = _class_weights(loss, classes)
    targets = site.scratch("targets", (classes, *site.t.shape))
    indices, find = _table_columns(loss, site, classes)
    divide: Sequence[Call] = ()
    divisor = 1.0
    if loss.reduction == "mean":
        if loss.adds_up:
            divisor = float(site.t.size)
        else:
            divide = _divide_by_weights(targets, weights, indices, site)
    table = np.ascontiguousarray((_smoothed(weights, smoothing) / divisor).T, targets.dtype)
    weigh = [] if site.sample_weight is None else [call(np.multiply, targets, site.sample_weight, targets)]
    prepare: list[Call] = [*find, call(table.take, indices, 1, targets, "clip"), *divide, *weigh]
    even = (weights[:-1] == 1.0).all() and loss.ignore_index is None and site.sample_weight is None
    return Distributions(np.moveaxis(targets, 0, -2), prepare, 1.0 / divisor if even else None)


def _class_weights(loss: ClassTargets, classes: int) -> Array:
    """The weight of each class, and 0 for what is ignored, which comes last."""
    weights = np.ones(classes + 1)
    weights[-1] = 0.0
    if isinstance(loss.class_weight, str):
        detail = '"balanced" needs the training split to count the classes of; give a list of numbers here'
        raise Invalid([Problem("/class_weight", detail, got=loss.class_weight)])
    if loss.class_weight is not None:
        weights[:-1] = loss.class_weight
    return weights


def _smoothed(weights: Array, smoothing: float) -> Array:
    """(1 − s) wₜ at the class itself and s wₖ / K everywhere; zeros for what is ignored."""
    *counted, _ = weights
    table = np.zeros((len(weights), len(counted)))
    table[:-1] = (1.0 - smoothing) * np.diag(counted) + smoothing * np.asarray(counted) / len(counted)
    return table


def _table_columns(loss: ClassTargets, site: LossSite, classes: int) -> tuple[Array, Sequence[Call]]:
    if loss.ignore_index is None:
        return site.t, ()
    columns = site.scratch("columns", site.t.shape, np.intp)
    ignored = site.scratch("ignored", site.t.shape, np.bool_)
    return columns, [
        call(np.copyto, columns, site.t),
        call(np.equal, site.t, np.asarray(loss.ignore_index), ignored),
        call(np.copyto, columns, np.asarray(classes), where=ignored),
    ]


def _divide_by_weights(targets: Array, weights: Array, indices: Array, site: LossSite) -> Sequence[Call]:
    wide = at_least_double(targets.dtype)
    counted, total = site.scratch("counted", indices.shape, wide), site.scratch("total weight", (), wide)
    factor = site.scratch("factor", ())
    return [
        call(weights.astype(wide).take, indices, None, counted, "clip"),
        call(np.add.reduce, counted, None, None, total),
        # A batch of which nothing counts has the loss 0 and not 0/0.
        call(np.maximum, total, np.finfo(wide).tiny, out=total),
        call(np.reciprocal, total, total),
        call(np.copyto, factor, total),
        call(np.multiply, targets, factor, targets),
    ]
