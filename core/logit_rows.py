"""The calls that cross-entropies of logits share, whatever their targets are."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Array, Call, at_least_double, call
from core.calls import constant, weighted_sum
from core.loss import LossSite
from core.rows import shifted_exponentials

CLASSES = -2
"""The axis of the classes in outputs (…, k, n)."""


def log_likelihood(site: LossSite, targets: Array) -> Sequence[Call]:
    """Calls that write −Σ q log softmax(y) into the value of the loss, for targets q like y.

    log softmax(y) = y − max y − log Σ exp(y − max y).
    """
    y, axis = site.y, site.y.ndim + CLASSES
    logs, exponentials = site.scratch("logs", y.shape), site.scratch("exponentials", y.shape)
    total = _total(site)
    return [
        *shifted_exponentials(y, logs, exponentials, total, axis=axis),
        call(np.log, total, total),
        call(np.subtract, logs, total, logs),
        call(np.multiply, targets, logs, logs),
        *weighted_sum(logs, -1.0, site.value, site.scratch("wide", y.shape, at_least_double(y.dtype))),
    ]


def likelihood_slopes(site: LossSite, targets: Array, *, mass: float | None, weight: float) -> Sequence[Call]:
    """Calls that write weight · (softmax(y) Σ q − q) into the gradient.

    `mass` is Σ q where it is the same for every example.
    """
    dy, total, axis = site.dy, _total(site), site.y.ndim + CLASSES
    assert dy is not None
    scale = [] if weight == 1.0 else [call(np.multiply, dy, constant(weight, dy), dy)]
    if mass is not None and site.y.ndim == 2 and len(site.y) <= MOST_SPREAD:
        return [*_slopes_of_few(site, dy, targets, mass), *scale]
    if mass is not None:
        divide = [call(np.divide, constant(mass, total), total, total)]
    else:
        masses = site.scratch("masses", total.shape)
        divide = [call(np.add.reduce, targets, axis, None, masses, True), call(np.divide, masses, total, total)]
    return [
        *shifted_exponentials(site.y, dy, dy, total, axis=axis),
        *divide,
        call(np.multiply, dy, total, dy),
        call(np.subtract, dy, targets, dy),
        *scale,
    ]


MOST_SPREAD = 64
"""Classes up to which a row is spread over all of them by a product with ones."""


def _slopes_of_few(site: LossSite, dy: Array, targets: Array, mass: float) -> Sequence[Call]:
    """The same without an operand of another shape: it costs NumPy 0.9 µs a call, spreading it by a product 0.5."""
    maximum, spread = site.scratch("maximum", (1, dy.shape[1])), site.scratch("spread", dy.shape)
    classes = len(dy)
    return [
        call(np.maximum.reduce, site.y, 0, None, maximum[0]),
        call(np.ones((classes, 1), dy.dtype).dot, maximum, spread),
        call(np.subtract, site.y, spread, dy),
        call(np.exp, dy, dy),
        call(np.full((classes, classes), 1.0 / mass, dy.dtype).dot, dy, spread),
        call(np.divide, dy, spread, dy),
        call(np.subtract, dy, targets, dy),
    ]


def _total(site: LossSite) -> Array:
    *leading, _, rows = site.y.shape
    return site.scratch("total", (*leading, 1, rows))
