"""Fully connected layer."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call, size_of
from core.op import Effect, Op, ParameterShape, ShapeMismatch, Site, has_bias
from core.per_example import ExampleGradients, OuterProducts, Whole, by_position


class Dense(Op):
    """y = x W + b with W (d, units); acts on the last axis of an example, which is (d,) or (…, d).

    Examples side by side are columns: y = Wᵀ x + b, dW = x dyᵀ, dx = W dy.
    """

    op: Literal["dense"] = "dense"

    units: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Width of the output; a last layer without it takes the width of the target."""

    bias: bool | None = None
    """Whether b is added; left out, it is, except where W is given without b."""

    effect: ClassVar[Effect] = "affine"
    shaping: ClassVar[tuple[str, ...]] = ("units", "bias")
    explanation: ClassVar[str] = "Each output is a weighted sum of all inputs plus a bias: y = x W + b."

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(units=2), [(3,)]), (cls(units=2, bias=False), [(3,)]), (cls(units=2), [(2, 3)])]

    def settled(self) -> Self:
        """With the width that an explicit W has, and with b unless there is a W without."""
        if self.share is not None:
            return self
        params = self.params or {}
        told: dict[str, object] = {"bias": has_bias(params)}
        if "W" in params and params["W"].ndim == 2:
            told["units"] = int(params["W"].shape[1])
        return self.model_copy(update={name: value for name, value in told.items() if getattr(self, name) is None})

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        if not shape:
            raise ShapeMismatch("needs an input with at least one axis")
        return (*shape[:-1], self._width())

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        (shape,) = inputs
        fan_in, fan_out = shape[-1], self._width()
        weights = {"W": ParameterShape((fan_in, fan_out), fan_in, fan_out)}
        return weights | (
            {"b": ParameterShape((fan_out,), fan_in, fan_out, is_bias=True)} if self.bias is not False else {}
        )

    def forward(self, site: Site) -> Sequence[Call]:
        weights, x, y = site.params["W"], site.x[0], site.y
        if x.ndim > 2:
            product = call(np.matmul, weights.T, x, y)
            return [product, call(np.add, y, site.params["b"][:, None], y)] if "b" in site.params else [product]
        joined, raised = self._joined(site, site.params)
        if joined is not None:
            return [call(joined.T.dot, raised, y)]
        product = call(weights.T.dot, x, y)
        return [product, call(np.add, y, site.params["b"][:, None], y)] if "b" in site.params else [product]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        dx, weights = site.dx[0], site.params["W"]
        calls: list[Call] = []
        if dx is not None:
            calls.append(call(np.matmul, weights, site.dy, dx) if dx.ndim > 2 else call(weights.dot, site.dy, dx))
        return [*self._gradients(site, site.dy), *calls]

    def _gradients(self, site: Site, dy: Array) -> Sequence[Call]:
        """Calls that write dW = x dyᵀ and db = Σ dy; both in one product where x has a row of ones below it."""
        joined, raised = self._joined(site, site.dparams)
        if joined is not None and raised is not None:
            return _outer(raised, dy, joined, site)
        dweights, dbias = site.dparams["W"], site.dparams.get("b")
        x, gather = _flat(site.x[0], "flat x", site)
        dy, gather_dy = _flat(dy, "flat dy", site)
        calls = [*gather, *gather_dy]
        if dweights is not None:
            calls += _outer(x, dy, dweights, site)
        if dbias is not None:
            calls.append(call(dy.dot, np.ones(dy.shape[1], dy.dtype), dbias))
        return calls

    def _joined(self, site: Site, params: Mapping[str, Array | None]) -> tuple[Array | None, Array | None]:
        """W with b as its last row (d + 1, units), and x with ones as its last (d + 1, n), where memory has both."""
        weights, bias = params.get("W"), params.get("b")
        raised = site.x_and_one[0] if site.x_and_one else None
        if raised is None or weights is None or bias is None or not _lies_behind(bias, weights):
            return None, None
        shape = (weights.shape[0] + 1, weights.shape[1])
        return np.lib.stride_tricks.as_strided(weights, shape, weights.strides), raised

    def example_gradients(self, site: Site) -> Mapping[str, ExampleGradients]:
        """dW_n = x_n dy_nᵀ, summed over positions."""
        assert site.dy is not None
        x, dy = by_position(site.x[0]), by_position(site.dy)
        found: dict[str, ExampleGradients] = {"W": OuterProducts(x[None], dy[None], site.params["W"].shape, (0, 1))}
        return found | ({"b": Whole(dy.sum(axis=1))} if "b" in site.params else {})

    def example_numbers(self, inputs: Sequence[Shape]) -> int:
        return size_of(inputs[0]) + size_of(self.output_shape(inputs))

    def flops(self, inputs: Sequence[Shape]) -> int:
        rows = 1
        for axis in inputs[0][:-1]:
            rows *= axis
        return 2 * rows * inputs[0][-1] * self._width()

    def _width(self) -> int:
        if self.units is None:
            raise ShapeMismatch("needs `units`: only a last layer in a job can take its width from the target")
        return self.units


def _lies_behind(bias: Array, weights: Array) -> bool:
    """Whether b begins where W ends, as in a flat vector."""
    start: int = weights.__array_interface__["data"][0]
    return bool(bias.__array_interface__["data"][0] == start + weights.nbytes)


LEAST_TURNED, MOST_TURNED = 8, 16_384
"""Units, and entries of dy, between which it is turned before a product: that of two rows by rows is OpenBLAS's slow
one (65 × 32 by 32 × 64: 5.4 µs, with dy turned 3.4 and the turning 1.2; 128 × 64 by 64 × 10: 4.2 against 2.7 and 0.6;
513 × 128 by 128 × 512: no difference)."""


def _outer(x: Array, dy: Array, out: Array, site: Site) -> list[Call]:
    """Calls that write x dyᵀ. One unit's product is taken the other way round: 0.4 instead of 1.2 µs (17 × 32)."""
    if len(dy) == 1:
        return [call(dy.dot, x.T, out.T)]
    if not x.flags.c_contiguous or len(dy) < LEAST_TURNED or dy.size > MOST_TURNED:
        return [call(x.dot, dy.T, out)]
    turned = site.scratch("turned dy", dy.T.shape)
    return [call(np.copyto, turned, dy.T), call(x.dot, turned, out)]


def _flat(array: Array, name: str, site: Site) -> tuple[Array, Sequence[Call]]:
    """The (d, positions · n) form of an array (…, d, n), and the calls that write it if it is not the array itself."""
    if array.ndim == 2:
        return array, ()
    features_first = np.moveaxis(array, -2, 0)
    flat = site.scratch(name, features_first.shape)
    return flat.reshape(len(flat), -1), [call(np.copyto, flat, features_first)]
