"""Convolutions and their transposes along any number of axes."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self, TypeVar

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call, size_of
from core.correlation import Correlation, correlation
from core.op import Effect, Op, ParameterShape, ShapeMismatch, Site, has_bias
from core.per_example import ExampleGradients, Whole, by_channel
from core.windows import Count, Window, as_written, channels_and_sizes, window_counts

Filters = Annotated[int, Field(ge=1, le=1_000_000_000)]
Kind = TypeVar("Kind", bound=Op)
Kernel = TypeVar("Kernel", bound=int | list[int])

MOST_WINDOWED = 100_000_000
"""Numbers that the lines of one example's windows may hold."""


class Convolution(Op):
    """y = W ⋆ x + b, cross-correlation: W (filters, channels / groups, …kernel), x (channels, …), y (filters, …)."""

    filters: Filters | None = None
    """Channels of the output; may be left out where W is given."""

    groups: Count = 1
    """Channels and filters are split in order into so many groups that do not see each other; `groups` equal to the
    channels is a depthwise convolution."""

    bias: bool | None = None
    """Whether b (filters,) is added; left out, it is, except where W is given without b."""

    effect: ClassVar[Effect] = "affine"
    axes: ClassVar[int]
    reads_channels: ClassVar[bool] = True
    shaping: ClassVar[tuple[str, ...]] = ("filters", "kernel", "bias")

    @abstractmethod
    def windows(self) -> Sequence[Window]:
        """The kernel along each axis. Raises ShapeMismatch where it is not known."""

    def settled(self) -> Self:
        """With the filters and the kernel that an explicit W has, and with b unless there is a W without."""
        return _settled(self, self.axes, filters_axis=0)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        channels, sizes = channels_and_sizes(inputs[0], self.axes)
        filters = _known_filters(self.filters)
        for count, what in ((channels, "channels"), (filters, "filters")):
            if count % self.groups:
                raise ShapeMismatch(f"cannot split {count} {what} into {self.groups} groups of the same size")
        windows = self.windows()
        counts = window_counts(windows, sizes)
        _refuse_too_many(windows, channels, counts)
        return (filters, *counts)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        filters, kernel = _known_filters(self.filters), tuple(window.kernel for window in self.windows())
        seen = inputs[0][0] // self.groups
        fans = seen * size_of(kernel), filters // self.groups * size_of(kernel)
        weights = {"W": ParameterShape((filters, seen, *kernel), *fans, unit_axis=0)}
        return weights | ({"b": ParameterShape((filters,), *fans, is_bias=True)} if self.bias is not False else {})

    def forward(self, site: Site) -> Sequence[Call]:
        at = self._correlation(site)
        windows, gather = at.gather(site.x[0])
        kernels, fill = at.kernels(site.params["W"])
        return [*gather, *fill, at.multiply(kernels, windows, site.y), *_add_bias(site)]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        at = self._correlation(site)
        calls: list[Call] = []
        if (dweights := site.dparams["W"]) is not None:
            windows, _ = at.gather(site.x[0])
            calls += at.weight_gradient(windows, site.dy, dweights)
        if (dx := site.dx[0]) is not None:
            kernels, _ = at.kernels(site.params["W"])
            calls += at.spread(kernels, site.dy, dx)
        return [*calls, *_bias_gradient(site)]

    def example_gradients(self, site: Site) -> Mapping[str, ExampleGradients]:
        """dW_n = Σ dy_n windowᵀ over the positions of the output."""
        assert site.dy is not None
        return _example_gradients(self._correlation(site), site.x[0], site.dy, site)

    def example_numbers(self, inputs: Sequence[Shape]) -> int:
        output, kernels = self.output_shape(inputs), self.parameter_shapes(inputs)["W"].shape
        return size_of(output[1:]) * self.groups * size_of(kernels[1:]) + size_of(output)

    def flops(self, inputs: Sequence[Shape]) -> int:
        weights = self.parameter_shapes(inputs)["W"].shape
        return 2 * size_of(self.output_shape(inputs)) * size_of(weights[1:])

    def _correlation(self, site: Site) -> Correlation:
        return correlation(self.windows(), self.groups, x=site.x[0].shape, y=site.y.shape, work=site.scratch)


