"""Pools: the largest or the mean entry of every window of a channel.

A window of several axes is pooled one axis after the other, which takes kh + kw entries where it has kh · kw: the
last axis first, so that of equal entries the first in row-major order is the one that is found.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from core.arrays import Array, Call, Shape, call, size_of
from core.calls import constant, larger
from core.op import Effect, Op, ShapeMismatch, Site
from core.windows import Tap, Window, channels_and_sizes, window_counts

BLOCK = 1 << 18
"""Entries of x that are pooled at a time."""


class Pool(Op):
    """Every channel of x (c, …) becomes one entry for each window, so y (c, …) is smaller."""

    axes: ClassVar[int]
    reads_channels: ClassVar[bool] = True

    @abstractmethod
    def windows(self) -> Sequence[Window]:
        """The kernel along each axis."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        channels, sizes = channels_and_sizes(inputs[0], self.axes)
        windows = self.windows()
        for window in windows:
            if 2 * window.padding > window.kernel:
                raise ShapeMismatch(
                    f"has a padding of {window.padding} for a kernel of {window.kernel}: more than half of it would "
                    "leave windows with nothing but padding"
                )
        return (channels, *window_counts(windows, sizes))

    def flops(self, inputs: Sequence[Shape]) -> int:
        return size_of(self.output_shape(inputs)) * size_of([window.kernel for window in self.windows()])


class MaxPool(Pool):
    """y = max of each window; the padding is no entry. The gradient goes to the maximum, of equal ones to the first."""

    def forward(self, site: Site) -> Sequence[Call]:
        blocks = _blocks(site, self.windows(), of_maxima=True)
        return [one for stages in blocks for stage in stages for one in stage.maxima()]

    def backward(self, site: Site) -> Sequence[Call]:
        if site.dx[0] is None:
            return []
        blocks = _blocks(site, self.windows(), of_maxima=True)
        return [one for stages in blocks for stage in reversed(stages) for one in stage.maxima_gradient()]

    def kinks(self, site: Site) -> Sequence[Callable[[], Array]]:
        return [partial(_winners, site.x[0], self.windows())]


class AveragePool(Pool):
    """y = mean of each window."""

    effect: ClassVar[Effect] = "affine"

    @abstractmethod
    def counts_padding(self) -> bool:
        """Whether the mean is over the kernel's area even where part of it is padding."""

    def forward(self, site: Site) -> Sequence[Call]:
        weight = self._weight(site)
        calls: list[Call] = []
        for stages in _blocks(site, self.windows()):
            calls += [one for stage in stages for one in stage.sums()]
            calls.append(call(np.multiply, stages[-1].y, weight, stages[-1].y))
        return calls

    def backward(self, site: Site) -> Sequence[Call]:
        if site.dx[0] is None:
            return []
        weight = self._weight(site)
        calls: list[Call] = []
        for stages in _blocks(site, self.windows()):
            last = stages[-1]
            shares = last.work("shares", last.y.shape, None)
            calls.append(call(np.multiply, last.dy, weight, shares))
            last.dy = shares
            calls += [one for stage in reversed(stages) for one in stage.sums_gradient()]
        return calls

    def _weight(self, site: Site) -> Array:
        """1 / the number of entries of each window, shaped to multiply y."""
        windows = self.windows()
        if self.counts_padding() or not any(window.padding for window in windows):
            return constant(1.0 / size_of([window.kernel for window in windows]), site.y)
        weight = np.ones((*site.y.shape[1:-1], 1), site.y.dtype)
        for axis, window in enumerate(windows):
            along = np.zeros(site.y.shape[1 + axis])
            for _, tap in window.taps(site.x[0].shape[1 + axis], len(along)):
                along[tap.outputs] += 1.0
            weight /= along.reshape(-1, *[1] * (weight.ndim - 1 - axis)).astype(site.y.dtype)
        return weight


