"""Weights from a normal distribution without its tails, whatever the fans."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer


class TruncatedNormal(Initializer):
    """Weights ~ N(mean, std²) of which those further than 2 std from the mean are drawn again.

    `std` is that of the normal distribution before the cut, as in PyTorch and TensorFlow; the weights that are left
    have 0.8796 of it. The fans are not looked at.
    """

    aliases: ClassVar[tuple[str, ...]] = ("trunc_normal",)

    kind: Literal["truncated_normal"] = "truncated_normal"

    mean: Annotated[float, Field(ge=-1e100, le=1e100)] = 0.0
    std: Annotated[float, Field(ge=0, le=1e100)] = 0.05
    """Standard deviation before the cut."""

    @property
    def is_constant(self) -> bool:
        return self.std == 0.0

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        deviates = generator.standard_normal(shape)
        # Of each draw 4.6 % are too far out, so the loop is over after a few.
        while (far := np.abs(deviates) > 2.0).any():
            deviates[far] = generator.standard_normal(np.count_nonzero(far))
        return self.mean + self.std * deviates
