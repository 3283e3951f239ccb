"""Losses of counts, of numbers with their uncertainty, of margins and of directions: numbers worked by hand."""

import math
from typing import Any

import numpy as np
import pytest

from core.arrays import Array, batch_first, batch_last
from core.loss import LossSite
from core.losses import LOSSES
from core.op import ShapeMismatch


def judged(kind: str, y: Any, t: Any, **fields: Any) -> tuple[float, Array]:
    """Loss and gradient (n, …) of outputs (n, …) and targets (n, …)."""
    y, t = (np.ascontiguousarray(batch_last(np.asarray(array))) for array in (y, t))
    site = LossSite(y, t, np.zeros_like(y), np.zeros(()))
    loss = LOSSES[kind].model_validate(fields)
    for call in (*loss.forward(site), *loss.backward(site)):
        call()
    assert site.dy is not None
    return float(site.value), batch_first(site.dy)


@pytest.mark.parametrize(
    ("kind", "y", "t", "fields", "value", "slopes"),
    [
        ("multi_margin", [[1.0, 2.0, 0.0]], [0], {}, 2 / 3, [[-1 / 3, 1 / 3, 0]]),
        ("multi_margin", [[1.0, 2.0, 0.0]], [0], {"margin": 2.0}, (3 + 1) / 3, [[-2 / 3, 1 / 3, 1 / 3]]),
        ("multi_margin", [[5.0, 2.0, 0.0]], [0], {}, 0, [[0, 0, 0]]),
        ("multi_margin", [[1.0, 2.0], [0.0, 9.0]], [0, 1], {"reduction": "sum"}, 1.0, [[-0.5, 0.5], [0, 0]]),
        ("poisson_nll", [[0.0], [math.log(2)]], [[3.0], [0.0]], {"reduction": "sum"}, 3.0, [[-2], [2]]),
        ("poisson_nll", [[0.0], [math.log(2)]], [[3.0], [0.0]], {}, (1 + 2) / 2, [[-1], [1]]),
        ("gaussian_nll", [[1.0, math.log(4)]], [[3.0]], {}, (math.log(4) + 1) / 2, [[-0.5, 0]]),
        ("gaussian_nll", [[1.0, 2.0, 0.0, 0.0]], [[1.0, 0.0]], {}, 4 / 2 / 2, [[0, 1, 0.25, (1 - 4) / 4]]),
        ("cosine", [[3.0, 4.0]], [[1.0, 0.0]], {}, 0.4, [[-0.128, 0.096]]),
        ("cosine", [[1.0, 1.0], [0.0, 2.0]], [[5.0, 5.0], [0.0, -3.0]], {}, 1.0, [[0, 0], [0, 0]]),
    ],
)
def test_numbers_worked_by_hand(kind: str, y: Any, t: Any, fields: dict[str, Any], value: float, slopes: Any) -> None:
    found, gradient = judged(kind, y, t, **fields)
    assert found == pytest.approx(value, rel=1e-15, abs=1e-15)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-14, atol=1e-15)


def test_a_rate_beyond_all_counts_is_pulled_back_by_the_slope_at_the_bound() -> None:
    value, gradient = judged("poisson_nll", [[60.0]], [[0.0]])
    assert value == pytest.approx(11 * math.exp(50), rel=1e-15)
    assert gradient[0, 0] == pytest.approx(math.exp(50), rel=1e-15)


@pytest.mark.parametrize(("dtype", "least"), [(np.float32, -18.0), (np.float64, -100.0)])
def test_a_variance_that_is_too_small_for_the_error_grows_again(dtype: type[np.floating], least: float) -> None:
    """By the slope of a straight line, ½ (1 − e² exp(−least)), however far below."""
    for log_variance in (least - 1, least - 1e3):
        _, gradient = judged("gaussian_nll", np.array([[0, log_variance]], dtype), np.array([[0.5]], dtype))
        assert gradient[0, 1] == pytest.approx(0.5 * (1 - 0.25 * math.exp(-least)), rel=1e-5)


def test_units_of_a_target_change_the_loss_by_a_constant() -> None:
    generator = np.random.default_rng(0)
    y, t = generator.normal(size=(5, 2)), generator.normal(size=(5, 1))
    in_tens = np.stack([10 * y[:, 0], y[:, 1] + 2 * math.log(10)], axis=1)
    assert judged("gaussian_nll", in_tens, 10 * t)[0] - judged("gaussian_nll", y, t)[0] == pytest.approx(math.log(10))


def test_an_output_without_direction_is_drawn_towards_the_target() -> None:
    value, gradient = judged("cosine", [[0.0, 0.0]], [[0.0, 2.0]])
    assert value == 1.0
    np.testing.assert_allclose(gradient, [[0.0, -1e8]])


def test_an_output_that_hardly_has_a_direction_is_drawn_in_a_straight_line() -> None:
    """Its length counts as 1e-8, whichever way it points: the loss is 1 - y·t̂ / 1e-8."""
    value, gradient = judged("cosine", [[6e-9, 0.0]], [[3.0, 4.0]])
    assert value == pytest.approx(1 - 0.6 * 0.6, rel=1e-14)
    np.testing.assert_allclose(gradient, [[-0.6e8, -0.8e8]], rtol=1e-14)


def test_a_target_without_direction_asks_for_nothing() -> None:
    value, gradient = judged("cosine", [[0.3, 0.4]], [[0.0, 0.0]])
    assert value == 1.0
    assert not gradient.any()


@pytest.mark.parametrize("size", [1e-300, 1e-7, 1e200])
def test_lengths_make_no_difference_to_a_direction(size: float) -> None:
    """Whether the squares underflow or overflow; of outputs from 1e-8 on."""
    assert judged("cosine", [[3.0, 4.0]], [[size, 0.0]])[0] == pytest.approx(0.4 if size > 1e-8 else 1.0, rel=1e-14)
    if size > 1e-8:
        value, gradient = judged("cosine", [[3 * size, 4 * size]], [[1.0, 0.0]])
        assert value == pytest.approx(0.4, rel=1e-14)
        np.testing.assert_allclose(gradient * size, [[-0.128, 0.096]], rtol=1e-13)


@pytest.mark.parametrize(
    ("kind", "shape", "word"),
    [
        ("multi_margin", (1,), "two classes"),
        ("multi_margin", (), "one output a class"),
        ("gaussian_nll", (3,), "even number"),
        ("gaussian_nll", (), "even number"),
        ("cosine", (1,), "two outputs"),
        ("cosine", (), "two outputs"),
    ],
)
def test_outputs_that_a_loss_cannot_judge_are_refused(kind: str, shape: tuple[int, ...], word: str) -> None:
    with pytest.raises(ShapeMismatch, match=word):
        LOSSES[kind].model_validate({}).target_shape(shape)
