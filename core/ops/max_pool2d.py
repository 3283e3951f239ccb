"""Largest entries of windows of images."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from core.arrays import Shape
from core.pooling import MaxPool
from core.windows import Counts, Margins, Window, per_axis


class MaxPool2d(MaxPool):
    """y = max of each window over height and width; padding is never the maximum.

    Of equal entries the first in row-major order receives the gradient; a NaN is the maximum.
    """

    op: Literal["max_pool2d"] = "max_pool2d"

    kernel: Counts
    """Cells a window has, or [height, width]."""

    stride: Counts | None = None
    """Cells from one window to the next, or [height, width]; left out, the kernel: windows lie side by side."""

    padding: Margins = 0
    """Cells beside the edges, on either side, or [height, width]; at most half of the kernel."""

    axes: ClassVar[int] = 2
    explanation: ClassVar[str] = (
        "Passes the largest number of each window on; the whole gradient goes to that one: y = max x."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(kernel=2), [(2, 4, 2)]),
            (cls(kernel=3, stride=2, padding=1), [(2, 5, 4)]),
            (cls(kernel=[1, 2], stride=[2, 1], padding=[0, 1]), [(1, 3, 4)]),
            (cls(kernel=2), [(1, 5, 3)]),
            (cls(kernel=3, stride=1, padding=1), [(2, 3, 3)]),
        ]

    def settled(self) -> Self:
        """With the stride written out."""
        return self.model_copy(update={"stride": self.kernel if self.stride is None else self.stride})

    def windows(self) -> Sequence[Window]:
        stride = self.kernel if self.stride is None else self.stride
        fields = (per_axis(field, 2) for field in (self.kernel, stride, self.padding))
        return [Window(*along) for along in zip(*fields, strict=True)]
