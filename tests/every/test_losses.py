"""What holds of every loss: value and gradient belong together, weights mean what they say, nothing overflows."""

import json
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike
from pydantic import TypeAdapter

from core.arrays import Array, at_least_double, batch_last
from core.loss import Loss, LossSite
from core.losses import LOSSES, AnyLoss

STEP = 1e-30
"""Of the complex step: it takes no difference, so it can be so small that its square is nothing."""

Example = tuple[Loss, Array, Array]

EXAMPLES = [
    pytest.param(example, id=f"{kind}-{index}")
    for kind, loss in LOSSES.items()
    for index, example in enumerate(loss.examples(np.random.default_rng(5)))
]
every_loss = pytest.mark.parametrize("example", EXAMPLES)
weighted = pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])


def site_of(example: Example, dtype: DTypeLike = np.float64, is_weighted: bool = False) -> LossSite:
    """Outputs and targets of the example, the batch last."""
    _, y, t = example
    y, t = np.ascontiguousarray(batch_last(y), dtype), np.ascontiguousarray(batch_last(t))
    real = y.real.dtype
    return LossSite(
        y=y,
        t=t.astype(real) if t.dtype.kind == "f" else t.copy(),
        dy=np.full_like(y, np.nan),
        value=np.zeros((), at_least_double(dtype)),
        sample_weight=np.linspace(0.5, 2.0, y.shape[-1]).astype(real) if is_weighted else None,
    )


def run(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def value_of(loss: Loss, site: LossSite) -> complex:
    run([*loss.prepare(site), *loss.forward(site)])
    return complex(site.value)


def gradient_of(loss: Loss, site: LossSite) -> Array:
    run([*loss.prepare(site), *loss.forward(site), *loss.backward(site)])
    assert site.dy is not None
    return site.dy


def derivatives(site: LossSite, measure: Callable[[], complex], *, by: complex) -> Array:
    """The change of `measure` with each entry of y: exact for an imaginary step, by differences for a real one."""
    result = np.zeros(site.y.shape)
    for index in np.ndindex(site.y.shape):
        before = site.y[index]
        site.y[index] = before + by
        ahead = measure()
        site.y[index] = before - by
        behind = measure()
        site.y[index] = before
        result[index] = ((ahead - behind) / (2 * by)).real
    return result


@every_loss
@weighted
def test_the_gradient_is_the_complex_step_derivative_times_the_weight(example: Example, is_weighted: bool) -> None:
    loss = example[0]
    in_complex = site_of(example, np.complex128, is_weighted)
    expected = loss.weight * derivatives(in_complex, lambda: value_of(loss, in_complex), by=1j * STEP)
    gradient = gradient_of(loss, site_of(example, is_weighted=is_weighted))
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-13 * np.abs(expected).max())


@every_loss
@weighted
def test_the_gradient_is_what_central_differences_approach(example: Example, is_weighted: bool) -> None:
    loss, site = example[0], site_of(example, is_weighted=is_weighted)
    expected = loss.weight * derivatives(site, lambda: value_of(loss, site), by=1e-6)
    np.testing.assert_allclose(gradient_of(loss, site), expected, rtol=1e-7, atol=1e-8)


@every_loss
@weighted
def test_slopes_need_no_value_before_them(example: Example, is_weighted: bool) -> None:
    """Training takes slopes in every step and values once an epoch."""
    loss, site = example[0], site_of(example, is_weighted=is_weighted)
    run([*loss.prepare(site), *loss.backward(site)])
    np.testing.assert_array_equal(site.dy, gradient_of(loss, site_of(example, is_weighted=is_weighted)))


@every_loss
def test_a_loss_that_adds_up_is_the_mean_of_its_batches(example: Example) -> None:
    loss, y, t = example
    if not loss.adds_up:
        pytest.skip("does not")
    whole = value_of(loss, site_of(example))
    parts = [(value_of(loss, site_of((loss, y[rows], t[rows]))), len(y[rows])) for rows in (slice(1), slice(1, None))]
    np.testing.assert_allclose(whole, sum(value * rows for value, rows in parts) / len(y), rtol=1e-14)


@every_loss
def test_the_gradient_can_itself_be_differentiated(example: Example) -> None:
    """A complex step through forward and backward gives second derivatives, to the digits central differences have."""
    loss, in_complex, site = example[0], site_of(example, np.complex128), site_of(example)
    exact = derivatives(in_complex, lambda: complex(np.sum(gradient_of(loss, in_complex) ** 2)), by=1j * STEP)
    approximate = derivatives(site, lambda: complex(np.sum(gradient_of(loss, site) ** 2)), by=1e-6)
    np.testing.assert_allclose(approximate, exact, rtol=1e-6, atol=1e-7)


@every_loss
@weighted
def test_single_precision_agrees_with_double(example: Example, is_weighted: bool) -> None:
    loss = example[0]
    single, double = site_of(example, np.float32, is_weighted), site_of(example, np.float64, is_weighted)
    short, long = gradient_of(loss, single), gradient_of(loss, double)
    assert short.dtype == np.float32
    assert single.value.dtype == np.float64
    assert np.abs(short - long).max() <= 5e-5 * np.abs(long).max()
    assert abs(single.value - double.value) <= 5e-5 * abs(double.value)


@every_loss
def test_equal_weights_of_examples_scale_the_loss(example: Example) -> None:
    loss, plain, doubled = example[0], site_of(example), site_of(example, is_weighted=True)
    assert doubled.sample_weight is not None
    doubled.sample_weight[...] = 2.0
    np.testing.assert_allclose(gradient_of(loss, doubled), 2.0 * gradient_of(loss, plain), rtol=1e-14)
    np.testing.assert_allclose(doubled.value, 2.0 * plain.value, rtol=1e-14)


