"""The gradient of each example's own loss."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from core.arrays import Array
from core.graph.interpreter import Pass, back_propagate, loss_slopes
from core.inspection.batch import Posed
from core.inspection.objective import flat_gradient


def example_gradients(posed: Posed, parameters: Array | None = None) -> Iterator[Array]:
    """∇ of the loss of each example alone, as of a batch of one, by all parameters (p,); penalties not included."""
    at = posed.parameters if parameters is None else parameters
    for row in range(posed.examples.rows):
        yield _flat(posed, at, _alone(posed, row).run(at))


def shares_of_examples(posed: Posed) -> Iterator[Array]:
    """What each example adds to the gradient of the whole batch's loss (p,): ∇ of its own loss / n for a mean."""
    done = posed.run(backward=False)
    slopes = loss_slopes(posed.graph, done)
    for row in range(posed.examples.rows):
        alone = _alone(posed, row).run(backward=False)
        with np.errstate(all="ignore"):
            back_propagate(posed.graph, alone, [(name, slope[row : row + 1]) for name, slope in slopes])
        yield _flat(posed, posed.parameters, alone)


def _alone(posed: Posed, row: int) -> Posed:
    return replace(posed, examples=posed.examples.take(np.array([row])))


def _flat(posed: Posed, parameters: Array, done: Pass) -> Array:
    gradient = flat_gradient(posed.graph, parameters, done, penalized=False)
    return gradient[: posed.graph.parameter_count]
