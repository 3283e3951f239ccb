"""What is done to a gradient between the backward pass and the update: penalties, and its norm."""

import math

import numpy as np

from core.arrays import Array, Call, call
from core.graph.graph import Graph
from core.penalties import Penalty


class Penalties:
    """The penalty terms of a graph bound to its flat vectors."""

    def __init__(self, graph: Graph, penalties: tuple[Penalty, ...], parameters: Array, gradient: Array) -> None:
        self.total = np.zeros((), np.float64)
        """Their sum, once `value_calls` have run."""

        self.value_calls: list[Call] = []
        self.pull_calls: list[Call] = []
        """What adds their gradient to the flat gradient."""

        for penalty in penalties:
            for piece in graph.penalized(penalty):
                weights, out = parameters[piece.start : piece.stop], gradient[piece.start : piece.stop]
                self.value_calls += penalty.value(weights, self.total)
                self.pull_calls += penalty.gradient(weights, out)
        if self.value_calls:
            self.value_calls.insert(0, call(self.total.fill, 0.0))

    def __bool__(self) -> bool:
        return bool(self.value_calls)

    def value(self) -> float:
        """The sum of all terms at the present parameters."""
        for term in self.value_calls:
            term()
        return float(self.total)

    def pull(self) -> None:
        """Add the gradient of every term to the flat gradient."""
        for pull in self.pull_calls:
            pull()


def norm(vector: Array) -> float:
    """L2 norm; in float32 squares may overflow or vanish where the norm does not, and then it is taken in float64."""
    square = float(vector.dot(vector))
    if _LEAST_SQUARE < square < math.inf:
        return math.sqrt(square)
    pieces = (vector[start : start + _PIECE].astype(np.float64) for start in range(0, len(vector), _PIECE))
    return math.sqrt(sum(float(piece.dot(piece)) for piece in pieces))


_LEAST_SQUARE = 1e-30
"""Above it the squares that float32 has lost, each below 1e-45, make no difference."""

_PIECE = 65_536
