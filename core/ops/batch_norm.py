"""Batch normalization."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call, size_of
from core.calls import constant
from core.op import Effect, Op, ParameterShape, ShapeMismatch, Site, StateShape
from core.per_example import ExampleGradients, Whole, by_channel
from core.standardized import reciprocal_root


class BatchNorm(Op):
    """y = gamma · (x − m) / √(v + eps) + beta, with one mean m and variance v for each channel.

    An example is (c,) or (c, …). In training m and the biased v are those of the batch, taken over the k entries that
    a channel has in it (examples times positions), and the running statistics move towards them:
    running = (1 − momentum) · running + momentum · batch, there with the unbiased variance v k / (k − 1). In evaluation
    m and v are the running ones, so that no example depends on another. gamma and beta (c,) start at 1 and 0, and
    penalties leave both out.

    With k = 1, as in a last batch of one row, x − m is 0, y = beta and dx = 0; such a batch says nothing about the
    variance, and `running_var` stays.

    With x̂ = (x − m) / √(v + eps), in training dx = gamma / √(v + eps) · (dy − mean dy − x̂ · mean(dy x̂)).

    Source: Ioffe & Szegedy 2015, "Batch normalization", algorithms 1 and 2.
    """

    op: Literal["batch_norm"] = "batch_norm"

    momentum: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the batch in what the running statistics become."""

    eps: Annotated[float, Field(ge=1e-30, le=1)] = 1e-5
    """Added to the variance, so that equal numbers become 0."""

    effect: ClassVar[Effect] = "affine"
    compares_examples: ClassVar[bool] = True
    reads_channels: ClassVar[bool] = True
    normalizes: ClassVar[bool] = True
    explanation: ClassVar[str] = (
        "Brings each channel to mean 0 and variance 1 over the batch (in evaluation by running statistics), then "
        "scales and shifts it: y = gamma (x − mean) / √(variance + eps) + beta."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(), [(3,)]), (cls(momentum=0.5, eps=0.1), [(2, 3)]), (cls(), [(2, 1, 3)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        if not shape:
            raise ShapeMismatch("needs an input with at least one axis, that of the channels")
        return shape

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        channels = inputs[0][0]
        return {
            "gamma": ParameterShape((channels,), channels, channels, is_bias=True, start=1.0),
            "beta": ParameterShape((channels,), channels, channels, is_bias=True),
        }

    def state_shapes(self, inputs: Sequence[Shape]) -> dict[str, StateShape]:
        channels = inputs[0][:1]
        return {"running_mean": StateShape(channels, 0.0), "running_var": StateShape(channels, 1.0, least=0.0)}

    def least_batch(self, inputs: Sequence[Shape]) -> int:
        """Two examples where a channel has one position: of a single one every output would be beta."""
        return 2 if size_of(inputs[0][1:]) == 1 else 1

    def forward(self, site: Site) -> Sequence[Call]:
        x, gather = _flat(site)
        centered, spread = site.scratch("centered", x.shape), _of_channels("spread", site)
        factor, y = _of_channels("factor", site), site.y.reshape(x.shape)
        statistics = self._of_batch(x, site) if site.training else _running(x, site)
        return [
            *gather,
            *statistics,
            *reciprocal_root(spread, self.eps),
            call(np.multiply, spread, site.params["gamma"][:, None], factor),
            call(np.multiply, centered, factor, y),
            call(np.add, y, site.params["beta"][:, None], y),
        ]

    def _of_batch(self, x: Array, site: Site) -> Sequence[Call]:
        """Calls that write x − m and v of the batch, and move the running statistics."""
        count = x.shape[1]
        centered, variance, mean = site.scratch("centered", x.shape), _of_channels("spread", site), _mean(site)
        share = np.full(count, 1.0 / count, x.dtype)
        calls: list[Call] = [
            call(x.dot, share, mean[:, 0]),
            call(np.subtract, x, mean, centered),
            *_row_products(centered, centered, variance),
            call(np.multiply, variance, constant(1.0 / count, variance), variance),
            *self._move("running_mean", mean, 1.0, site),
        ]
        return [*calls, *self._move("running_var", variance, count / (count - 1), site)] if count > 1 else calls

    def _move(self, name: str, seen: Array, factor: float, site: Site) -> Sequence[Call]:
        """Calls that take a running statistic its share of the way to factor · `seen`."""
        running, part = site.state[name], _of_channels("part", site)[:, 0]
        return [
            call(np.multiply, running, constant(1.0 - self.momentum, running), running),
            call(np.multiply, seen[:, 0], constant(self.momentum * factor, running), part),
            call(np.add, running, part, running),
        ]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        dx, dgamma, dbeta = site.dx[0], site.dparams["gamma"], site.dparams["beta"]
        dy = site.dy.reshape(len(site.dy), -1)
        centered, spread = site.scratch("centered", dy.shape), _of_channels("spread", site)
        total, product = _of_channels("total", site), _of_channels("product", site)
        calls: list[Call] = [
            call(dy.dot, np.ones(dy.shape[1], dy.dtype), total[:, 0]),
            *_row_products(dy, centered, product),
            call(np.multiply, product, spread, product),
        ]
        if dgamma is not None:
            calls.append(call(np.copyto, dgamma, product[:, 0]))
        if dbeta is not None:
            calls.append(call(np.copyto, dbeta, total[:, 0]))
        if dx is not None:
            calls += _slope(dy, dx.reshape(dy.shape), site)
        return calls

    def example_gradients(self, site: Site) -> Mapping[str, ExampleGradients]:
        """In evaluation, where the statistics do not move with the examples."""
        assert site.dy is not None
        dy = site.dy.reshape(len(site.dy), -1)
        product = dy * site.scratch("centered", dy.shape) * _of_channels("spread", site)
        gain = Whole(by_channel(product.reshape(site.dy.shape)).sum(axis=2))
        return {"gamma": gain, "beta": Whole(by_channel(site.dy).sum(axis=2))}

    def flops(self, inputs: Sequence[Shape]) -> int:
        return 7 * super().flops(inputs)


def _slope(dy: Array, dx: Array, site: Site) -> Sequence[Call]:
    """Calls that write dx, given Σ dy in "total" and Σ dy x̂ in "product"; in evaluation m and v do not move with x."""
    factor = _of_channels("factor", site)
    if not site.training:
        return [call(np.multiply, dy, factor, dx)]
    total, product, spread = (_of_channels(name, site) for name in ("total", "product", "spread"))
    share, work = constant(1.0 / dy.shape[1], dy), site.scratch("work", dy.shape)
    return [
        call(np.multiply, total, share, total),
        call(np.multiply, product, share, product),
        call(np.multiply, product, spread, product),
        call(np.multiply, site.scratch("centered", dy.shape), product, work),
        call(np.subtract, dy, work, dx),
        call(np.subtract, dx, total, dx),
        call(np.multiply, dx, factor, dx),
    ]


def _running(x: Array, site: Site) -> Sequence[Call]:
    """Calls that write x − running mean, and the running variance as v."""
    mean, variance = site.state["running_mean"], site.state["running_var"]
    return [
        call(np.subtract, x, mean[:, None], site.scratch("centered", x.shape)),
        call(np.copyto, _of_channels("spread", site), variance[:, None]),
    ]


def _row_products(a: Array, b: Array, out: Array) -> Sequence[Call]:
    """Calls that write Σ a b over each row into `out` (c, 1), in one pass over memory.

    29 µs at 32 × 12,544 in float32, where a product of arrays and a sum take 64. `vecdot` would conjugate.
    """
    return [call(np.matmul, a[:, None, :], b[:, :, None], out[:, :, None])]


def _flat(site: Site) -> tuple[Array, Sequence[Call]]:
    """x as (c, positions · n), and the calls that write it if x lies in memory in another order."""
    (x,) = site.x
    if x.ndim == 2 or x.flags.c_contiguous:
        return x.reshape(len(x), -1), ()
    copy = site.scratch("x", x.shape)
    return copy.reshape(len(copy), -1), [call(np.copyto, copy, x)]


def _mean(site: Site) -> Array:
    return _of_channels("mean", site)


def _of_channels(name: str, site: Site) -> Array:
    """A work array (c, 1)."""
    return site.scratch(name, (len(site.y), 1))
