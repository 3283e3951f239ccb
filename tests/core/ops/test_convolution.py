"""Convolutions compute what their definition says, written as loops, and refuse what cannot work."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.arrays import Array, Shape
from core.op import Op, ShapeMismatch, Site
from core.ops import OPS

ROWS = 2
Index = tuple[int, ...]
Term = tuple[Index, Index, Index]
"""y[first] has the term W[second] · x[third]."""


def terms_of_convolution(op: Any, x: Shape, weights: Shape, y: Shape) -> Iterator[Term]:
    axes = len(weights) - 2
    stride, padding, dilation = (per_axis(field, axes) for field in (op.stride, op.padding, op.dilation))
    of_group = weights[0] // op.groups
    for place, tap in product(np.ndindex(*y), np.ndindex(*weights[1:])):
        cell = tuple(place[1 + a] * stride[a] - padding[a] + tap[1 + a] * dilation[a] for a in range(axes))
        if all(0 <= at < size for at, size in zip(cell, x[1:], strict=True)):
            channel = place[0] // of_group * weights[1] + tap[0]
            yield place, (place[0], *tap), (channel, *cell)


def terms_of_transposed(op: Any, x: Shape, weights: Shape, y: Shape) -> Iterator[Term]:
    axes = len(weights) - 2
    stride, padding = (per_axis(field, axes) for field in (op.stride, op.padding))
    for cell, tap in product(np.ndindex(*x), np.ndindex(*weights[1:])):
        place = tuple(cell[1 + a] * stride[a] - padding[a] + tap[1 + a] for a in range(axes))
        if all(0 <= at < size for at, size in zip(place, y[1:], strict=True)):
            yield (tap[0], *place), (cell[0], *tap), cell


def per_axis(value: int | list[int], axes: int) -> list[int]:
    return [value] * axes if isinstance(value, int) else value


def by_loops(op: Op, x: Array, params: dict[str, Array], dy: Array) -> tuple[Array, dict[str, Array]]:
    """The output, and the gradients by name."""
    weights = params["W"]
    y, dx, dweights = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(weights)
    terms = terms_of_transposed if "transpose" in op.op else terms_of_convolution
    for place, tap, cell in terms(op, x.shape[:-1], weights.shape, y.shape[:-1]):
        y[place] += weights[tap] * x[cell]
        dx[cell] += weights[tap] * dy[place]
        dweights[tap] += float(dy[place] @ x[cell])
    gradients = {"x": dx, "W": dweights}
    if "b" in params:
        y += params["b"].reshape(-1, *[1] * (y.ndim - 1))
        gradients["b"] = dy.reshape(len(dy), -1).sum(1)
    return y, gradients


def by_op(op: Op, x: Array, params: dict[str, Array], dy: Array) -> tuple[Array, dict[str, Array]]:
    """What the op leaves when it runs a second time on arrays full of other numbers."""
    y, dx = np.full_like(dy, 7.0), np.full(x.shape, 7.0)
    dparams: dict[str, Array] = {name: np.full_like(value, 7.0) for name, value in params.items()}
    site = Site(x=(x,), y=y, dy=dy, dx=(dx,), params=params, dparams=dparams)
    calls = [*op.forward(site), *op.backward(site)]
    for call in calls + calls:
        call()
    return y, {"x": dx} | dparams


def agrees_with_loops(op: Op, shape: Shape, *, turned: bool = False) -> None:
    generator = np.random.default_rng(5)
    params = {name: generator.normal(size=spec.shape) for name, spec in op.parameter_shapes([shape]).items()}
    dy = generator.normal(size=(*op.output_shape([shape]), ROWS))
    x = generator.normal(size=(*shape, ROWS))
    if turned:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1)
    (y, gradients), (expected_y, expected) = by_op(op, x, params, dy), by_loops(op, x, params, dy)
    np.testing.assert_allclose(y, expected_y, rtol=1e-12, atol=1e-12)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-12, atol=1e-12, err_msg=name)


counts = st.integers(1, 3)
flags = st.booleans()


@st.composite
def convolutions(draw: st.DrawFn, axes: int) -> tuple[Op, Shape]:
    groups, kernel = draw(counts), [draw(counts) for _ in range(axes)]
    padding, dilation = ([draw(values) for _ in range(axes)] for values in (st.integers(0, 4), counts))
    sizes = [
        draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 7)) for k, p, d in zip(kernel, padding, dilation, strict=True)
    ]
    fields: dict[str, Any] = {"kernel": kernel, "padding": padding, "dilation": dilation}
    fields["stride"] = [draw(st.integers(1, 4)) for _ in range(axes)]
    if axes == 1:
        fields = {name: value[0] for name, value in fields.items()}
    fields |= {"filters": groups * draw(counts), "groups": groups, "bias": draw(flags)}
    return OPS[f"conv{axes}d"].model_validate(fields), (groups * draw(counts), *sizes)


@st.composite
def transposed(draw: st.DrawFn, axes: int) -> tuple[Op, Shape]:
    kernel, stride = ([draw(counts) for _ in range(axes)] for _ in range(2))
    more = [draw(st.integers(0, step - 1)) for step in stride]
    sizes = [draw(counts) for _ in range(axes)]
    most = [((n - 1) * s + k + o - 1) // 2 for n, s, k, o in zip(sizes, stride, kernel, more, strict=True)]
    fields: dict[str, Any] = {"kernel": kernel, "stride": stride, "output_padding": more}
    fields["padding"] = [draw(st.integers(0, limit)) for limit in most]
    if axes == 1:
        fields = {name: value[0] for name, value in fields.items()}
    fields |= {"filters": draw(counts), "bias": draw(flags)}
    return OPS[f"conv_transpose{axes}d"].model_validate(fields), (draw(counts), *sizes)


@settings(max_examples=150, deadline=None)
@given(case=convolutions(1) | convolutions(2), turned=flags)
def test_a_convolution_is_the_sum_its_definition_says(case: tuple[Op, Shape], turned: bool) -> None:
    """With the batch first in memory as well, as inputs of a network lie."""
    agrees_with_loops(*case, turned=turned)


@settings(max_examples=150, deadline=None)
@given(case=transposed(1) | transposed(2), turned=flags)
def test_a_transposed_convolution_lays_the_kernel_down_a_stride_apart(case: tuple[Op, Shape], turned: bool) -> None:
    agrees_with_loops(*case, turned=turned)


def test_weight_gradients_that_are_added_up_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    op = OPS["conv2d"].model_validate({"filters": 2, "kernel": 2})
    monkeypatch.setattr("core.correlation.MOST_PARTS", 20)
    agrees_with_loops(op, (2, 6, 3))


def test_a_convolution_worked_by_hand() -> None:
    """The kernel is not flipped: 1·1 + 2·2 + 3·10 …"""
    op = OPS["conv1d"].model_validate({"filters": 1, "kernel": 2, "bias": False})
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    site = Site(x=(x,), y=np.zeros((1, 2, 1)), dy=None, dx=(None,), params={"W": np.array([[[1.0, 10.0]]])}, dparams={})
    for call in op.forward(site):
        call()
    np.testing.assert_array_equal(site.y.ravel(), [21.0, 32.0])


@pytest.mark.parametrize(
    ("kind", "fields", "shape", "expected"),
    [
        ("conv1d", {"filters": 5, "kernel": 3, "stride": 2, "padding": 1}, (2, 8), (5, 4)),
        ("conv2d", {"filters": 16, "kernel": 3, "padding": 1}, (1, 28, 28), (16, 28, 28)),
        ("conv2d", {"filters": 4, "kernel": [5, 1], "stride": [2, 3], "dilation": 1}, (3, 9, 9), (4, 3, 3)),
        ("conv_transpose1d", {"filters": 2, "kernel": 4, "stride": 2, "padding": 1}, (3, 5), (2, 10)),
        (
            "conv_transpose2d",
            {"filters": 2, "kernel": 3, "stride": 2, "padding": 1, "output_padding": [1, 0]},
            (3, 4, 4),
            (2, 8, 7),
        ),
    ],
)
def test_the_shape_of_the_output(kind: str, fields: dict[str, Any], shape: Shape, expected: Shape) -> None:
    assert OPS[kind].model_validate(fields).output_shape([shape]) == expected


@pytest.mark.parametrize(
    ("kind", "fields", "shape", "message"),
    [
        (
            "conv1d",
            {"filters": 2, "kernel": 5, "padding": 1},
            (1, 2),
            "covers 5 cells, and its input has 4 along its len",
        ),
        ("conv2d", {"filters": 2, "kernel": [1, 3], "dilation": 2}, (1, 4, 4), "covers 5 cells.* along its width"),
        ("conv2d", {"filters": 2, "kernel": 1}, (4,), r"shape \[channels, height, width\], and gets \[4\]: `reshape`"),
        ("conv1d", {"filters": 2, "kernel": 1}, (1, 2, 3), r"shape \[channels, length\]"),
        ("conv2d", {"filters": 4, "kernel": 1, "groups": 2}, (3, 2, 2), "cannot split 3 channels into 2 groups"),
        ("conv2d", {"filters": 3, "kernel": 1, "groups": 2}, (4, 2, 2), "cannot split 3 filters into 2 groups"),
        ("conv2d", {"kernel": 3}, (1, 4, 4), "needs `filters`"),
        ("conv1d", {"filters": 3}, (1, 4), "needs `kernel`"),
        ("conv2d", {"filters": 1, "kernel": 1000, "padding": 999}, (1, 1000, 1000), "at most 100,000,000"),
        ("conv_transpose1d", {"filters": 1, "kernel": 2, "output_padding": 1}, (1, 4), "below its stride 1, not 1"),
        ("conv_transpose2d", {"filters": 1, "kernel": 2, "stride": [3, 2], "output_padding": 2}, (1, 4, 4), "stride 2"),
        ("conv_transpose2d", {"filters": 1, "kernel": 2, "padding": 2}, (1, 2, 4), "2 cells would become -1"),
        ("conv_transpose1d", {"kernel": 3}, (1, 4), "needs `filters`"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_words(
    kind: str, fields: dict[str, Any], shape: Shape, message: str
) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        OPS[kind].model_validate(fields).output_shape([shape])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("conv1d", {"kernel": [3]}),
        ("conv2d", {"kernel": [3, 3, 3]}),
        ("conv2d", {"kernel": 0}),
        ("conv2d", {"stride": [1, 0]}),
        ("conv2d", {"padding": -1}),
        ("conv2d", {"dilation": True}),
        ("conv2d", {"groups": 0}),
        ("conv2d", {"kernel": 2.0}),
        ("conv_transpose2d", {"groups": 2}),
    ],
)
def test_what_is_no_size_is_refused(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OPS[kind].model_validate({"filters": 1} | fields)
