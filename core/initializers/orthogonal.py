"""Orthogonal initialization."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Shape
from core.initializer import Fans, Initializer, as_matrix


class Orthogonal(Initializer):
    """W with Wᵀ W = gain² I, or W Wᵀ for more columns than rows: signals keep their length, not only on average.

    Drawn evenly from all such matrices. A tensor of several axes is the matrix of all its rows along the last axis.

    Source: Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks";
    Mezzadri 2007, "How to generate random matrices from the classical compact groups", for the signs.
    """

    kind: Literal["orthogonal"] = "orthogonal"

    gain: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """What the following activation asks for: 1 for linear units, √2 for rectifiers."""

    def draw(self, shape: Shape, fans: Fans, generator: np.random.Generator) -> Array:
        rows, columns = as_matrix(shape)
        q, r = np.linalg.qr(generator.normal(size=(max(rows, columns), min(rows, columns))))
        # A QR factorization is unique, and so as evenly spread as what it is made of, only with a positive diagonal.
        q *= self.gain * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)
