"""Are the gradients right? Back-propagation against differences of the objective that know nothing of it."""

from collections import Counter
from dataclasses import asdict
from typing import ClassVar, Literal

import numpy as np

from core.arrays import Model
from core.errors import Invalid, Problem
from core.graph.graph import Graph
from core.inspection.batch import BatchQuestion, Posed
from core.inspection.directions import Comparison, Move, Point, Variable, inputs_of, joint_move, parameters_of
from core.inspection.effort import CALLING, MOST_OPERATIONS
from core.inspection.objective import total
from core.inspection.question import Library
from core.inspection.worst import Entry, worst_entries

TOLERANCE = 1e-6
DIRECTIONS = 3
"""Random directions over all parameters together, and again over each tensor alone."""

_PASSES = 24
"""Forward passes of one direction, about."""

_MOVING = 10
"""Operations that could be done in the time it takes to move a parameter, which is written to memory and read."""


class Direction(Model):
    """The derivative of the objective along one random direction over all parameters."""

    analytic: float | None
    """Gradient times direction; null where the gradient is not finite, which counts as an error of 1."""

    numeric: float
    relative_error: float
    uncertainty: float
    """The smallest relative error that this measurement could have told from rounding."""

    step: float


class TensorCheck(Model):
    """The worst of three random directions over one tensor."""

    node: str
    """Node, or input of the network."""

    param: str | None
    """null for an input."""

    relative_error: float | None
    """null where every direction met a kink."""

    uncertainty: float | None
    """The smallest relative error that could have been told from rounding."""

    worst: list[Entry]
    """Of a failing tensor: its entries with the largest relative errors, at most 20."""


class Kink(Model):
    """A node, loss term or penalty that is not smooth within the smallest step, so that the slope says nothing."""

    name: str
    directions: int
    """In how many of the directions that were tried."""


class GradientCheckAnswer(Model):
    """Whether back-propagation agrees with differences, and where it does not.

    relative_error = |numeric − analytic| / max(|numeric|, |analytic|, |g ⊙ v|, u / tolerance), where |g ⊙ v| is the
    length of the gradient along the direction entry by entry (a sum that cancels by chance is not held to its
    small remainder), and u the uncertainty of the numeric value (a gradient of 0, as at a perfect fit, is not held
    to rounding). `uncertainty` says how much each measurement could have told: above the tolerance, nothing.
    """

    passed: bool
    """Whether every error is within the tolerance, and at least one direction could be measured."""

    max_relative_error: float | None
    tolerance: float
    directions: list[Direction]
    tensors: list[TensorCheck]
    inputs: list[TensorCheck]
    """The same for the inputs of the network that have a gradient."""

    kinks: list[Kink]
    """Directions across a kink are counted here and judged nowhere."""


class GradientCheck(BatchQuestion):
    """The proof of the gradients of one batch.

    `include` may name `params` and `inputs`, which is also what is checked when it is left out; the other parts that
    `gradients` can give have nothing to check. With `summary` no entries are listed.
    """

    question: Literal["gradient-check"] = "gradient-check"

    sentence: ClassVar[str] = (
        "Do the gradients agree with central differences, along random directions and tensor by tensor?"
    )

    def answer(self, library: Library) -> GradientCheckAnswer:
        """Raises Invalid, also when there is nothing to differentiate."""
        posed = self.pose(library)
        if not posed.has_targets:
            detail = "a check needs targets: without them there is no loss whose gradient could be checked"
            raise Invalid([Problem(self.targets_place, detail)])
        wanted = {"params", "inputs"} if self.include is None else set(self.include)
        if not wanted & {"params", "inputs"}:
            raise Invalid([Problem("/include", "name what to check", allowed=["params", "inputs"])])
        self._check_cost(posed)
        return check(posed, params="params" in wanted, inputs="inputs" in wanted, lists_entries=not self.summary)

    def _check_cost(self, posed: Posed) -> None:
        """Raise Invalid when nobody would wait for the answer."""
        graph, rows = posed.graph, posed.examples.rows
        directions = DIRECTIONS * (1 + len(parameters_of(posed)) + len(inputs_of(posed)))
        of_none = operations(graph, 0, directions)
        of_example = operations(graph, 1, directions) - of_none
        if of_none + of_example * rows > MOST_OPERATIONS:
            most = int((MOST_OPERATIONS - of_none) / of_example)
            advice = f"{most} would do" if most > 0 else "it has too many tensors"
            detail = f"a check of this network takes too long for {rows} examples; {advice}"
            raise Invalid([Problem(self.examples_place, detail)])


