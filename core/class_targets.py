"""Losses whose target is a class: its index becomes a row of a table of target distributions."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, at_least_double, call
from core.calls import constant
from core.errors import Invalid, Problem
from core.loss import Loss, LossSite, TargetType, weight_column
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

    def target_type(self) -> TargetType:
        return "class"

    def target_shape(self, output: Shape) -> Shape:
        if not output or output[-1] < 2:
            raise ShapeMismatch("needs one output a class, and at least two classes")
        if isinstance(self.class_weight, list) and len(self.class_weight) != output[-1]:
            raise ShapeMismatch(f"has {len(self.class_weight)} numbers in `class_weight` for {output[-1]} classes")
        return output[:-1]


def class_rows(array: Array) -> Array:
    """The view (examples, classes) of an array (n, …, classes). Raises ValueError if it would have to be a copy."""
    return array.reshape((-1, array.shape[-1]), copy=False)


def target_distributions(loss: ClassTargets, site: LossSite, smoothing: float) -> tuple[Array, Sequence[Call]]:
    """The array (examples, classes) of q, divided and weighted as the loss says, and the calls that write it.

    Raises Invalid for class weights that no data set has been asked for yet.
    """
    classes = site.y.shape[-1]
    weights = _class_weights(loss, classes)
    targets = site.scratch("targets", (site.t.size, classes))
    rows, find = _table_rows(loss, site, classes)
    divide: Sequence[Call] = ()
    divisor = 1.0
    if loss.reduction == "mean":
        if (weights[:-1] == 1.0).all() and loss.ignore_index is None:
            divisor = float(site.t.size)
        else:
            divide = _divide_by_weights(targets, weights, rows, site)
    table = (_smoothed(weights, smoothing) / divisor).astype(targets.dtype)
    weigh = [] if site.sample_weight is None else [_weigh(targets, site)]
    return targets, [*find, call(table.take, rows, 0, targets, "clip"), *divide, *weigh]


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


def _table_rows(loss: ClassTargets, site: LossSite, classes: int) -> tuple[Array, Sequence[Call]]:
    indices = site.t.reshape(-1, copy=False)
    if loss.ignore_index is None:
        return indices, ()
    rows, ignored = site.scratch("rows", indices.shape, np.intp), site.scratch("ignored", indices.shape, np.bool_)
    return rows, [
        call(np.copyto, rows, indices),
        call(np.equal, indices, np.asarray(loss.ignore_index), ignored),
        call(np.copyto, rows, np.asarray(classes), where=ignored),
    ]


def _divide_by_weights(targets: Array, weights: Array, rows: Array, site: LossSite) -> Sequence[Call]:
    wide = at_least_double(targets.dtype)
    counted, total = site.scratch("counted", rows.shape, wide), site.scratch("total weight", (), wide)
    factor = site.scratch("factor", ())
    return [
        call(weights.astype(wide).take, rows, None, counted, "clip"),
        call(np.add.reduce, counted, None, None, total),
        # A batch of which nothing counts has the loss 0 and not 0/0.
        call(np.maximum, total, np.finfo(wide).tiny, out=total),
        call(np.reciprocal, total, total),
        call(np.copyto, factor, total),
        call(np.multiply, targets, factor, targets),
    ]


def _weigh(targets: Array, site: LossSite) -> Call:
    weighted = targets.reshape((*site.y.shape[:-1], -1), copy=False)
    return call(np.multiply, weighted, weight_column(site, site.y.ndim), weighted)


def scaled(array: Array, factor: float) -> Sequence[Call]:
    """The call that multiplies `array` by a fixed factor; none for 1."""
    return [] if factor == 1.0 else [call(np.multiply, array, constant(factor, array), array)]
