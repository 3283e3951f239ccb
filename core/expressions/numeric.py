"""Derivatives of a formula by measuring differences: an independent witness for the exact ones."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.expressions.graph import Graph, Node, Undefined, evaluate
from core.expressions.operations import OPERATIONS

_EPSILON: Final = sys.float_info.epsilon
# For a formula of order 4 the error of cutting the series off, h⁴, and that of rounding, eps / h, meet here.
_FIRST_STEP: Final = _EPSILON ** (1 / 5)
_SHRINK: Final = 8.0
_LEVELS: Final = 6
_GOOD_ENOUGH: Final = 1e-10
_ROUNDING_ALLOWANCE: Final = 1e6
"""Differences below 1e6 times the rounding of the measurement itself are not told from agreement (to 1e-6)."""


@dataclass(frozen=True)
class Estimate:
    """A measured derivative to one variable."""

    derivative: float
    step: float
    floor: float
    """Gradients below this size cannot be measured to six digits; relative errors are taken against it."""

    kinks: frozenset[str]
    """Ids of the nodes that are not smooth between the points that were measured."""


def central_difference(graph: Graph, at: Mapping[str, float], variable: str) -> Estimate | None:
    """d output / d variable from values on both sides, the step made smaller until two orders agree.

    None where the formula is not defined on both sides however near.
    """
    best: tuple[float, Estimate] | None = None
    step = _FIRST_STEP * max(1.0, abs(at[variable]))
    for _ in range(_LEVELS):
        measured = _measure(graph, at, variable, step)
        if measured is not None:
            disagreement, estimate = measured
            if best is None or disagreement < best[0]:
                best = measured
            if disagreement <= _GOOD_ENOUGH * abs(estimate.derivative):
                break
        step /= _SHRINK
    return best[1] if best else None


def relative_error(exact: float, estimate: Estimate) -> float:
    """|exact - measured| over the larger of the two, or over what can be measured at all if both are below it."""
    if exact == estimate.derivative:
        return 0.0
    return abs(exact - estimate.derivative) / max(abs(exact), abs(estimate.derivative), estimate.floor)


def kinks(graph: Graph, values: Sequence[float]) -> list[str]:
    """Ids of the nodes that sit exactly on a kink, where one slope had to be chosen."""
    found = []
    for vertex in graph.vertices:
        if not isinstance(vertex, Node) or not any(vertex.varies):
            continue
        on_kink = OPERATIONS[vertex.op].on_kink
        if on_kink is not None and on_kink(tuple(values[operand] for operand in vertex.operands)):
            found.append(vertex.id)
    return found


def _measure(graph: Graph, at: Mapping[str, float], variable: str, step: float) -> tuple[float, Estimate] | None:
    """Richardson's combination of two central differences, and how far it is from the finer of them."""
    try:
        near, far = (_both_sides(graph, at, variable, step * width) for width in (0.5, 1.0))
    except Undefined:
        return None
    fine, coarse = near.slope, far.slope
    combined = fine + (fine - coarse) / 3
    if not math.isfinite(combined):
        return None
    noise = _EPSILON * far.largest / step
    estimate = Estimate(combined, step, _ROUNDING_ALLOWANCE * noise, near.kinks | far.kinks)
    return abs(combined - fine), estimate


@dataclass(frozen=True)
class _Sides:
    slope: float
    largest: float
    kinks: frozenset[str]


def _both_sides(graph: Graph, at: Mapping[str, float], variable: str, step: float) -> _Sides:
    above, below = at[variable] + step, at[variable] - step
    values_above, values_below = (evaluate(graph, {**at, variable: x}) for x in (above, below))
    # above - below is what was really taken, after rounding; 2 * step is what was meant.
    slope = (values_above[graph.output] - values_below[graph.output]) / (above - below)
    sizes = (abs(value) for value, vertex in zip(values_above, graph.vertices, strict=True) if isinstance(vertex, Node))
    return _Sides(slope, max(sizes, default=abs(above)), _crossed(graph, values_above, values_below))


def _crossed(graph: Graph, one: Sequence[float], other: Sequence[float]) -> frozenset[str]:
    """Ids of the nodes that are on different smooth pieces in two evaluations."""
    found = set()
    for vertex in graph.vertices:
        if isinstance(vertex, Node) and (branch := OPERATIONS[vertex.op].branch) is not None:
            sides = [branch(tuple(values[operand] for operand in vertex.operands)) for values in (one, other)]
            if sides[0] != sides[1]:
                found.add(vertex.id)
    return frozenset(found)
