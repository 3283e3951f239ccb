"""Transposed convolution of sequences."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from core.arrays import Shape
from core.convolution import TransposedConvolution, known
from core.windows import Count, Margin, Window


class ConvTranspose1d(TransposedConvolution):
    """The adjoint of a convolution over the length, plus b; W (channels, filters, kernel).

    Every entry of x adds its multiple of the kernel to y, `stride` cells further for each: size
    (x − 1) · stride − 2 · padding + kernel + output_padding.
    """

    op: Literal["conv_transpose1d"] = "conv_transpose1d"

    kernel: Count | None = None
    """Cells that one entry of x reaches; may be left out where W is given."""

    stride: Count = 1
    """Cells of y from one entry of x to the next."""

    padding: Margin = 0
    """Cells taken away at both ends."""

    output_padding: Margin = 0
    """Cells added at the end, fewer than `stride`: which size y has of those that a convolution would make x of."""

    axes: ClassVar[int] = 1
    explanation: ClassVar[str] = (
        "Lays each entry's multiple of the filter down, a stride apart, and adds what overlaps: y = Wᵀ ⋆ x + b."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(filters=2, kernel=3, stride=2, output_padding=1), [(3, 4)]),
            (cls(filters=2, kernel=3, padding=1, bias=False), [(2, 4)]),
            (cls(filters=2, kernel=2, stride=3, padding=1), [(2, 3)]),
            (cls(filters=2, kernel=1), [(3, 4)]),
        ]

    def windows(self) -> Sequence[Window]:
        return [Window(known(self.kernel), self.stride, self.padding)]

    def more(self) -> Sequence[int]:
        return [self.output_padding]