class TransposedConvolution(Op):
    """The adjoint of a convolution, plus b: W (channels, filters, …kernel), x (channels, …), y (filters, …).

    Every entry of x, times the kernel, is added to the stride-th place of y: size (x − 1) · stride − 2 · padding +
    kernel + output_padding along each axis. As an op of its own it makes images larger.
    """

    filters: Filters | None = None
    """Channels of the output; may be left out where W is given."""

    bias: bool | None = None
    """Whether b (filters,) is added; left out, it is, except where W is given without b."""

    effect: ClassVar[Effect] = "affine"
    axes: ClassVar[int]
    reads_channels: ClassVar[bool] = True
    shaping: ClassVar[tuple[str, ...]] = ("filters", "kernel", "bias")

    @abstractmethod
    def windows(self) -> Sequence[Window]:
        """The kernel along each axis. Raises ShapeMismatch where it is not known."""

    @abstractmethod
    def more(self) -> Sequence[int]:
        """Cells added to the end of each axis of the output."""

    def settled(self) -> Self:
        """With the filters and the kernel that an explicit W has, and with b unless there is a W without."""
        return _settled(self, self.axes, filters_axis=1)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        _, sizes = channels_and_sizes(inputs[0], self.axes)
        filters, windows = _known_filters(self.filters), self.windows()
        lengths = [
            _transposed_size(window, size, more) for window, size, more in zip(windows, sizes, self.more(), strict=True)
        ]
        _refuse_too_many(windows, filters, sizes)
        return (filters, *lengths)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        filters, kernel = _known_filters(self.filters), tuple(window.kernel for window in self.windows())
        channels = inputs[0][0]
        fans = channels * size_of(kernel), filters * size_of(kernel)
        weights = {"W": ParameterShape((channels, filters, *kernel), *fans, unit_axis=1)}
        return weights | ({"b": ParameterShape((filters,), *fans, is_bias=True)} if self.bias is not False else {})

    def forward(self, site: Site) -> Sequence[Call]:
        at, (x, turn) = self._correlation(site), _contiguous(site)
        kernels, fill = at.kernels(site.params["W"])
        return [*turn, *fill, *at.spread(kernels, x, site.y), *_add_bias(site)]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        at, (x, _) = self._correlation(site), _contiguous(site)
        dx, dweights = site.dx[0], site.dparams["W"]
        calls: list[Call] = []
        if dx is not None or dweights is not None:
            windows, gather = at.gather(site.dy)
            calls += gather
            if dweights is not None:
                calls += at.weight_gradient(windows, x, dweights)
            if dx is not None:
                kernels, _ = at.kernels(site.params["W"])
                calls.append(at.multiply(kernels, windows, dx))
        return [*calls, *_bias_gradient(site)]

    def example_gradients(self, site: Site) -> Mapping[str, ExampleGradients]:
        """dW_n = Σ x_n windowᵀ over the positions of the input; the windows are those of dy."""
        assert site.dy is not None
        x, turn = _contiguous(site)
        for one in turn:
            one()
        return _example_gradients(self._correlation(site), site.dy, x, site)

    def example_numbers(self, inputs: Sequence[Shape]) -> int:
        kernels = self.parameter_shapes(inputs)["W"].shape
        return size_of(inputs[0][1:]) * size_of(kernels[1:]) + size_of(inputs[0])

    def flops(self, inputs: Sequence[Shape]) -> int:
        weights = self.parameter_shapes(inputs)["W"].shape
        return 2 * size_of(inputs[0]) * size_of(weights[1:])

    def _correlation(self, site: Site) -> Correlation:
        """The convolution whose adjoint this is: what it reads is y, and what it makes is x."""
        return correlation(self.windows(), 1, x=site.y.shape, y=site.x[0].shape, work=site.scratch)


def known(kernel: Kernel | None) -> Kernel:
    """The kernel, which an explicit W may have told. Raises ShapeMismatch."""
    if kernel is None:
        raise ShapeMismatch("needs `kernel`: it may be left out only where `params` gives W, or `share` names a node")
    return kernel


def _known_filters(filters: int | None) -> int:
    if filters is None:
        raise ShapeMismatch(
            "needs `filters`: they may be left out only where `params` gives W, or `share` names a node"
        )
    return filters


def _settled(op: Kind, axes: int, *, filters_axis: int) -> Kind:
    if op.share is not None:
        return op
    params = op.params or {}
    told: dict[str, object] = {"bias": has_bias(params)}
    if "W" in params and params["W"].ndim == axes + 2 and params["W"].size:
        shape = params["W"].shape
        told |= {"filters": int(shape[filters_axis]), "kernel": as_written(shape[2:])}
    return op.model_copy(update={name: value for name, value in told.items() if getattr(op, name) is None})


def _transposed_size(window: Window, size: int, more: int) -> int:
    if more >= window.stride:
        raise ShapeMismatch(f"needs an `output_padding` below its stride {window.stride}, not {more}")
    length = (size - 1) * window.stride - 2 * window.padding + window.kernel + more
    if length < 1:
        raise ShapeMismatch(f"takes more away by `padding` than there is: {size} cells would become {length}")
    return length


def _refuse_too_many(windows: Sequence[Window], channels: int, counts: Shape) -> None:
    """Raises ShapeMismatch for kernels so large that the lines of their windows would not fit into memory."""
    lines = size_of([window.kernel for window in windows]) * channels * size_of(counts)
    if len(windows) > 1 and windows[0].dilation == 1 and windows[0].stride < windows[0].kernel:
        lines = windows[-1].kernel * channels * counts[-1] * ((counts[0] - 1) * windows[0].stride + windows[0].kernel)
    if lines > MOST_WINDOWED:
        raise ShapeMismatch(f"would read {lines:,} numbers for each example; at most {MOST_WINDOWED:,}")


def _add_bias(site: Site) -> Sequence[Call]:
    # One pass more over y: 47 of 1,500 µs on the benchmark's convolutions. A row of ones among the windows costs that
    # much more in the product.
    if "b" not in site.params:
        return []
    return [call(np.add, site.y, site.params["b"].reshape(-1, *[1] * (site.y.ndim - 1)), site.y)]


def _bias_gradient(site: Site) -> Sequence[Call]:
    dbias = site.dparams.get("b")
    if dbias is None:
        return []
    assert site.dy is not None
    by_filter = site.dy.reshape(len(dbias), -1)
    return [call(by_filter.dot, np.ones(by_filter.shape[1], by_filter.dtype), dbias)]


def _example_gradients(at: Correlation, read: Array, dmade: Array, site: Site) -> Mapping[str, ExampleGradients]:
    """Of the weights with which windows of `read` give what has the gradient `dmade`, and of the bias."""
    assert site.dy is not None
    windows, gather = at.gather(read)
    for one in gather:
        one()
    found: dict[str, ExampleGradients] = {"W": at.example_gradients(windows, dmade)}
    return found | ({"b": Whole(by_channel(site.dy).sum(axis=2))} if "b" in site.params else {})


def _contiguous(site: Site) -> tuple[Array, Sequence[Call]]:
    """x as one piece of memory, and the calls that copy it there if it is none."""
    (x,) = site.x
    if x.flags.c_contiguous:
        return x, []
    whole = site.scratch("x", x.shape)
    return whole, [call(np.copyto, whole, x)]
