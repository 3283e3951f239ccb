"""Two directions among the parameters of a network, and where a run has gone in the plane that they span."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import Array
from core.errors import Invalid, Problem
from core.graph.graph import Graph

SMALL = 1e-10
"""Added to the norm of a direction before it divides."""


@dataclass(frozen=True)
class Plane:
    """Points w + a d₁ + b d₂."""

    directions: Array
    """(2, p)."""

    explained_variance: list[float] | None = None
    """The share of the way's variance along each direction, of principal components."""

    def point(self, parameters: Array, a: float, b: float) -> Array:
        """The flat vector at (a, b) from `parameters`, whose state stays."""
        moved = parameters.copy()
        moved[: self.directions.shape[1]] += a * self.directions[0] + b * self.directions[1]
        return moved

    def project(self, difference: Array) -> tuple[float, float, float]:
        """The (a, b) nearest to a difference from w (p,), and how far beside the plane it lies; NaN where it is not
        finite.
        """
        if not np.isfinite(difference).all():
            return np.nan, np.nan, np.nan
        (a, b), *_ = np.linalg.lstsq(self.directions.T, difference, rcond=None)
        beside = difference - a * self.directions[0] - b * self.directions[1]
        return float(a), float(b), float(np.linalg.norm(beside))


def random_directions(graph: Graph, seed: int) -> Array:
    """Two directions with entries of a standard normal distribution, (2, p)."""
    return np.random.default_rng([seed, *b"landscape"]).standard_normal((2, graph.parameter_count))


def filter_normalized(graph: Graph, direction: Array, parameters: Array) -> Array:
    """The direction with d ← d |w| / (|d| + 1e-10) for the weights w into each unit; 0 for biases, gains and what
    never learns, (p,).

    So a step of 1 is as long for each unit as its weights are, whatever their scale, to which rectifiers are blind.

    Source: Li et al. 2018, "Visualizing the loss landscape of neural nets", section 4, and biases as in its code.
    """
    normalized = np.zeros(graph.parameter_count)
    for piece in graph.layout:
        if piece.is_bias:
            continue
        stretch = slice(piece.start, piece.stop)
        d, w = (flat[stretch].reshape(piece.shape) for flat in (direction.copy(), parameters))
        if piece.frozen is not None:
            d[piece.frozen] = 0.0
        others = tuple(axis for axis in range(d.ndim) if axis != piece.unit_axis % d.ndim)
        with np.errstate(over="ignore"):
            normalized[stretch] = (d * (_norm(w, others) / (_norm(d, others) + SMALL))).reshape(-1)
    return normalized


def _norm(tensor: Array, axes: tuple[int, ...]) -> Array:
    largest = np.abs(tensor).max(axis=axes, keepdims=True, initial=0.0)
    # Scaled, since squares of numbers beyond 1e154 overflow.
    scaled = tensor / np.where(largest > 0, largest, 1.0)
    return np.asarray(largest * np.sqrt(np.square(scaled).sum(axis=axes, keepdims=True)))


def principal_plane(ways: Sequence[Array]) -> Plane:
    """The first two principal components of differences from the last point, each of length 1.

    Of k points the k × k products are enough. Raises Invalid at `/along/directions` where they lie on a line.

    Source: Li et al. 2018, section 7.
    """
    matrix = np.array([way for way in ways if np.isfinite(way).all()])
    if len(matrix) < 3:
        raise Invalid([_no_plane()])
    matrix = matrix - matrix.mean(axis=0)
    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    if not values[1] > 1e-12 * values[0]:
        raise Invalid([_no_plane()])
    directions = (vectors[:, :2].T @ matrix) / np.sqrt(values[:2, None])
    # A component has no sign of its own: the largest entry shall be positive.
    largest = directions[np.arange(2), np.abs(directions).argmax(axis=1)]
    share = values[:2] / values.sum()
    return Plane(directions * np.sign(largest)[:, None], share.tolist())


def _no_plane() -> Problem:
    detail = "the kept checkpoints of the run do not span a plane; take random directions"
    return Problem("/along/directions", detail, allowed=["random"])
