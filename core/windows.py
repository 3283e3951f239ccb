"""Windows that a kernel slides along the axes of an image: how many there are, and what each of its taps reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from core.arrays import Shape
from core.op import ShapeMismatch

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Margin = Annotated[int, Field(ge=0, le=1_000_000)]
Counts = Count | Annotated[list[Count], Field(min_length=2, max_length=2)]
Margins = Margin | Annotated[list[Margin], Field(min_length=2, max_length=2)]

AXES = (("length",), ("height", "width"))
"""Names of the axes that windows slide along, by their number."""


@dataclass(frozen=True)
class Tap:
    """One position inside the windows: `outputs` are the windows where it lies on a cell, `cells` what it reads."""

    outputs: slice
    cells: slice


@dataclass(frozen=True)
class Window:
    """A kernel along one axis: window w reads the cells w · stride − padding + j · dilation, j = 0 … kernel − 1."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def is_point(self) -> bool:
        """Whether every window is the one cell at its own place."""
        return self.kernel == 1 and self.stride == 1 and self.padding == 0

    def count(self, size: int) -> int:
        """How many windows lie within so many cells and their padding: below 1 if the kernel is the larger."""
        return (size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    def taps(self, size: int, count: int) -> Iterator[tuple[int, Tap]]:
        """Every tap j that lies on a cell somewhere; the rest of what it reads is padding."""
        for j in range(self.kernel):
            offset = j * self.dilation - self.padding
            first, stop = max(0, -(offset // self.stride)), min(count, (size - 1 - offset) // self.stride + 1)
            if first < stop:
                start, end = first * self.stride + offset, (stop - 1) * self.stride + offset + 1
                yield j, Tap(slice(first, stop), slice(start, end, self.stride))


def per_axis(value: int | list[int], axes: int) -> list[int]:
    """One number for every axis."""
    return [value] * axes if isinstance(value, int) else value


def as_written(sizes: Sequence[int]) -> int | list[int]:
    """One number where all are equal, else a list: as a network says it."""
    return int(sizes[0]) if len(set(sizes)) == 1 else [int(size) for size in sizes]


def channels_and_sizes(shape: Shape, axes: int) -> tuple[int, Shape]:
    """The channels of an image and its size along each axis. Raises ShapeMismatch."""
    if len(shape) != axes + 1:
        wanted = ", ".join(("channels", *AXES[axes - 1]))
        raise ShapeMismatch(f"needs an input of shape [{wanted}], and gets {list(shape)}: `reshape` can make one")
    return shape[0], shape[1:]


def window_counts(windows: Sequence[Window], sizes: Shape) -> Shape:
    """How many windows there are along each axis. Raises ShapeMismatch where a kernel does not fit."""
    for window, size, name in zip(windows, sizes, AXES[len(sizes) - 1], strict=True):
        if window.count(size) < 1:
            reach = window.dilation * (window.kernel - 1) + 1
            raise ShapeMismatch(
                f"has a kernel that covers {reach} cells, and its input has {size + 2 * window.padding} along its "
                f"{name}, padding included"
            )
    return tuple(window.count(size) for window, size in zip(windows, sizes, strict=True))
