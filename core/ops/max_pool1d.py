"""Largest entries of windows of sequences."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from core.arrays import Shape
from core.pooling import MaxPool
from core.windows import Count, Margin, Window


class MaxPool1d(MaxPool):
    """y = max of each window over the length; padding is never the maximum.

    Of equal entries the first in row-major order receives the gradient; a NaN is the maximum.
    """

    op: Literal["max_pool1d"] = "max_pool1d"

    kernel: Count
    """Cells a window has."""

    stride: Count | None = None
    """Cells from one window to the next; left out, the kernel: windows lie side by side."""

    padding: Margin = 0
    """Cells beside the ends; at most half of the kernel."""

    axes: ClassVar[int] = 1
    explanation: ClassVar[str] = (
        "Passes the largest number of each window on; the whole gradient goes to that one: y = max x."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(kernel=2), [(2, 4)]),
            (cls(kernel=3, stride=2, padding=1), [(2, 6)]),
            (cls(kernel=2, stride=3), [(1, 6)]),
            (cls(kernel=3, stride=1, padding=1), [(2, 4)]),
            (cls(kernel=1), [(2, 3)]),
            (cls(kernel=3), [(2, 6)]),
        ]

    def settled(self) -> Self:
        """With the stride written out."""
        return self.model_copy(update={"stride": self.kernel if self.stride is None else self.stride})

    def windows(self) -> Sequence[Window]:
        return [Window(self.kernel, self.kernel if self.stride is None else self.stride, self.padding)]
