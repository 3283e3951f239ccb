"""One update: batch in, loss and gradient, penalties, clipping, optimizer."""

import math
from dataclasses import dataclass

import numpy as np

from core.arrays import Array, Call
from core.graph.graph import Graph
from core.penalties import Penalty


class Penalties:
    """The penalty terms of a graph bound to its flat vectors."""

    def __init__(self, graph: Graph, penalties: tuple[Penalty, ...], parameters: Array, gradient: Array) -> None:
        total = np.zeros((), np.float64)
        self._total = total
        self._value: list[Call] = []
        self._gradient: list[Call] = []
        for penalty in penalties:
            for piece in graph.penalized(penalty):
                weights, out = parameters[piece.start : piece.stop], gradient[piece.start : piece.stop]
                self._value += penalty.value(weights, total)
                self._gradient += penalty.gradient(weights, out)

    def __bool__(self) -> bool:
        return bool(self._value)

    def value(self) -> float:
        """The sum of all terms at the present parameters."""
        self._total[...] = 0.0
        for call in self._value:
            call()
        return float(self._total)

    def pull(self) -> None:
        """Add the gradient of every term to the flat gradient."""
        for call in self._gradient:
            call()


def norm(vector: Array) -> float:
    """L2 norm; in float32 a square may overflow where the norm does not, so that case is computed in float64."""
    square = float(vector.dot(vector))
    return math.sqrt(square) if math.isfinite(square) else float(np.linalg.norm(vector.astype(np.float64)))


@dataclass
class Totals:
    """Sums over one epoch: of loss and penalty each batch weighted by its examples, of norms one an update."""

    loss: float = 0.0
    penalty: float = 0.0
    gradient_norm: float = 0.0
    updates: int = 0
