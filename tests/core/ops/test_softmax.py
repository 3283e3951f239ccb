"""Softmax and its logarithm stay exact where exponentials overflow."""

import numpy as np
import pytest

from core.arrays import Array, batch_first, batch_last
from core.op import Site
from core.ops import OPS


def output(kind: str, x: Array, **fields: object) -> Array:
    """The output of examples (n, …)."""
    x = np.ascontiguousarray(batch_last(x))
    site = Site(x=(x,), y=np.zeros_like(x), dy=None, dx=(None,), params={}, dparams={})
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for call in OPS[kind].model_validate(fields).forward(site):
            call()
    return batch_first(site.y)


LOGITS = [[1000.0, 0.0, -1000.0], [-1000.0, -1001.0, -1002.0], [1e9, 1e9, 1e9], [0.0, 0.0, -10000.0]]
PROBABILITIES = [
    [1.0, 0.0, 0.0],
    [0.6652409557748219, 0.24472847105479764, 0.09003057317038046],
    [1 / 3, 1 / 3, 1 / 3],
    [0.5, 0.5, 0.0],
]


def test_extreme_logits_give_probabilities() -> None:
    np.testing.assert_allclose(output("softmax", np.array(LOGITS)), PROBABILITIES, rtol=1e-14)


def test_extreme_logits_give_logarithms_that_are_finite() -> None:
    logarithms = output("log_softmax", np.array(LOGITS))
    np.testing.assert_allclose(logarithms[0], [0.0, -1000.0, -2000.0], rtol=1e-14)
    np.testing.assert_allclose(np.exp(logarithms), PROBABILITIES, rtol=1e-13)


@pytest.mark.parametrize("size", [2, 10, 100])
@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_the_axis_may_be_any_but_the_first(kind: str, size: int) -> None:
    x = np.random.default_rng(0).normal(size=(4, size, 3)) * 30
    by_middle = output(kind, x, axis=1)
    by_last = output(kind, np.ascontiguousarray(x.swapaxes(1, 2)), axis=-1).swapaxes(1, 2)
    np.testing.assert_allclose(by_middle, by_last, rtol=1e-14, atol=1e-14)
    probabilities = np.exp(by_middle) if kind == "log_softmax" else by_middle
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-13)
