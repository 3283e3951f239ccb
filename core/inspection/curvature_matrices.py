"""The Hessian and the Gauss-Newton matrix of a small network, entry by entry."""

from dataclasses import dataclass

import numpy as np

from core.arrays import Array, size_of
from core.inspection.batch import Posed
from core.inspection.hessian import STEP
from core.inspection.objective import flat_gradient

MOST_PARAMETERS = 500

MOST_SLOPES = 10_000_000
"""Derivatives of outputs by parameters that are held."""


@dataclass(frozen=True)
class Matrices:
    """Second derivatives of the objective by P parameters; rows and columns of what never learns are 0."""

    hessian: Array
    """(P, P), of loss and penalties."""

    gauss_newton: Array
    """G = Σ Jᵀ H_L J over the loss terms (P, P): J are the derivatives of what a term judges, H_L its own second
    derivatives. It is the Hessian without what the network itself bends; penalties are left out."""

    asymmetry: float
    """The largest |H − Hᵀ|, which is rounding where the gradients are right."""


def is_small(posed: Posed) -> bool:
    """Whether the matrices can be had in a pass for each parameter."""
    parameters = posed.graph.parameter_count
    outputs = sum(size_of(posed.graph.shape_of(str(loss.input))) for loss in posed.graph.losses)
    return parameters <= MOST_PARAMETERS and parameters * outputs * posed.examples.rows <= MOST_SLOPES


def matrices(posed: Posed, learns: Array) -> Matrices:
    """One pass with complex parameters for each of them: it gives a row of the Hessian, of J and of H_L J at once.

    `learns` (P,) is 0 for entries that never learn, else 1.

    Source: Schraudolph 2002, "Fast Curvature Matrix-Vector Products for Second-Order Gradient Descent", section 2.4.
    """
    with np.errstate(all="ignore"):
        rows = [_derivatives(posed, index) for index in range(len(learns))]
        return _of_rows(rows, learns)


def _of_rows(rows: list[tuple[Array, Array, Array]], learns: Array) -> Matrices:
    hessian, jacobian, bent = (np.array(part) for part in zip(*rows, strict=True))
    both = np.outer(learns, learns)
    hessian, gauss_newton = hessian * both, jacobian @ bent.T * both
    asymmetry = float(np.abs(hessian - hessian.T).max())
    return Matrices(_symmetric(hessian), _symmetric(gauss_newton), asymmetry)


def _derivatives(posed: Posed, index: int) -> tuple[Array, Array, Array]:
    """By one parameter: of the gradient, of all that the loss terms judge, and of their slopes there."""
    parameters = posed.parameters.astype(np.complex128)
    parameters[index] += 1j * STEP
    done = posed.run(parameters)
    gradient = flat_gradient(posed.graph, parameters, done)[: posed.graph.parameter_count]
    judged = np.concatenate([site.y.reshape(-1) for site in done.loss_sites])
    slopes = np.concatenate([site.dy.reshape(-1) for site in done.loss_sites if site.dy is not None])
    return gradient.imag / STEP, judged.imag / STEP, slopes.imag / STEP


def _symmetric(matrix: Array) -> Array:
    return np.asarray((matrix + matrix.T) / 2)