@dataclass
class _Stage:
    """One axis of a pool for some channels: y has a window where x has cells; dy is read and dx written."""

    axis: int
    window: Window
    x: Array
    y: Array
    dy: Array | None
    dx: Array | None
    work: Callable[..., Array]
    """`work(name, shape, dtype)`, a scratch array that begins with these channels and lasts for this block only."""

    below: Array | None
    """For the maxima (channels, taps, … as y): whether the tap's cell is below the maximum; forward leaves it."""

    def maxima(self) -> Sequence[Call]:
        """Calls that write the largest entry of every window; a NaN is larger than all."""
        assert self.below is not None
        calls = list(self._reduced(larger, -np.inf))
        for index, tap in enumerate(self._needed()):
            some = self._outputs(tap)
            calls.append(call(np.less, self._cells(self.x.real, tap), self.y.real[some], self.below[:, index][some]))
        return calls

    def sums(self) -> Sequence[Call]:
        """Calls that write the sum of every window."""
        return self._reduced(partial(call, np.add), 0.0)

    def sums_gradient(self) -> Sequence[Call]:
        """Calls that hand the gradient of each window to all its cells."""
        assert self.dx is not None and self.dy is not None
        if self._partitions:
            return [call(np.copyto, self._cells(self.dx, tap), self.dy) for tap in self._taps()]
        adds = [self._add(self.dx, tap, self.dy[self._outputs(tap)]) for tap in self._taps()]
        return [call(self.dx.fill, 0), *adds]

    def maxima_gradient(self) -> Sequence[Call]:
        """Calls that hand the gradient of each window to its first maximum and to no other cell.

        What a tap does not take is left to the next: rest · (x < y) goes on, and the tap takes the difference.
        """
        assert self.dx is not None and self.dy is not None and self.below is not None
        weight = self.work(f"weight {self.axis}", self.y.shape, None)
        taps = list(self._taps())
        if self._is_pair:
            # A copy that makes numbers of the comparison, a product and a difference: none is a `where`, which takes
            # 8 times as long.
            first, last = (self._cells(self.dx, tap) for tap in taps)
            return [
                call(np.copyto, weight, self.below[:, 0]),
                call(np.multiply, self.dy, weight, last),
                call(np.subtract, self.dy, last, first),
            ]
        rest = self.work(f"rest {self.axis}", self.y.shape, None)
        calls: list[Call] = [call(np.copyto, rest, self.dy), call(self.dx.fill, 0)]
        for index, tap in enumerate(taps):
            some = self._outputs(tap)
            calls += [
                call(np.copyto, weight[some], self.below[:, index][some]),
                call(np.multiply, rest[some], weight[some], weight[some]),
                call(np.subtract, rest[some], weight[some], rest[some]),
                self._add(self.dx, tap, rest[some]),
                call(np.copyto, rest[some], weight[some]),
            ]
        return calls

    def _needed(self) -> list[Tap]:
        """The taps whose comparison says who wins: of two that no window lacks, the first alone."""
        return list(self._taps())[: 1 if self._is_pair else None]

    @property
    def _is_pair(self) -> bool:
        """Whether this is the usual pool by two."""
        return self._partitions and self.window.kernel == 2

    def _reduced(self, combine: Callable[[Array, Array, Array], Call], start: float) -> Sequence[Call]:
        """Calls that combine the cells of every window; taps that no window lacks come first and need no start."""
        everywhere = slice(0, self.y.shape[self.axis])
        taps = sorted(self._taps(), key=lambda tap: tap.outputs != everywhere)
        cells = [self._cells(self.x, tap) for tap in taps]
        whole = sum(tap.outputs == everywhere for tap in taps)
        if whole > 1:
            calls: list[Call] = [combine(cells[0], cells[1], self.y)]
        else:
            calls = [call(np.copyto, self.y, cells[0]) if whole else call(self.y.fill, start)]
        for tap, some in list(zip(taps, cells, strict=True))[min(whole, 2) :]:
            outputs = self.y[self._outputs(tap)]
            calls.append(combine(outputs, some, outputs))
        return calls

    @property
    def _partitions(self) -> bool:
        """Whether every cell lies in exactly one window."""
        window = self.window
        return window.stride == window.kernel and not window.padding and self.x.shape[self.axis] % window.kernel == 0

    def _taps(self) -> Iterator[Tap]:
        return (tap for _, tap in self.window.taps(self.x.shape[self.axis], self.y.shape[self.axis]))

    def _outputs(self, tap: Tap) -> tuple[slice, ...]:
        return (*[slice(None)] * self.axis, tap.outputs)

    def _cells(self, array: Array, tap: Tap) -> Array:
        return array[(*[slice(None)] * self.axis, tap.cells)]

    def _add(self, dx: Array, tap: Tap, part: Array) -> Call:
        cells = self._cells(dx, tap)
        return call(np.add, cells, part, cells)


