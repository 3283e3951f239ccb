"""The calls that cross-entropies of logits share, whatever their targets are."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Array, Call, at_least_double, call
from core.calls import constant
from core.loss import LossSite
from core.rows import MOST_SPREAD, shifted, shifted_exponentials

CLASSES = -2
"""The axis of the classes in outputs (…, k, n)."""


def log_likelihood(site: LossSite, targets: Array, *, mass: float | None) -> Sequence[Call]:
    """Calls that write −Σ q log softmax(y) into the value of the loss, for targets q like y.

    With log softmax(y) = z − log Σ exp(z), z = y − max y, that is Σᵢ mᵢ log Σ exp(zᵢ) − Σ q z, where mᵢ = Σ q of
    example i is `mass` if it is the same for all.
    """
    y, axis = site.y, site.y.ndim + CLASSES
    between, exponentials = site.scratch("between", y.shape), site.scratch("exponentials", y.shape)
    total = _total(site)
    wide = site.scratch("wide", (y.size + total.size,), at_least_double(y.dtype))
    products, logs = wide[: y.size].reshape(y.shape), wide[y.size :].reshape(total.shape)
    factors = np.full(len(wide), -1.0, wide.dtype)
    factors[y.size :] = 1.0 if mass is None else mass
    weigh: Sequence[Call] = ()
    if mass is None:
        masses = site.scratch("masses", total.shape)
        weigh = [call(np.add.reduce, targets, axis, None, masses, True), call(np.multiply, total, masses, total)]
    return [
        *shifted_exponentials(y, between, exponentials, total, axis=axis),
        call(np.log, total, total),
        *weigh,
        call(np.copyto, logs, total),
        call(np.multiply, targets, between, between),
        call(np.copyto, products, between),
        call(wide.dot, factors, site.value),
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


def _slopes_of_few(site: LossSite, dy: Array, targets: Array, mass: float) -> Sequence[Call]:
    """The same with the sum of a row spread over all of its classes by the product that takes it."""
    maximum, spread, classes = site.scratch("maximum", (1, dy.shape[1])), site.scratch("spread", dy.shape), len(dy)
    return [
        *shifted(site.y, dy, maximum, axis=0),
        call(np.exp, dy, dy),
        call(np.full((classes, classes), 1.0 / mass, dy.dtype).dot, dy, spread),
        call(np.divide, dy, spread, dy),
        call(np.subtract, dy, targets, dy),
    ]


def _total(site: LossSite) -> Array:
    *leading, _, rows = site.y.shape
    return site.scratch("total", (*leading, 1, rows))
