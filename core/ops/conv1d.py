"""Convolution of sequences."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from core.arrays import Shape
from core.convolution import Convolution, known
from core.windows import Count, Margin, Window


class Conv1d(Convolution):
    """y = W ⋆ x + b over the length, W (filters, channels / groups, kernel).

    Cross-correlation: the kernel is not flipped. The padding is zeros. The output's length is
    floor((length + 2 · padding − dilation · (kernel − 1) − 1) / stride) + 1.
    """

    op: Literal["conv1d"] = "conv1d"

    kernel: Count | None = None
    """Cells a window has; may be left out where W is given."""

    stride: Count = 1
    """Cells from one window to the next."""

    padding: Margin = 0
    """Zeros beside the two ends."""

    dilation: Count = 1
    """Cells from one tap of the kernel to the next."""

    axes: ClassVar[int] = 1
    explanation: ClassVar[str] = (
        "Slides each filter over the sequence and sums what lies below it, weighted: y = W ⋆ x + b."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(filters=2, kernel=3, padding=1), [(3, 5)]),
            (cls(filters=4, kernel=3, stride=2, dilation=2, padding=2, groups=2, bias=False), [(2, 8)]),
            (cls(filters=2, kernel=1), [(3, 4)]),
            (cls(filters=2, kernel=1, stride=3), [(2, 5)]),
            (cls(filters=3, kernel=2, groups=3), [(3, 4)]),
        ]

    def windows(self) -> Sequence[Window]:
        return [Window(known(self.kernel), self.stride, self.padding, self.dilation)]