def _blocks(site: Site, windows: Sequence[Window], *, of_maxima: bool = False) -> Iterator[list[_Stage]]:
    """The stages of so many channels at a time as the cache holds: what one stage writes the next finds there.

    Which cells are maxima is noted while they are in the cache, so that backward need not read x again. A step of the
    benchmark's convolutional network took 11.8 and 12.4 ms in two measurements, and 12.0 and 13.3 with all channels
    at once; with blocks a quarter as large 12.4 and 13.1.
    """
    channels = min(len(site.y), max(1, BLOCK // size_of(site.x[0].shape[1:])))
    for start in range(0, len(site.y), channels):
        yield _stages(
            site, windows, slice(start, min(start + channels, len(site.y))), most=channels, of_maxima=of_maxima
        )


def _stages(site: Site, windows: Sequence[Window], some: slice, *, most: int, of_maxima: bool) -> list[_Stage]:
    """The axes of a pool from the last to the first, each reading what the one before wrote; `most` are the channels
    of a whole block."""

    def work(name: str, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        return site.scratch(name, (most, *shape[1:]), dtype)[: shape[0]]

    x, dx = site.x[0][some], site.dx[0][some] if site.dx and site.dx[0] is not None else None
    stages: list[_Stage] = []
    for axis in range(len(windows), 0, -1):
        y, dy, window = site.y[some], None if site.dy is None else site.dy[some], windows[axis - 1]
        shape = (*x.shape[:axis], site.y.shape[axis], *x.shape[axis + 1 :])
        if axis > 1:
            y, dy = work(f"pooled {axis}", shape), None if dx is None else work(f"gradient {axis}", shape)
        below = None
        if of_maxima:
            below = site.scratch(f"below {axis}", (len(site.y), window.kernel, *shape[1:]), np.bool_)[some]
        stages.append(_Stage(axis, window, x, y, dy, dx, work, below))
        x, dx = y, dy
    return stages


def _winners(x: Array, windows: Sequence[Window]) -> Array:
    """Which entry of each window is its first maximum, the entries counted in row-major order."""
    margins = [(0, 0), *((window.padding, window.padding) for window in windows), (0, 0)]
    padded = np.pad(x.real, margins, constant_values=-np.inf)
    kernel, axes = [window.kernel for window in windows], tuple(range(1, len(windows) + 1))
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel, axes)
    chosen = (slice(None), *(slice(None, None, window.stride) for window in windows))
    entries = views[chosen]
    winners: Array = entries.reshape(*entries.shape[: -len(kernel)], -1).argmax(-1)
    return winners


def channels_of(shape: Shape) -> Shape:
    """What is left of an image when each channel becomes one number. Raises ShapeMismatch."""
    if len(shape) < 2:
        raise ShapeMismatch(f"needs an input of shape [channels, …] with at least two axes, and gets {list(shape)}")
    return shape[:1]
