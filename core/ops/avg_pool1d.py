"""Means of windows of sequences."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from core.arrays import Shape
from core.pooling import AveragePool
from core.windows import Count, Margin, Window


class AvgPool1d(AveragePool):
    """y = mean of each window over the length; padding adds zeros to the sum."""

    op: Literal["avg_pool1d"] = "avg_pool1d"

    kernel: Count
    """Cells a window has."""

    stride: Count | None = None
    """Cells from one window to the next; left out, the kernel: windows lie side by side."""

    padding: Margin = 0
    """Cells beside the ends; at most half of the kernel."""

    count_include_pad: bool = True
    """Whether a window that reaches into the padding is divided by the kernel's area all the same, and not by the
    number of its real entries."""

    axes: ClassVar[int] = 1
    explanation: ClassVar[str] = (
        "Passes the mean of each window on; the gradient is shared by all its entries: y = Σ x / number of entries."
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
            (cls(kernel=3, stride=2, padding=1, count_include_pad=False), [(2, 6)]),
        ]

    def settled(self) -> Self:
        """With the stride written out."""
        return self.model_copy(update={"stride": self.kernel if self.stride is None else self.stride})

    def windows(self) -> Sequence[Window]:
        return [Window(self.kernel, self.kernel if self.stride is None else self.stride, self.padding)]

    def counts_padding(self) -> bool:
        return self.count_include_pad
