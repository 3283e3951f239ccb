"""Convolution of images."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from core.arrays import Shape
from core.convolution import Convolution, known
from core.windows import Counts, Margins, Window, per_axis


class Conv2d(Convolution):
    """y = W ⋆ x + b over height and width, W (filters, channels / groups, kernel height, kernel width).

    Cross-correlation: the kernel is not flipped. The padding is zeros. The output's size along each axis is
    floor((size + 2 · padding − dilation · (kernel − 1) − 1) / stride) + 1.
    """

    op: Literal["conv2d"] = "conv2d"

    kernel: Counts | None = None
    """Cells a window has, or [height, width]; may be left out where W is given."""

    stride: Counts = 1
    """Cells from one window to the next, or [height, width]."""

    padding: Margins = 0
    """Zeros beside the edges, on either side, or [height, width]."""

    dilation: Counts = 1
    """Cells from one tap of the kernel to the next, or [height, width]."""

    axes: ClassVar[int] = 2
    explanation: ClassVar[str] = (
        "Slides each filter over the image and sums what lies below it, weighted: y = W ⋆ x + b."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(filters=2, kernel=3, padding=1), [(3, 4, 3)]),
            (cls(filters=2, kernel=[2, 3], stride=[1, 2], padding=[0, 2]), [(1, 4, 5)]),
            (cls(filters=4, kernel=3, stride=2, padding=1, groups=2, bias=False), [(2, 5, 4)]),
            (cls(filters=2, kernel=[3, 2], dilation=[2, 3], padding=[2, 0]), [(2, 4, 5)]),
            (cls(filters=2, kernel=2, stride=3), [(2, 6, 5)]),
            (cls(filters=3, kernel=1), [(4, 2, 3)]),
            (cls(filters=3, kernel=3, groups=3), [(3, 4, 4)]),
        ]

    def windows(self) -> Sequence[Window]:
        fields = (known(self.kernel), self.stride, self.padding, self.dilation)
        return [Window(*along) for along in zip(*(per_axis(field, 2) for field in fields), strict=True)]
