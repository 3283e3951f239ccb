"""Attention mixes values as the formula says, looks at nothing it must not see, and needs positions to know order."""

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.arrays import Array, Shape, batch_first, batch_last
from core.op import Op, ShapeMismatch, Site
from core.ops import OPS
from core.ops.attention import Attention
from core.ops.positions import Positions

Params = dict[str, Array]


def parameters(features: int) -> Params:
    generator = np.random.default_rng(5)
    return {name: generator.normal(size=(features, features)) for name in ("Wq", "Wk", "Wv", "Wo")}


def site_of(op: Op, x: Array, params: Params) -> Site:
    """A site for sequences (n, L, d)."""
    shape = (*x.shape[1:], len(x))
    gradients = {name: np.zeros_like(param) for name, param in params.items()}
    y, dy, dx = np.zeros(shape, x.dtype), np.ones(shape, x.dtype), np.zeros(shape, x.dtype)
    return Site(x=(batch_last(x),), y=y, dy=dy, dx=(dx,), params=params, dparams=gradients)


def output(op: Op, x: Array, params: Params) -> Array:
    """The output (n, L, d) for sequences (n, L, d)."""
    site = site_of(op, x, params)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for call in op.forward(site):
            call()
    return batch_first(site.y)


def sequences(examples: int, steps: int, features: int) -> Array:
    return np.random.default_rng(2).normal(size=(examples, steps, features))


