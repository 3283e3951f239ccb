"""Normalizations: numbers worked by hand, what they ignore, and what batch norm remembers."""

from typing import Any

import numpy as np
import pytest

from core.arrays import Array, batch_first, batch_last
from core.op import Site
from core.ops import OPS

KINDS = ("batch_norm", "layer_norm", "rms_norm", "group_norm")


def a_site(kind: str, x: Array, *, training: bool = True, **fields: Any) -> Site:
    """Where an op has computed forward and backward of examples (n, …), every entry of dy being that of x."""
    op, x = OPS[kind].model_validate(fields), np.ascontiguousarray(batch_last(x))
    shapes = [x.shape[:-1]]
    params = {
        name: np.full(spec.shape, spec.start or 0.0, x.dtype) for name, spec in op.parameter_shapes(shapes).items()
    }
    site = Site(
        x=(x,),
        y=np.zeros_like(x),
        dy=x.copy(),
        dx=(np.full_like(x, np.nan),),
        params=params,
        dparams={name: np.full_like(value, np.nan) for name, value in params.items()},
        state={name: np.full(spec.shape, spec.start, x.dtype) for name, spec in op.state_shapes(shapes).items()},
        training=training,
    )
    with np.errstate(all="raise"):
        for call in (*op.forward(site), *op.backward(site)):
            call()
    return site


def output(kind: str, x: Array, **fields: Any) -> Array:
    return batch_first(a_site(kind, x, **fields).y)


def test_layer_norm_of_one_and_three_is_minus_one_and_one() -> None:
    """Mean 2, biased variance 1."""
    np.testing.assert_allclose(output("layer_norm", np.array([[1.0, 3.0]]), eps=1e-30), [[-1.0, 1.0]])


def test_rms_norm_of_three_and_four_divides_by_the_root_of_twelve_and_a_half() -> None:
    expected = np.array([[3.0, 4.0]]) / np.sqrt(12.5)
    np.testing.assert_allclose(output("rms_norm", np.array([[3.0, 4.0]]), eps=1e-30), expected)


def test_group_norm_is_layer_norm_in_one_group_and_instance_norm_in_as_many_as_channels() -> None:
    x = np.random.default_rng(0).normal(size=(5, 4, 6))
    whole = output("layer_norm", x.reshape(5, 24)).reshape(x.shape)
    np.testing.assert_allclose(output("group_norm", x), whole, rtol=1e-12)
    each = output("layer_norm", x)
    np.testing.assert_allclose(output("group_norm", x, groups=4), each, rtol=1e-12)


def test_batch_norm_takes_the_biased_variance_and_remembers_the_unbiased_one() -> None:
    """1 and 3: mean 2, biased variance 1, unbiased variance 2; from 0 and 1 a tenth of the way is 0.2 and 1.1."""
    site = a_site("batch_norm", np.array([[1.0], [3.0]]), eps=1e-30)
    np.testing.assert_allclose(site.y, [[-1.0, 1.0]])
    np.testing.assert_allclose(site.state["running_mean"], [0.2])
    np.testing.assert_allclose(site.state["running_var"], [1.1])


def test_batch_norm_takes_all_positions_of_a_channel_together() -> None:
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 5))
    y = output("batch_norm", x, eps=1e-30)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0.0, atol=1e-15)
    np.testing.assert_allclose(y.var(axis=(0, 2, 3)), 1.0)


def test_a_batch_of_one_row_gives_beta_and_says_nothing_about_the_variance() -> None:
    site = a_site("batch_norm", np.array([[5.0, -7.0]]))
    np.testing.assert_array_equal(site.y, 0.0)
    np.testing.assert_array_equal(site.dx[0], 0.0)
    np.testing.assert_allclose(site.state["running_mean"], [0.5, -0.7])
    np.testing.assert_array_equal(site.state["running_var"], 1.0)


def test_one_row_with_positions_has_a_variance() -> None:
    y = output("batch_norm", np.array([[[1.0, 3.0]]]), eps=1e-30)
    np.testing.assert_allclose(y, [[[-1.0, 1.0]]])


@pytest.mark.parametrize("kind", KINDS)
def test_equal_numbers_are_no_division_by_zero(kind: str) -> None:
    site = a_site(kind, np.zeros((3, 4), np.float32), eps=1e-30)
    np.testing.assert_array_equal(site.y, 0.0)
    assert all(np.isfinite(gradient).all() for gradient in (site.dx[0], *site.dparams.values()) if gradient is not None)


@pytest.mark.parametrize("kind", ["batch_norm", "layer_norm", "group_norm"])
def test_a_large_common_offset_costs_only_the_digits_it_takes(kind: str) -> None:
    """The variance of x − mean, not the mean of squares less the square of the mean, of which nothing would be left."""
    x = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32).astype(np.float64)
    # Beside 4096 numbers of this size are whole multiples of 2⁻¹¹ in single precision.
    x = np.round(x * 2**11) / 2**11
    found = output(kind, (x + 4096.0).astype(np.float32))
    np.testing.assert_allclose(found, output(kind, x), atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_nan_is_passed_on(kind: str) -> None:
    x = np.ones((2, 4))
    x[0, 0] = np.nan
    op = OPS[kind].model_validate({})
    with np.errstate(all="ignore"):
        params = {name: np.ones(4) for name in op.parameter_shapes([(4,)])}
        state = {name: np.ones(4) for name in op.state_shapes([(4,)])}
        site = Site(
            (np.ascontiguousarray(x.T),), np.zeros((4, 2)), None, (None,), params, {}, state=state, training=True
        )
        for call in op.forward(site):
            call()
    assert np.isnan(site.y[0, 0])


def test_only_where_a_channel_has_one_position_does_batch_norm_need_two_examples() -> None:
    op = OPS["batch_norm"].model_validate({})
    assert [op.least_batch([shape]) for shape in ((3,), (3, 1), (3, 2))] == [2, 2, 1]
    assert OPS["layer_norm"].model_validate({}).least_batch([(3,)]) == 1
