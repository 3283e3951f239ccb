"""Pools compute what their definition says, hand the gradient to one winner, and pass a NaN on."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arrays import Array, Shape
from core.op import Op, ShapeMismatch, Site
from core.ops import OPS

ROWS = 3


def run(op: Op, x: Array, dy: Array | None = None) -> tuple[Array, Array]:
    """The output and the gradient, where dy is 1 unless it is given, after a first run on other numbers."""
    shape = (*op.output_shape([x.shape[:-1]]), x.shape[-1])
    dy = np.ones(shape, x.dtype) if dy is None else dy
    site = Site(x=(x.copy(),), y=np.zeros(shape, x.dtype), dy=dy, dx=(np.full_like(x, 7.0),), params={}, dparams={})
    calls = [*op.forward(site), *op.backward(site)]
    site.x[0][...] = -x
    for call in calls:
        call()
    site.x[0][...] = x
    for call in calls:
        call()
    (dx,) = site.dx
    assert dx is not None
    return site.y, dx


def windows(op: Any, x: Shape, y: Shape) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """Each place of y with the cells its window has, in row-major order."""
    axes = len(x) - 2
    fields = (op.kernel, op.kernel if op.stride is None else op.stride, op.padding)
    kernel, stride, padding = ([field] * axes if isinstance(field, int) else field for field in fields)
    for place in np.ndindex(*y):
        corner = [place[1 + a] * stride[a] - padding[a] for a in range(axes)]
        cells = [tuple(np.add(corner, tap)) for tap in np.ndindex(*kernel)]
        inside = [cell for cell in cells if all(0 <= at < n for at, n in zip(cell, x[1:-1], strict=True))]
        yield place, [(place[0], *cell, place[-1]) for cell in inside]


def by_loops(op: Any, x: Array, dy: Array) -> tuple[Array, Array]:
    y, dx = np.zeros_like(dy), np.zeros_like(x)
    area = np.prod([op.kernel] * (x.ndim - 2) if isinstance(op.kernel, int) else op.kernel)
    for place, cells in windows(op, x.shape, dy.shape):
        values = [x[cell] for cell in cells]
        if op.op.startswith("max"):
            winner = int(np.argmax(values))
            y[place] = values[winner]
            dx[cells[winner]] += dy[place]
            continue
        divisor = area if op.count_include_pad else len(cells)
        y[place] = sum(values) / divisor
        for cell in cells:
            dx[cell] += dy[place] / divisor
    return y, dx


@st.composite
def pools(draw: st.DrawFn) -> tuple[Op, Shape]:
    axes = draw(st.sampled_from([1, 2]))
    kernel = [draw(st.integers(1, 4)) for _ in range(axes)]
    fields: dict[str, Any] = {"kernel": kernel, "padding": [draw(st.integers(0, k // 2)) for k in kernel]}
    if draw(st.booleans()):
        fields["stride"] = [draw(st.integers(1, 4)) for _ in range(axes)]
    sizes = [draw(st.integers(k, 8)) for k in kernel]
    if axes == 1:
        fields = {name: value[0] for name, value in fields.items()}
    kind = draw(st.sampled_from(["max", "avg"]))
    if kind == "avg":
        fields["count_include_pad"] = draw(st.booleans())
    return OPS[f"{kind}_pool{axes}d"].model_validate(fields), (draw(st.integers(1, 3)), *sizes)


@settings(max_examples=200, deadline=None)
@given(case=pools(), seed=st.integers(0, 9), dtype=st.sampled_from([np.float64, np.complex128]))
def test_a_pool_is_what_its_definition_says_ties_included(case: tuple[Op, Shape], seed: int, dtype: type) -> None:
    """Of x in {0, 1, 2} most windows have several maxima; the first in row-major order gets everything."""
    op, shape = case
    generator = np.random.default_rng(seed)
    x: Array = generator.integers(0, 3, (*shape, ROWS)).astype(dtype)
    dy: Array = generator.normal(size=(*op.output_shape([shape]), ROWS)).astype(dtype)
    for ours, expected in zip(run(op, x, dy), by_loops(op, x, dy), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-13)


def test_channels_that_are_pooled_in_blocks_are_pooled_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five channels by two, so that the last block is a short one."""
    x = np.random.default_rng(0).normal(size=(5, 4, 4, ROWS))
    ops = [OPS[f"{kind}_pool2d"].model_validate({"kernel": 3, "stride": 1, "padding": 1}) for kind in ("max", "avg")]
    whole = [run(op, x) for op in ops]
    monkeypatch.setattr("core.pooling.BLOCK", 2 * x[0].size)
    np.testing.assert_array_equal([run(op, x) for op in ops], whole)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("max_pool1d", {"kernel": 2}),
        ("max_pool1d", {"kernel": 3}),
        ("max_pool1d", {"kernel": 3, "stride": 1, "padding": 1}),
        ("avg_pool1d", {"kernel": 2}),
        ("global_max_pool", {}),
        ("global_avg_pool", {}),
    ],
)
@pytest.mark.parametrize("position", range(6))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_a_nan_is_passed_on_and_its_window_has_one_winner(
    kind: str, fields: dict[str, Any], position: int, dtype: type
) -> None:
    x: Array = np.arange(6, dtype=dtype).reshape(1, 6, 1)
    x[0, position] = np.nan
    op = OPS[kind].model_validate(fields)
    y, dx = run(op, x)
    inside = np.zeros_like(x)
    inside[0, position] = 1
    touched = run(OPS[kind.replace("max", "avg")].model_validate(fields), inside)[0] != 0
    np.testing.assert_array_equal(np.isnan(y), touched)
    # Every window hands on exactly what it got.
    if "padding" not in fields or "max" in kind:
        np.testing.assert_allclose(dx.sum(), y.size, rtol=1e-6)