@every_loss
def test_an_example_of_weight_zero_counts_for_nothing(example: Example) -> None:
    loss, site = example[0], site_of(example, is_weighted=True)
    assert site.sample_weight is not None
    calls = [*loss.prepare(site), *loss.forward(site), *loss.backward(site)]
    run(calls)
    assert site.dy is not None
    site.sample_weight[1:] = 0.0
    run(calls)
    assert np.any(site.dy[..., 0] != 0.0) or np.all(example[0].weight * site.value == 0.0)
    np.testing.assert_array_equal(site.dy[..., 1:], 0.0)


@every_loss
def test_the_sum_is_the_mean_times_one_number(example: Example) -> None:
    """Value and gradient by the same: the number of entries, of examples or the weight of their classes."""
    loss = example[0]
    if "reduction" not in loss.model_fields_set and loss.reduction == "sum":
        pytest.skip("has no mean")
    mean, total = (loss.model_copy(update={"reduction": reduction}) for reduction in ("mean", "sum"))
    mean_site, total_site = site_of(example), site_of(example)
    mean_gradient, total_gradient = gradient_of(mean, mean_site), gradient_of(total, total_site)
    divisor = total_site.value / mean_site.value
    assert divisor >= 1.0
    np.testing.assert_allclose(total_gradient, divisor * mean_gradient, rtol=1e-13)


@every_loss
def test_what_is_read_is_not_written(example: Example) -> None:
    site = site_of(example, is_weighted=True)
    assert site.sample_weight is not None
    read = [site.y, site.t, site.sample_weight]
    before = [array.copy() for array in read]
    gradient_of(example[0], site)
    for array, copy in zip(read, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_loss
def test_targets_and_weights_are_read_anew_in_each_step(example: Example) -> None:
    loss, y, t = example
    site = site_of(example, is_weighted=True)
    assert site.sample_weight is not None
    calls = [*loss.prepare(site), *loss.forward(site), *loss.backward(site)]
    run(calls)
    shuffled = (loss, y[::-1].copy(), t[::-1].copy())
    expected = site_of(shuffled, is_weighted=True)
    gradient_of(loss, expected)
    site.y[...], site.t[...] = expected.y, expected.t
    run(calls)
    np.testing.assert_array_equal(site.value, expected.value)
    np.testing.assert_array_equal(site.dy, expected.dy)


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_a_plan_again_allocates_nothing(example: Example, dtype: DTypeLike) -> None:
    """NumPy's own passing buffers hold at most 8192 entries an operand, far fewer than a batch has here."""
    loss, y, t = example
    large = (loss, np.resize(y, (20_000, *y.shape[1:])), np.resize(t, (20_000, *t.shape[1:])))
    site = site_of(large, dtype, is_weighted=True)
    calls = [*loss.prepare(site), *loss.forward(site), *loss.backward(site)]
    run(calls)
    tracemalloc.start()
    try:
        run(calls)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(10):
            run(calls)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 4096
    assert peak - before < site.y.nbytes


@every_loss
def test_a_loss_survives_json(example: Example) -> None:
    written = example[0].model_dump_json()
    adapter: TypeAdapter[Loss] = TypeAdapter(AnyLoss)
    assert adapter.validate_json(written) == example[0]


@every_loss
def test_targets_have_the_shape_the_loss_asks_for(example: Example) -> None:
    loss, y, t = example
    assert loss.target_shape(y.shape[1:]) == t.shape[1:]
    assert loss.target_type() == ("class" if t.dtype.kind == "i" else "number")


@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss_says_its_formula(kind: str) -> None:
    assert "=" in (LOSSES[kind].__doc__ or "")


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_output_however_wrong_overflows(kind: str, dtype: DTypeLike) -> None:
    """Numbers of a size that training can reach give a finite loss and gradient, without a warning."""
    for loss, y, t in LOSSES[kind].examples(np.random.default_rng(5)):
        for size in (0.0, 1.0, 50.0, 800.0, 1e4, 1e15):
            site = site_of((loss, np.sign(y) * size, t), dtype)
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                gradient = gradient_of(loss, site)
            assert np.isfinite(site.value)
            assert np.isfinite(gradient).all()


REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "pointwise.json").read_text())["losses"]


def reference_case(case: dict[str, Any]) -> tuple[Array, Array, Array]:
    if case["loss"] == "cross_entropy":
        return np.array([case["logits"]]), np.array([case["target"]]), np.array([case["grad_logits"]])
    if case["loss"] == "log_cosh":
        return np.array([[case["error"]]]), np.zeros((1, 1)), np.array([[case["grad"]]])
    return np.array([[case["logit"]]]), np.array([[case["target"]]]), np.array([[case["grad_logit"]]])


@pytest.mark.parametrize("case", REFERENCE, ids=[f"{case['loss']}-{index}" for index, case in enumerate(REFERENCE)])
def test_extreme_logits_give_the_reference_numbers(case: dict[str, Any]) -> None:
    y, t, expected = reference_case(case)
    loss = LOSSES[case["loss"]].model_validate({"reduction": "sum"})
    site = site_of((loss, y, t))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        gradient = gradient_of(loss, site)
    np.testing.assert_allclose(site.value, case["value"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradient, batch_last(expected), rtol=1e-12, atol=1e-15)