def attended(x: Array, params: Params, heads: int, *, causal: bool) -> Array:
    """One sequence (L, d), by the formula, query by query."""
    steps, features = x.shape
    q, k, v = (np.split(x @ params[name], heads, axis=1) for name in ("Wq", "Wk", "Wv"))
    rows = []
    for t in range(steps):
        seen = t + 1 if causal else steps
        parts = []
        for head in range(heads):
            fits = np.exp([q[head][t] @ k[head][s] / math.sqrt(features // heads) for s in range(seen)])
            parts.append(sum(fit / fits.sum() * v[head][s] for s, fit in enumerate(fits)))
        rows.append(np.concatenate(parts) @ params["Wo"])
    return np.array(rows)


@given(
    steps=st.integers(1, 6),
    heads=st.integers(1, 3),
    width=st.integers(1, 3),
    examples=st.integers(1, 3),
    causal=st.booleans(),
)
def test_each_step_takes_the_mean_of_the_formula(
    steps: int, heads: int, width: int, examples: int, *, causal: bool
) -> None:
    params, x = parameters(heads * width), sequences(examples, steps, heads * width)
    expected = np.array([attended(one, params, heads, causal=causal) for one in x])
    ours = output(Attention(heads=heads, causal=causal), x, params)
    np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("size", [1.0, 1e3])
def test_a_causal_step_sees_nothing_of_later_ones(heads: int, size: float) -> None:
    """Not a bit of it, however well a later key would fit."""
    op, params, x = Attention(heads=heads, causal=True), parameters(4), sequences(3, 6, 4)
    changed = x.copy()
    changed[:, 3:] += size * np.random.default_rng(3).normal(size=(3, 3, 4))
    before, after = output(op, x, params), output(op, changed, params)
    np.testing.assert_array_equal(after[:, :3], before[:, :3])
    assert (after[:, 3:] != before[:, 3:]).any(axis=(0, 2)).all()


def test_no_gradient_goes_from_a_causal_step_to_later_ones() -> None:
    op = Attention(heads=2, causal=True)
    site = site_of(op, sequences(3, 6, 4), parameters(4))
    assert site.dy is not None
    site.dy[3:] = 0.0
    for call in (*op.forward(site), *op.backward(site)):
        call()
    (dx,) = site.dx
    assert dx is not None
    np.testing.assert_array_equal(dx[3:], 0.0)
    assert (dx[:3] != 0).all()


@pytest.mark.parametrize("causal", [False, True])
def test_of_steps_that_are_all_alike_each_takes_their_value(causal: bool) -> None:
    params = parameters(6)
    x = np.repeat(sequences(4, 1, 6), 5, axis=1)
    expected = x @ params["Wv"] @ params["Wo"]
    np.testing.assert_allclose(output(Attention(heads=3, causal=causal), x, params), expected, rtol=1e-12)


def test_a_fit_far_above_the_others_takes_all() -> None:
    """q kᵀ is up to 1e8 here, whose exponential would overflow."""
    params = {name: np.eye(2) for name in ("Wq", "Wk", "Wv", "Wo")}
    x = np.array([[[1e4, 0.0], [0.0, 1e4]]])
    np.testing.assert_array_equal(output(Attention(), x, params), x)
    np.testing.assert_array_equal(output(Attention(causal=True), x, params), x)
    # The first step sees only itself, although its fit to itself is the lowest: −1e8 against 0.
    params["Wq"] = -np.eye(2)
    np.testing.assert_array_equal(output(Attention(causal=True), x, params)[0], [[1e4, 0.0], [1e4, 0.0]])


def test_without_positions_the_order_of_steps_is_nothing() -> None:
    params, x = parameters(4), sequences(2, 5, 4)
    order = np.array([3, 0, 4, 1, 2])
    op = Attention(heads=2)
    np.testing.assert_allclose(output(op, x[:, order], params), output(op, x, params)[:, order], rtol=1e-12)
    placed, moved = (output(op, output(Positions(), one, {}), params) for one in (x, np.ascontiguousarray(x[:, order])))
    assert np.abs(moved - placed[:, order]).max() > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_sequences_allocate_nothing(dtype: type[np.floating]) -> None:
    op = Attention(heads=2, causal=True)
    params = {name: value.astype(dtype) for name, value in parameters(8).items()}
    site = site_of(op, sequences(32, 200, 8).astype(dtype), params)
    calls = [*op.forward(site), *op.backward(site)]
    for call in calls:
        call()
    tracemalloc.start()
    try:
        for call in calls:
            call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # NumPy's own passing buffers hold at most 8192 entries an operand; y has 51,200.
    assert peak < site.y.nbytes / 2


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({"heads": 3}, (5, 4), r"cannot cut 4 features into 3 heads: \[1, 2, 4\] would fit"),
        ({"heads": 8}, (5, 4), r"cannot cut 4 features into 8 heads"),
        ({}, (5,), r"needs a sequence, of shape \[steps, features\], and gets \[5\]"),
        ({}, (3, 8, 8), "needs a sequence"),
        ({"heads": 2}, (10_000, 4), "compares 10,000 steps with one another in 2 heads"),
    ],
)
def test_what_cannot_attend_is_refused_in_words(fields: dict[str, Any], shape: Shape, message: str) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        Attention.model_validate(fields).output_shape([shape])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("attention", {"heads": 0}),
        ("attention", {"heads": 2.0}),
        ("attention", {"causal": "yes"}),
        ("attention", {"units": 4}),
        ("positions", {"encoding": "rotary"}),
    ],
)
def test_hyper_parameters_that_make_no_sense_are_refused(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OPS[kind].model_validate(fields)


@pytest.mark.parametrize("features", [1, 4, 5])
def test_positions_are_waves_each_pair_slower_than_the_one_before(features: int) -> None:
    added = output(Positions(), np.zeros((2, 7, features)), {})
    for t in range(7):
        for place in range(features):
            angle = t / 10_000 ** (2 * (place // 2) / features)
            expected = math.cos(angle) if place % 2 else math.sin(angle)
            np.testing.assert_allclose(added[:, t, place], expected, rtol=1e-14, atol=1e-15)


def test_learned_positions_are_the_table() -> None:
    table, x = sequences(1, 5, 3)[0], sequences(2, 5, 3)
    np.testing.assert_array_equal(output(Positions(encoding="learned"), x, {"table": table}), x + table)
