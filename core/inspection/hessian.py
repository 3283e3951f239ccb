"""Second derivatives of the objective: along a direction, exact to rounding, and as a matrix where it is small."""

import numpy as np

from core.arrays import Array
from core.inspection.batch import Posed
from core.inspection.objective import flat_gradient

STEP = 1e-30
"""It takes no difference, so it can be so small that its square is nothing."""


def hessian_product(posed: Posed, direction: Array) -> Array:
    """H v with v = `direction`, both (graph.parameter_count,), H the second derivatives of the objective.

    The gradient is computed with complex parameters: g(θ + i s v) = g(θ) + i s H v − O(s²), so H v = Im g / s for
    an s whose square vanishes beside 1. Penalties are part of the objective. On a kink, such as that of a ReLU, the
    slope counts as constant.

    Source: Squire and Trapp 1998, "Using complex variables to estimate derivatives of real functions", eq. 6, taken
    of a gradient.
    """
    longest = float(np.abs(direction).max(initial=0.0))
    if not longest:
        return np.zeros_like(direction)
    parameters = posed.parameters.astype(np.complex128)
    parameters[: len(direction)] += 1j * STEP * (direction / longest)
    gradient = flat_gradient(posed.graph, parameters, posed.run(parameters))
    with np.errstate(all="ignore"):
        product: Array = gradient[: len(direction)].imag / STEP * longest
    return product


def hessian(posed: Posed) -> Array:
    """H (p, p), column by column; the mean with its transpose, from which it differs by rounding."""
    columns = np.array([hessian_product(posed, unit) for unit in np.eye(posed.graph.parameter_count)])
    with np.errstate(all="ignore"):
        return np.asarray((columns + columns.T) / 2)