def operations(graph: Graph, rows: int, directions: int) -> float:
    """Floating-point operations, or the time of as many, that it takes to measure so many directions."""
    of_example = sum(node.op.flops(node.input_shapes) for node in graph.nodes)
    of_pass = float(rows) * of_example + CALLING * len(graph.nodes) + _MOVING * graph.parameter_count
    return _PASSES * directions * of_pass


def check(
    posed: Posed,
    *,
    params: bool = True,
    inputs: bool = True,
    tensors: bool = True,
    directions: int = DIRECTIONS,
    lists_entries: bool = True,
) -> GradientCheckAnswer:
    """The check of a question that has been looked up and found whole; without `tensors`, of all parameters together.

    Raises Invalid where the loss is not finite.
    """
    examiner = _Examiner(posed, directions, lists_entries)
    examiner.require_finite()
    variables = parameters_of(posed) if params else []
    together = examiner.directions(variables)
    of_tensors = [examiner.tensor(variable) for variable in variables] if tensors else []
    of_inputs = [examiner.tensor(variable) for variable in inputs_of(posed)] if inputs else []
    errors = [direction.relative_error for direction in together]
    errors += [found.relative_error for found in of_tensors + of_inputs if found.relative_error is not None]
    return GradientCheckAnswer(
        passed=bool(errors) and max(errors) <= TOLERANCE,
        max_relative_error=max(errors, default=None),
        tolerance=TOLERANCE,
        directions=together,
        tensors=of_tensors,
        inputs=of_inputs,
        kinks=[Kink(name=name, directions=count) for name, count in examiner.kinks.items()],
    )


class _Examiner:
    """Compares slopes and remembers which kinks were met on the way."""

    def __init__(self, posed: Posed, directions: int, lists_entries: bool) -> None:
        self.posed, self.point = posed, Point(posed, TOLERANCE)
        self._directions, self._lists_entries = directions, lists_entries
        self.kinks: Counter[str] = Counter()
        # Another stream than that of the parameters, which are drawn from the same seed.
        self._generator = np.random.default_rng([posed.seed, *b"gradient-check"])

    def require_finite(self) -> None:
        posed, done = self.posed, self.point.at
        if np.isfinite(total(posed.graph, posed.parameters, done)):
            return
        node = next((node.id for node in posed.graph.nodes if not np.isfinite(done.values[node.id]).all()), "the loss")
        detail = f"the loss is not finite, so that it has no gradient; the first value that is not finite is {node!r}"
        raise Invalid([Problem("/inputs", detail)])

    def directions(self, variables: list[Variable]) -> list[Direction]:
        """Random directions over all parameters together."""
        count = self._directions if variables else 0
        moves = (joint_move(self.posed, variables, self._generator) for _ in range(count))
        return [Direction.model_validate(asdict(found)) for found in map(self._compare, moves) if found]

    def tensor(self, variable: Variable) -> TensorCheck:
        """Random directions over one tensor and, when one fails, its entries."""
        changes = (variable.random_change(self.posed, self._generator) for _ in range(self._directions))
        moves = (variable.move(self.posed, change) for change in changes)
        found = [comparison for comparison in map(self._compare, moves) if comparison]
        error = max((comparison.relative_error for comparison in found), default=None)
        fails = error is not None and error > TOLERANCE
        return TensorCheck(
            node=variable.node,
            param=variable.param,
            relative_error=error,
            uncertainty=max((comparison.uncertainty for comparison in found), default=None),
            worst=worst_entries(self.point, variable, self._generator) if fails and self._lists_entries else [],
        )

    def _compare(self, move: Move) -> Comparison | None:
        found = self.point.compare(move)
        if isinstance(found, Comparison):
            return found
        self.kinks.update(found.names)
        return None