def test_global_pools_are_over_all_axes_after_the_channel() -> None:
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 2, 4, ROWS)).astype(np.float64)
    y, dx = run(OPS["global_max_pool"].model_validate({}), x)
    np.testing.assert_array_equal(y, x.max((1, 2, 3)))
    flat = x.reshape(2, -1, ROWS)
    first = np.arange(24).reshape(1, 24, 1) == flat.argmax(1)[:, None]
    np.testing.assert_array_equal(dx.reshape(flat.shape), first)
    y, dx = run(OPS["global_avg_pool"].model_validate({}), x)
    np.testing.assert_allclose(y, x.mean((1, 2, 3)), rtol=1e-14)
    np.testing.assert_allclose(dx, 1 / 24, rtol=1e-14)


@pytest.mark.parametrize(
    ("kind", "fields"), [("max_pool2d", {"kernel": 3, "stride": 2, "padding": 1}), ("global_max_pool", {})]
)
def test_a_kink_reads_differently_when_another_entry_wins(kind: str, fields: dict[str, Any]) -> None:
    """Entries of the same window that lose to the maximum may change places unseen."""
    op = OPS[kind].model_validate(fields)
    x = np.zeros((1, 2, 2, 1))
    site = Site(x=(x,), y=np.zeros((*op.output_shape([(1, 2, 2)]), 1)), dy=None, dx=(None,), params={}, dparams={})
    (reading,) = op.kinks(site)
    x.ravel()[:] = [1.0, 2.0, 3.0, 4.0]
    before = reading()
    x.ravel()[:] = [3.0, 1.0, 2.0, 4.0]
    np.testing.assert_array_equal(reading(), before)
    x.ravel()[:] = [1.0, 2.0, 4.0, 3.0]
    assert not np.array_equal(reading(), before)


@pytest.mark.parametrize(
    ("kind", "fields", "shape", "message"),
    [
        ("max_pool2d", {"kernel": 3, "padding": 2}, (1, 8, 8), "more than half of it"),
        ("avg_pool1d", {"kernel": 1, "padding": 1}, (1, 8), "padding of 1 for a kernel of 1"),
        ("max_pool2d", {"kernel": [2, 5]}, (1, 4, 4), "covers 5 cells, and its input has 4 along its width"),
        ("max_pool2d", {"kernel": 2}, (4, 4), r"shape \[channels, height, width\]"),
        ("max_pool1d", {"kernel": 2}, (4,), r"shape \[channels, length\]"),
        ("global_avg_pool", {}, (4,), "at least two axes"),
        ("global_max_pool", {}, (), "at least two axes"),
        ("reshape", {"shape": [2, 4]}, (7,), r"cannot make \[2, 4\] of 7 numbers, an input of shape \[7\]"),
        ("reshape", {"shape": [2, -1]}, (7,), "of 7 numbers"),
        ("reshape", {"shape": [7, 0]}, (7,), "of 7 numbers"),
        ("reshape", {"shape": [-1, -1]}, (7,), "one axis only"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_words(
    kind: str, fields: dict[str, Any], shape: Shape, message: str
) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        OPS[kind].model_validate(fields).output_shape([shape])


def test_columns_become_an_image_in_row_major_order() -> None:
    op = OPS["reshape"].model_validate({"shape": [1, 2, -1]})
    x = np.arange(12.0).reshape(6, 2)
    y, dx = run(op, x, x.reshape(1, 2, 3, 2))
    np.testing.assert_array_equal(y[..., 0], [[[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]])
    np.testing.assert_array_equal(dx, x)
