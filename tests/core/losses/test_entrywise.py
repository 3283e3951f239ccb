"""Losses entry by entry: numbers worked by hand, reductions, and fields that do not apply."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.arrays import Array, batch_first, batch_last
from core.loss import LossSite
from core.losses import LOSSES
from core.op import ShapeMismatch

OUTPUTS = np.array([[3.0, 1.0], [2.0, -1.0]])
TARGETS = np.array([[1.0, 1.0], [2.5, 1.0]])
"""The errors are 2, 0, −1/2 and −2."""


def judged(kind: str, y: Array = OUTPUTS, t: Array = TARGETS, **fields: Any) -> LossSite:
    """What the loss makes of outputs (n, …) and targets (n, …)."""
    y, t = (np.ascontiguousarray(batch_last(array)) for array in (y, t))
    site = LossSite(y, t, np.zeros_like(y), np.zeros(()))
    loss = LOSSES[kind].model_validate(fields)
    for call in (*loss.prepare(site), *loss.forward(site), *loss.backward(site)):
        call()
    return site


def gradient(site: LossSite) -> Array:
    assert site.dy is not None
    return batch_first(site.dy)


@pytest.mark.parametrize(
    ("kind", "fields", "value", "slopes"),
    [
        ("mse", {}, (4 + 0 + 0.25 + 4) / 4, [[1.0, 0.0], [-0.25, -1.0]]),
        ("mse", {"reduction": "sum"}, 8.25, [[4.0, 0.0], [-1.0, -4.0]]),
        ("mse", {"weight": 2.0}, 8.25 / 4, [[2.0, 0.0], [-0.5, -2.0]]),
        ("half_sse", {}, 4.125, [[2.0, 0.0], [-0.5, -2.0]]),
        ("mae", {}, 4.5 / 4, [[0.25, 0.0], [-0.25, -0.25]]),
        ("huber", {"reduction": "sum"}, 1.5 + 0.125 + 1.5, [[1.0, 0.0], [-0.5, -1.0]]),
        ("huber", {"reduction": "sum", "delta": 0.25}, 0.46875 + 0.09375 + 0.46875, [[0.25, 0.0], [-0.25, -0.25]]),
        ("smooth_l1", {"reduction": "sum", "beta": 0.25}, 1.875 + 0.375 + 1.875, [[1.0, 0.0], [-1.0, -1.0]]),
        (
            "log_cosh",
            {"reduction": "sum"},
            2 * math.log(math.cosh(2)) + math.log(math.cosh(0.5)),
            [[math.tanh(2), 0.0], [-math.tanh(0.5), -math.tanh(2)]],
        ),
    ],
)
def test_numbers_worked_by_hand(kind: str, fields: dict[str, Any], value: float, slopes: Any) -> None:
    """`value` is without the weight of the term, `dy` is with it."""
    site = judged(kind, **fields)
    np.testing.assert_allclose(site.value, value, rtol=1e-15)
    np.testing.assert_allclose(gradient(site), slopes, rtol=1e-15)


def test_log_cosh_of_a_small_error_is_half_its_square() -> None:
    site = judged("log_cosh", np.array([[1e-9]]), np.array([[0.0]]))
    np.testing.assert_allclose(site.value, 5e-19, rtol=1e-14)


def test_positives_count_as_often_as_their_weight_says() -> None:
    y, t = np.array([[0.3, -1.2]]), np.array([[1.0, 0.0]])
    site = judged("bce_with_logits", y, t, pos_weight=[3.0, 5.0], reduction="sum")
    value = 3.0 * math.log(1 + math.exp(-0.3)) + math.log(1 + math.exp(-1.2))
    np.testing.assert_allclose(site.value, value, rtol=1e-15)


def test_weights_of_positives_must_fit_the_outputs() -> None:
    loss = LOSSES["bce_with_logits"].model_validate({"pos_weight": [1.0, 2.0]})
    with pytest.raises(ShapeMismatch, match="2 numbers in `pos_weight`"):
        loss.target_shape((3,))


def test_a_certain_probability_of_the_wrong_class_gives_a_finite_loss() -> None:
    with np.errstate(all="raise", under="ignore"):
        site = judged("bce", np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]))
        other = judged("categorical_ce_probs", np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]))
    for judgement in (site, other):
        assert judgement.value > 30
        assert np.isfinite(gradient(judgement)).all()


def test_sums_of_single_precision_are_kept_in_double() -> None:
    y = np.full((10_001, 1), 0.1, np.float32)
    site = judged("mae", y, np.zeros_like(y), reduction="sum")
    np.testing.assert_allclose(site.value, 10_001 * float(np.float32(0.1)), rtol=1e-13)


@pytest.mark.parametrize(
    ("kind", "divisor"), [("kl_div", 2), ("categorical_ce_probs", 2), ("bce", 6), ("hinge", 6), ("squared_hinge", 6)]
)
def test_the_mean_is_over_examples_for_distributions_and_over_entries_else(kind: str, divisor: int) -> None:
    y, t = np.full((2, 3), 0.25), np.full((2, 3), 1 / 3)
    total, mean = judged(kind, y, t, reduction="sum"), judged(kind, y, t)
    np.testing.assert_allclose(total.value, divisor * mean.value, rtol=1e-15)


def test_the_divergence_of_two_coins() -> None:
    y, t = np.log(np.array([[0.5, 0.5]])), np.array([[0.25, 0.75]])
    expected = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    np.testing.assert_allclose(judged("kl_div", y, t).value, expected, rtol=1e-14)


def test_a_margin_that_is_kept_costs_nothing() -> None:
    y, t = np.array([[2.0, 0.5, -3.0]]), np.array([[1.0, 1.0, 1.0]])
    assert judged("hinge", y, t, reduction="sum").value == 0.0 + 0.5 + 4.0
    assert judged("squared_hinge", y, t, reduction="sum").value == 0.0 + 0.25 + 16.0


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("half_sse", {"reduction": "mean"}),
        ("mse", {"delta": 1.0}),
        ("huber", {"delta": 0.0}),
        ("huber", {"beta": 1.0}),
        ("mae", {"weight": -1.0}),
        ("mse", {"weight": float("inf")}),
        ("bce_with_logits", {"pos_weight": -1.0}),
        ("bce_with_logits", {"class_weight": [1.0]}),
        ("mse", {"weight": True}),
        ("mse", {"weight": "1"}),
    ],
)
def test_fields_that_do_not_apply_are_refused(kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LOSSES[kind].model_validate(fields)
