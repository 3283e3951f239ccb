"""Transposed convolution of images."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from core.arrays import Shape
from core.convolution import TransposedConvolution, known
from core.windows import Counts, Margins, Window, per_axis


class ConvTranspose2d(TransposedConvolution):
    """The adjoint of a convolution over height and width, plus b; W (channels, filters, kernel height, kernel width).

    Every entry of x adds its multiple of the kernel to y, `stride` cells further for each: size
    (x − 1) · stride − 2 · padding + kernel + output_padding.
    """

    op: Literal["conv_transpose2d"] = "conv_transpose2d"

    kernel: Counts | None = None
    """Cells that one entry of x reaches, or [height, width]; may be left out where W is given."""

    stride: Counts = 1
    """Cells of y from one entry of x to the next, or [height, width]."""

    padding: Margins = 0
    """Cells taken away at the edges, on either side, or [height, width]."""

    output_padding: Margins = 0
    """Cells added at the end, or [height, width], fewer than `stride`: which size y has of those that a convolution
    would make x of."""

    axes: ClassVar[int] = 2
    explanation: ClassVar[str] = (
        "Lays each entry's multiple of the filter down, a stride apart, and adds what overlaps: y = Wᵀ ⋆ x + b."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(filters=2, kernel=2, stride=2), [(3, 2, 3)]),
            (cls(filters=2, kernel=3, stride=2, padding=1, output_padding=1), [(1, 3, 2)]),
            (
                cls(filters=2, kernel=[3, 2], stride=[1, 3], padding=[1, 0], output_padding=[0, 2], bias=False),
                [(2, 3, 2)],
            ),
            (cls(filters=3, kernel=1), [(2, 2, 3)]),
        ]

    def windows(self) -> Sequence[Window]:
        fields = (known(self.kernel), self.stride, self.padding)
        return [Window(*along) for along in zip(*(per_axis(field, 2) for field in fields), strict=True)]

    def more(self) -> Sequence[int]:
        return per_axis(self.output_padding, 2)
