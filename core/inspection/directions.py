"""One point of the objective, directions away from it, and the slope along each: computed, and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from core.arrays import Array, Shape, size_of
from core.graph.interpreter import Pass
from core.inspection.batch import Posed
from core.inspection.numeric import Kinked, Pattern, Reading, repeated_slope, slope_at_zero
from core.inspection.objective import flat_gradient, total

LEAST_SCALE = 0.1
"""Parameters near 0 are moved as if they were this large: they feed units whose inputs are of order 1."""


@dataclass(frozen=True)
class Move:
    """A direction: how far each parameter and each entry of the inputs goes; what stays is absent."""

    parameters: Array | None = None
    """As long as the flat vector."""

    inputs: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """The slope along one direction, computed and measured."""

    analytic: float | None
    """None where the computed gradient is not finite although the objective is."""

    numeric: float
    relative_error: float
    uncertainty: float
    """Relative; 1 where nothing could be told."""

    step: float


class Point:
    """The objective around a question's parameters and inputs."""

    def __init__(self, posed: Posed, tolerance: float) -> None:
        self.posed, self._tolerance = posed, tolerance

    @cached_property
    def at(self) -> Pass:
        """The pass at the point itself, with the gradients that are to be judged."""
        return self.posed.run()

    @cached_property
    def gradient(self) -> Array:
        """d objective / d parameters, flat."""
        return flat_gradient(self.posed.graph, self.posed.parameters, self.at)

    def compare(self, move: Move) -> Comparison | Kinked:
        """The computed slope beside the measured one."""
        with np.errstate(all="ignore"):
            return self._compare(move)

    def _compare(self, move: Move) -> Comparison | Kinked:
        def line(distance: float) -> Reading:
            return self._reading(move, distance)

        found = slope_at_zero(line)
        if isinstance(found, Kinked):
            return found
        if found is None:
            return Kinked(frozenset({"the loss, which is not finite nearby"}))
        analytic, length = self._analytic(move)
        if not np.isfinite([analytic, length]).all():
            return Comparison(None, found.derivative, 1.0, 0.0, found.step)
        if abs(found.derivative - analytic) > self._tolerance * max(abs(analytic), length):
            found = repeated_slope(line, found)
        scale = max(abs(found.derivative), abs(analytic), length)
        allowed = max(scale, found.uncertainty / self._tolerance)
        return Comparison(
            analytic=analytic,
            numeric=found.derivative,
            relative_error=abs(found.derivative - analytic) / allowed if allowed else 0.0,
            uncertainty=min(1.0, found.uncertainty / scale) if scale else float(found.uncertainty > 0),
            step=found.step,
        )

    def _analytic(self, move: Move) -> tuple[float, float]:
        """Gradient times direction, and the length of their product entry by entry."""
        products = [] if move.parameters is None else [self.gradient * move.parameters]
        products += [(self.at.gradients[name] * change).reshape(-1) for name, change in move.inputs.items()]
        product = np.concatenate(products)
        largest = float(np.abs(product).max(initial=0))
        # Scaled, since squares of numbers beyond 1e154 overflow, and an infinite length would excuse any error.
        return float(product.sum()), largest * float(np.linalg.norm(product / largest)) if largest else 0.0

    def _reading(self, move: Move, distance: float) -> Reading:
        """The objective at a distance along the direction."""
        posed = self.posed
        parameters = posed.parameters if move.parameters is None else posed.parameters + distance * move.parameters
        inputs = {
            name: array + distance * move.inputs[name] if name in move.inputs else array
            for name, array in posed.examples.inputs.items()
        }
        done = posed.run(parameters, inputs=inputs, backward=False)
        return Reading(float(total(posed.graph, parameters, done)), pattern_of(posed, parameters, done))


def pattern_of(posed: Posed, parameters: Array, done: Pass) -> Pattern:
    """On which side of its kinks everything is: nodes, loss terms and penalties that have any."""
    sides = {node.id: [read() for read in node.op.kinks(done.sites[node.id])] for node in posed.graph.nodes}
    for loss, site in zip(posed.graph.losses[: len(done.loss_sites)], done.loss_sites, strict=True):
        sides[f"{loss.kind} of {loss.input}"] = [read() for read in loss.kinks(site)]
    for penalty in posed.graph.penalties:
        if penalty.kind == "l1":
            pieces = posed.graph.penalized(penalty)
            sides["l1 penalty"] = [parameters[piece.start : piece.stop] > 0 for piece in pieces]
    return {name: np.concatenate([np.ravel(side) for side in found]) for name, found in sides.items() if found}


@dataclass(frozen=True)
class Variable:
    """One tensor that the objective depends on: a parameter of a node, or an input of the network."""

    node: str
    """Node, or input."""

    param: str | None
    """None for an input."""

    shape: Shape
    start: int = 0
    """Where a parameter begins in the flat vector."""

    frozen: int | None = None
    """A row that never learns, and therefore stays."""

    @property
    def size(self) -> int:
        """How many entries it has."""
        return size_of(self.shape)

    def values(self, posed: Posed) -> Array:
        """Its entries, flat."""
        if self.param is None:
            return posed.examples.inputs[self.node].reshape(-1)
        return posed.parameters[self.start : self.start + self.size]

    def move(self, posed: Posed, change: Array) -> Move:
        """The direction that changes its entries by so much, and nothing else."""
        if self.param is None:
            return Move(inputs={self.node: change.reshape(self.shape)})
        everything = np.zeros_like(posed.parameters)
        everything[self.start : self.start + self.size] = change
        return Move(everything)

    def random_change(self, posed: Posed, generator: np.random.Generator) -> Array:
        """Both signs and different lengths: with equal ones, two entries that were swapped would often go unseen."""
        signs = generator.integers(0, 2, self.size) * 2 - 1
        change: Array = signs * generator.uniform(0.5, 1.5, self.size) * self.scale(posed)
        if self.frozen is not None:
            change.reshape(self.shape)[self.frozen] = 0.0
        return change

    def scale(self, posed: Posed) -> float:
        """How far its entries are moved by a unit of a direction: their root mean square."""
        values = self.values(posed)
        largest = float(np.abs(values).max(initial=0))
        # Scaled, since squares of numbers beyond 1e154 overflow.
        return (
            max(largest * float(np.sqrt(np.mean(np.square(values / largest)))), LEAST_SCALE) if largest else LEAST_SCALE
        )


def parameters_of(posed: Posed) -> list[Variable]:
    """Every parameter tensor."""
    return [Variable(piece.node, piece.name, piece.shape, piece.start, piece.frozen) for piece in posed.graph.layout]


def inputs_of(posed: Posed) -> list[Variable]:
    """Every input that has a gradient: whole numbers have none."""
    inputs = posed.examples.inputs
    return [
        Variable(name, None, inputs[name].shape) for name, spec in posed.graph.inputs.items() if spec.dtype == "float"
    ]


def joint_move(posed: Posed, variables: Sequence[Variable], generator: np.random.Generator) -> Move:
    """A random direction over several parameter tensors at once."""
    change = np.zeros_like(posed.parameters)
    for variable in variables:
        change[variable.start : variable.start + variable.size] = variable.random_change(posed, generator)
    return Move(change)
