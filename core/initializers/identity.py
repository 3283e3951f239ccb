"""Weights that pass their input on."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer, as_matrix


class IdentityWeights(Initializer):
    """W = gain · I: unit i starts with the input i alone; of more inputs or units than the other the rest with 0.

    A tensor of several axes is the matrix of all its rows along the last axis.

    Source: Le et al. 2015, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units".
    """

    aliases: ClassVar[tuple[str, ...]] = ("eye",)

    kind: Literal["identity"] = "identity"

    gain: Annotated[float, Field(gt=0, le=1e6)] = 1.0

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        return self.gain * np.eye(*as_matrix(shape)).reshape(shape)
