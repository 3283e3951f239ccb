"""Penalties by hand and against their derivatives."""

import math
import tracemalloc
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import ValidationError

from core.arrays import Array, Call
from core.penalties import STRETCH, Penalty

Kind = Literal["l1", "l2"]
every_kind = pytest.mark.parametrize("kind", ["l1", "l2"])


def run(calls: list[Call]) -> None:
    for one in calls:
        one()


def value(penalty: Penalty, weights: Array) -> Any:
    total = np.zeros((), np.result_type(weights.dtype, np.float64))
    run([*penalty.value(weights, total)])
    return total[()]


def gradient(penalty: Penalty, weights: Array, before: float = 0.0) -> Array:
    out = np.full_like(weights, before)
    run([*penalty.gradient(weights, out)])
    return out


def test_l2_is_half_the_sum_of_squares() -> None:
    """½ · 0.1 · (1 + 4 + 9) = 0.7, and the gradient is 0.1 · w, added to what was there."""
    weights = np.array([[1.0, -2.0], [0.0, 3.0]])
    assert value(Penalty(kind="l2", strength=0.1), weights) == pytest.approx(0.7, rel=1e-15)
    pulled = gradient(Penalty(kind="l2", strength=0.1), weights, before=1.0)
    np.testing.assert_allclose(pulled, [[1.1, 0.8], [1.0, 1.3]], rtol=1e-15)


def test_l1_is_the_sum_of_magnitudes_and_leaves_zeros_alone() -> None:
    weights = np.array([1.0, -2.0, 0.0, 3.0])
    assert value(Penalty(kind="l1", strength=0.5), weights) == 3.0
    assert gradient(Penalty(kind="l1", strength=0.5), weights).tolist() == [0.5, -0.5, 0.0, 0.5]


@every_kind
def test_the_gradient_is_the_complex_step_derivative(kind: Kind) -> None:
    penalty = Penalty(kind=kind, strength=0.3)
    weights = np.random.default_rng(0).normal(size=(3, 4))
    stepped = np.zeros_like(weights)
    for place in np.ndindex(*weights.shape):
        moved = weights.astype(np.complex128)
        moved[place] += 1e-200j
        stepped[place] = value(penalty, moved).imag / 1e-200
    np.testing.assert_allclose(gradient(penalty, weights), stepped, rtol=1e-14)


@every_kind
def test_values_of_several_tensors_add_up(kind: Kind) -> None:
    penalty, total = Penalty(kind=kind, strength=0.3), np.zeros(())
    first, second = np.array([1.0, 2.0]), np.array([-3.0])
    calls = [*penalty.value(first, total), *penalty.value(second, total)]
    run(calls)
    assert float(total) == pytest.approx(value(penalty, np.concatenate([first, second])), rel=1e-15)


@every_kind
def test_a_tensor_of_several_stretches_is_penalized_to_its_end(kind: Kind) -> None:
    weights = np.random.default_rng(1).normal(size=2 * STRETCH + 5)
    penalty = Penalty(kind=kind, strength=0.3)
    expected = 0.15 * np.sum(weights**2) if kind == "l2" else 0.3 * np.sum(np.abs(weights))
    assert value(penalty, weights) == pytest.approx(expected, rel=1e-12)
    slope = 0.3 * (weights if kind == "l2" else np.sign(weights))
    np.testing.assert_allclose(gradient(penalty, weights), slope, rtol=1e-15)


@every_kind
def test_sums_of_float32_weights_are_kept_in_float64(kind: Kind) -> None:
    weights = np.full(STRETCH, 0.1, np.float32)
    expected = {"l1": 0.1 * STRETCH, "l2": 0.5 * 0.01 * STRETCH}[kind]
    assert value(Penalty(kind=kind, strength=1.0), weights) == pytest.approx(expected, rel=2e-7)


@every_kind
def test_the_calls_see_weights_that_moved_since(kind: Kind) -> None:
    penalty, weights, total = Penalty(kind=kind, strength=2.0), np.ones(2), np.zeros(())
    calls = penalty.value(weights, total)
    weights[...] = 2.0
    run([*calls])
    assert float(total) == {"l1": 8.0, "l2": 8.0}[kind]


@every_kind
def test_the_calls_keep_no_memory(kind: Kind) -> None:
    penalty, weights, total = Penalty(kind=kind, strength=2.0), np.ones(20_000, np.float32), np.zeros(())
    calls = [*penalty.value(weights, total), *penalty.gradient(weights, np.zeros_like(weights))]
    tracemalloc.start()
    run(calls)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(100):
        run(calls)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 20_000


def test_an_empty_tensor_has_no_penalty() -> None:
    assert value(Penalty(kind="l2", strength=1.0), np.zeros((0, 3))) == 0.0


def test_a_tensor_scattered_over_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="one piece of memory"):
        Penalty(kind="l2", strength=1.0).value(np.ones((4, 4))[:, :2], np.zeros(()))


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "l3", "strength": 1.0},
        {"kind": "l2"},
        {"kind": "l2", "strength": -1.0},
        {"kind": "l2", "strength": math.nan},
        {"kind": "l2", "strength": "1"},
        {"kind": "l2", "strength": 1.0, "params": "d1.W"},
    ],
    ids=str,
)
def test_a_penalty_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Penalty.model_validate(fields)
