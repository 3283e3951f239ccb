"""What an initializer is: a rule that draws the starting values of a weight tensor."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from core.arrays import Array, Model, Shape, size_of

Fans = tuple[int, int]
"""Inputs and outputs of one unit: what keeps, or loses, the variance of a signal."""


class Initializer(Model):
    """A rule that draws starting weights from a shape and its fans."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names people know the kind by; specs are written out with `kind`."""

    kind: str

    @property
    def is_constant(self) -> bool:
        """Whether all weights it draws are the same, so that all units of a layer start alike."""
        return False

    @abstractmethod
    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        """float64 weights of this shape."""


def as_matrix(shape: Shape) -> tuple[int, int]:
    """Rows and columns of a tensor seen as a matrix: the first axes together, and the last; a vector is one row."""
    columns = shape[-1] if shape else 1
    return size_of(shape) // columns, columns
