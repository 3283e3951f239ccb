"""What tanh takes away."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Array, Call, call
from core.pointwise import Pointwise, Work


class Tanhshrink(Pointwise):
    """y = x − tanh(x), slope tanh²(x)."""

    op: Literal["tanhshrink"] = "tanhshrink"

    explanation: ClassVar[str] = "Shrinks small numbers to nearly 0: y = x − tanh(x); its slope is tanh²(x)."

    def value(self, x: Array, y: Array, work: Work) -> Sequence[Call]:
        return [call(np.tanh, x, work("tanh")), call(np.subtract, x, work("tanh"), y)]

    def derivative(self, x: Array, y: Array, out: Array, work: Work) -> Sequence[Call]:
        return [call(np.multiply, work("tanh"), work("tanh"), out)]
