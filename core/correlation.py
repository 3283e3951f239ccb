"""Weighted sums of the windows of images, their adjoint, and the gradient of the weights: what convolutions are of.

The windows of one row of outputs are the columns of a matrix, so that a row is one matrix product. That matrix is
never copied together: what it needs of one line of the image, its kw shifted copies, lies in memory in one piece, the
piece of the next line behind it, and the matrix of an output row is the kh pieces it covers, read where they are. So
an image is copied kw times where columns for all windows (im2col) are kh · kw copies, and a product reads what is still
in the cache: on the benchmark's second convolution (16 × 14 × 14, 32 filters 3 × 3, batch 64, float32) forward takes
1.4 ms with a copy of 0.07, where the product of ready-made columns alone takes 1.7; on its first 0.25 against 0.69.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided

from core.arrays import Array, Call, Shape, call, size_of
from core.per_example import OuterProducts
from core.windows import Window

MOST_PARTS = 1 << 18
"""Entries of the weight gradients of single rows that are kept before they are added up."""


class Work(Protocol):
    """`work("lines", shape)` is a scratch array, the same one whenever it is asked for."""

    def __call__(self, name: str, shape: Shape, /) -> Array: ...


@dataclass(frozen=True)
class Correlation:
    """y = K ⋆ x: every entry of y (o, h, w, n) is the sum of a window of x (c, H, W, n), weighted by its filter.

    Weights are (o, c / groups, kh, kw): filters and channels are split in order into `groups` that do not see each
    other. The kernel is not flipped, and what a window reads beyond the image is 0.
    """

    rows: Window
    columns: Window
    groups: int
    x: Shape
    y: Shape
    work: Work

    def gather(self, x: Array) -> tuple[Array, Sequence[Call]]:
        """The windows of x as matrices (groups, h, kh · kw · c / groups, w · n), and the calls that fill them."""
        calls: list[Call] = []
        if not x.flags.c_contiguous:
            # Images of a data set lie one behind the other: to turn them once is cheaper than kw times.
            turned = self.work("turned", x.shape)
            calls.append(call(np.copyto, turned, x))
            x = turned
        if self._is_point:
            return self._by_row(x.reshape(self.x)), calls
        lines = self.work("lines", self._lines)
        calls += [call(np.copyto, piece, cells) for piece, cells in self._pieces(lines, x)]
        return self._windows(lines), calls

    def kernels(self, weights: Array) -> tuple[Array, Sequence[Call]]:
        """The weights as matrices (groups, o / groups, kh · kw · c / groups), and the calls that fill them."""
        kernels = self._taps_first(weights)
        if kernels.flags.c_contiguous:
            return kernels.reshape(self._kernels), []
        matrices = self.work("kernels", self._kernels)
        return matrices, [call(np.copyto, matrices.reshape(kernels.shape), kernels)]

    def multiply(self, kernels: Array, windows: Array, y: Array) -> Call:
        """The call that writes K ⋆ x."""
        return call(np.matmul, kernels[:, None], windows, self._by_row(y.reshape(self.y)))

    def spread(self, kernels: Array, y: Array, x: Array) -> Sequence[Call]:
        """Calls that write into x the adjoint of `multiply`: every entry of y, weighted, to where its window reads."""
        turned, from_rows = kernels.swapaxes(-1, -2), self._by_row(y.reshape(self.y))
        if self._is_point:
            return [call(np.matmul, turned[:, None], from_rows, self._by_row(x.reshape(self.x)))]
        lines = self.work("line sums", self._lines)
        if self._overlaps:
            calls = self._add_rows(turned, from_rows, lines)
        else:
            calls = [call(np.matmul, turned[:, None], from_rows, self._windows(lines))]
        pieces = sorted(self._pieces(lines, x), key=lambda pair: -pair[1].size)
        if pieces and pieces[0][1].size == x.size:
            # This tap lies on every cell: it is copied, and nothing is cleared before.
            (piece, cells), *pieces = pieces
            calls.append(call(np.copyto, cells, piece))
        else:
            calls.append(call(x.fill, 0))
        return [*calls, *(call(np.add, cells, piece, cells) for piece, cells in pieces)]

    def weight_gradient(self, windows: Array, dy: Array, dweights: Array) -> Sequence[Call]:
        """Calls that write dK, the product of every window with the gradient of its output, summed over all."""
        by_row = self._by_row(dy.reshape(self.y)).swapaxes(-1, -2)
        groups, filters, taps = self._kernels
        count = self.y[1]
        total = self.work("total", (groups, taps, filters))
        at_once = min(count, max(1, MOST_PARTS // total.size))
        parts = self.work("parts", (groups, at_once, taps, filters))
        calls: list[Call] = []
        for start in range(0, count, at_once):
            some = slice(start, min(start + at_once, count))
            part = parts[:, : some.stop - some.start]
            # This way round, and not as y xᵀ, for 1.5 instead of 2.0 ms on the benchmark's second convolution.
            calls.append(call(np.matmul, windows[:, some], by_row[:, some], part))
            if start == 0:
                calls.append(call(np.add.reduce, part, 1, None, total))
            else:
                more = self.work("more", total.shape)
                calls += [call(np.add.reduce, part, 1, None, more), call(np.add, total, more, total)]
        into = self._taps_first(dweights)
        return [*calls, call(np.copyto, into, np.moveaxis(total, -1, 1).reshape(into.shape))]

    def example_gradients(self, windows: Array, dy: Array) -> OuterProducts:
        """dK of each example as products of its windows, which have been filled, with the slopes of their outputs."""
        groups, filters, _ = self._kernels
        split = (groups, self.rows.kernel, self.columns.kernel, self.x[0] // groups, filters)
        left, right = self._by_example(windows), self._by_example(self._by_row(dy.reshape(self.y)))
        return OuterProducts(left, right, split, order=(0, 4, 3, 1, 2))

    def _by_example(self, matrices: Array) -> Array:
        """Matrices (groups, h, d, w · n) as (groups, n, h · w, d)."""
        _, height, width, rows = self.y
        groups, _, features, _ = matrices.shape
        apart = matrices.reshape(groups, height, features, width, rows).transpose(0, 4, 1, 3, 2)
        return apart.reshape(groups, rows, height * width, features)

    @property
    def _is_point(self) -> bool:
        return self.rows.is_point and self.columns.is_point

    @property
    def _overlaps(self) -> bool:
        """Whether rows of outputs read the same lines, so that each line is laid down once for all of them."""
        return self.rows.dilation == 1 and self.rows.stride < self.rows.kernel and self.y[1] > 1

    @property
    def _lines(self) -> Shape:
        """(groups, lines, 1, kw, c / groups, w, n), or where rows share no lines (groups, h, kh, kw, …)."""
        height, width, rows = self.y[1:]
        count = (
            ((height - 1) * self.rows.stride + self.rows.kernel, 1) if self._overlaps else (height, self.rows.kernel)
        )
        return (self.groups, *count, self.columns.kernel, self.x[0] // self.groups, width, rows)

    @property
    def _kernels(self) -> Shape:
        taps = self.rows.kernel * self.columns.kernel * (self.x[0] // self.groups)
        return self.groups, self.y[0] // self.groups, taps

    def _pieces(self, lines: Array, x: Array) -> Iterator[tuple[Array, Array]]:
        """Each tap's part of the lines with the cells of x that lie in it; what is left out of lines is padding."""
        cells = x.reshape(self.groups, -1, *self.x[1:]).swapaxes(1, 2)
        window = Window(1, padding=self.rows.padding) if self._overlaps else self.rows
        for i, row in window.taps(self.x[1], lines.shape[1]):
            for j, column in self.columns.taps(self.x[2], lines.shape[5]):
                yield lines[:, row.outputs, i, j, :, column.outputs], cells[:, row.cells, :, column.cells]

    def _windows(self, lines: Array) -> Array:
        """The matrices (groups, h, kh · kw · c / groups, w · n) of every row of outputs, in the memory of `lines`."""
        groups, _, taps = self._kernels
        step = lines.strides[1] * (self.rows.stride if self._overlaps else 1)
        shape = (groups, self.y[1], taps, self.y[2] * self.y[3])
        return as_strided(lines, shape, (lines.strides[0], step, lines.strides[4], lines.itemsize))

    def _add_rows(self, turned: Array, from_rows: Array, lines: Array) -> list[Call]:
        """Calls that add what each row of outputs gives to the lines it reads; a row's part stays in the cache.

        Of the lines of a row only the first kernel − stride have been written before.
        """
        kernel, stride = self.rows.kernel, self.rows.stride
        part = self.work("row", (self.groups, self._kernels[2], self.y[2] * self.y[3]))
        of_part = part.reshape(self.groups, kernel, *lines.shape[2:])
        calls: list[Call] = [call(np.matmul, turned, from_rows[:, 0], self._windows(lines)[:, 0])]
        for row in range(1, self.y[1]):
            begun = lines[:, row * stride : (row - 1) * stride + kernel]
            new = lines[:, (row - 1) * stride + kernel : row * stride + kernel]
            calls += [
                call(np.matmul, turned, from_rows[:, row], part),
                call(np.add, begun, of_part[:, : kernel - stride], begun),
                call(np.copyto, new, of_part[:, kernel - stride :]),
            ]
        return calls

    def _by_row(self, image: Array) -> Array:
        """An image (channels, h, w, n) as matrices (groups, h, channels / groups, w · n)."""
        channels, height, width, rows = image.shape
        return image.reshape(self.groups, channels // self.groups, height, width * rows).swapaxes(1, 2)

    def _taps_first(self, weights: Array) -> Array:
        """The view (groups, o / groups, kh, kw, c / groups) of weights (o, c / groups, kh, kw)."""
        split = weights.reshape(self.groups, -1, self.x[0] // self.groups, self.rows.kernel, self.columns.kernel)
        return np.moveaxis(split, 2, -1)


def correlation(windows: Sequence[Window], groups: int, *, x: Shape, y: Shape, work: Work) -> Correlation:
    """The correlation of images (c, H, W, n) or sequences (c, L, n), which are images of one line.

    Where every window is one cell the whole image is one line, and one matrix without any copy.
    """
    rows, columns = (Window(1), *windows)[-2:]
    if all(window.is_point for window in windows):
        x, y = ((shape[0], 1, size_of(shape[1:-1]), shape[-1]) for shape in (x, y))
    elif len(windows) == 1:
        x, y = ((shape[0], 1, *shape[1:]) for shape in (x, y))
    return Correlation(rows, columns, groups, x, y, work)
