"""Group normalization."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call
from core.op import Op, ParameterShape, ShapeMismatch, Site
from core.per_example import ExampleGradients, Whole, by_channel
from core.standardized import standardize, standardized_slope, times_standard


class GroupNorm(Op):
    """y = gamma · (x − mean) / √(var + eps) + beta, mean and biased variance over a group of channels of one example.

    An example is (c,) or (c, …); its channels are split in order into `groups` of equal size, and the statistics are
    taken over the channels of a group and all their positions. One group is layer normalization over the whole
    example, c groups are instance normalization. gamma and beta (c,) start at 1 and 0, and penalties leave both out.

    Source: Wu & He 2018, "Group normalization", equations 1, 2 and 7.
    """

    op: Literal["group_norm"] = "group_norm"

    groups: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    """Into how many groups the channels are split."""

    eps: Annotated[float, Field(ge=1e-30, le=1)] = 1e-5
    """Added to the variance, so that equal numbers become 0."""

    reads_channels: ClassVar[bool] = True
    normalizes: ClassVar[bool] = True
    explanation: ClassVar[str] = (
        "Brings each group of channels of each example to mean 0 and variance 1, then scales and shifts every channel: "
        "y = gamma (x − mean) / √(variance + eps) + beta."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [(cls(groups=2), [(6,)]), (cls(groups=2, eps=0.1), [(4, 2, 3)]), (cls(), [(2, 3)])]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        (shape,) = inputs
        if not shape:
            raise ShapeMismatch("needs an input with at least one axis, that of the channels")
        if shape[0] % self.groups:
            fitting = [count for count in range(1, min(shape[0], 1000) + 1) if shape[0] % count == 0]
            raise ShapeMismatch(f"cannot split {shape[0]} channels into {self.groups} equal groups; {fitting} would do")
        return shape

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        channels = inputs[0][0]
        return {
            "gamma": ParameterShape((channels,), channels, channels, is_bias=True, start=1.0),
            "beta": ParameterShape((channels,), channels, channels, is_bias=True),
        }

    def forward(self, site: Site) -> Sequence[Call]:
        x, gather = self._in_groups(site)
        standard, calls = standardize(x, site, self.eps, centers=True)
        gamma, beta, y = site.params["gamma"][:, None], site.params["beta"][:, None], _by_channel(site.y)
        return [
            *gather,
            *calls,
            call(np.multiply, _by_channel(standard.reshape(site.y.shape)), gamma, y),
            call(np.add, y, beta, y),
        ]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        (dx,), dgamma, dbeta = site.dx, site.dparams["gamma"], site.dparams["beta"]
        dy = self._grouped(site.dy)
        product, multiply = times_standard(dy, site)
        calls: list[Call] = [multiply]
        ones = np.ones(site.dy.size // len(site.dy), site.dy.dtype)
        if dgamma is not None:
            calls.append(call(_by_channel(product.reshape(site.dy.shape)).dot, ones, dgamma))
        if dbeta is not None:
            calls.append(call(_by_channel(site.dy).dot, ones, dbeta))
        if dx is not None:
            gain, repeat = self._gain(site)
            calls += [repeat, call(np.multiply, _by_channel(site.dy), site.params["gamma"][:, None], _by_channel(dx))]
            calls += standardized_slope(dy, self._grouped(dx), gain, site, centers=True)
        return calls

    def example_gradients(self, site: Site) -> Mapping[str, ExampleGradients]:
        assert site.dy is not None
        product, multiply = times_standard(self._grouped(site.dy), site)
        multiply()
        gain = Whole(by_channel(product.reshape(site.dy.shape)).sum(axis=2))
        return {"gamma": gain, "beta": Whole(by_channel(site.dy).sum(axis=2))}

    def _in_groups(self, site: Site) -> tuple[Array, Sequence[Call]]:
        """x as (groups, entries, n), and the calls that write it if x lies in memory in another order."""
        (x,) = site.x
        if x.flags.c_contiguous:
            return self._grouped(x), ()
        copy = site.scratch("x", x.shape)
        return self._grouped(copy), [call(np.copyto, copy, x)]

    def _grouped(self, array: Array) -> Array:
        """The view (groups, entries, n) of a C-contiguous array (c, …, n)."""
        return array.reshape(self.groups, -1, array.shape[-1])

    def _gain(self, site: Site) -> tuple[Array, Call]:
        """gamma for every entry of a group, (groups, entries, 1), and the call that writes it."""
        gain = site.scratch("gain", (*site.y.shape[:-1], 1))
        return self._grouped(gain), call(np.copyto, _by_channel(gain), site.params["gamma"][:, None])

    def flops(self, inputs: Sequence[Shape]) -> int:
        return 8 * super().flops(inputs)


def _by_channel(array: Array) -> Array:
    """The view (c, positions · n) of a C-contiguous array (c, …, n)."""
    return array.reshape(len(array), -1)
