"""The ends of the spectrum and the trace of a symmetric matrix that is known only by its products with vectors."""

from collections.abc import Callable

import numpy as np

from core.arrays import Array, Model

TOLERANCE = 1e-9
"""Residual, in units of the largest |eigenvalue|, at which an eigenvalue is taken as found; its own error is about
the square of that."""

_CHECK_EVERY = 5

Product = Callable[[Array], Array]


class Eigenvalue(Model):
    """One eigenvalue with how well it is known."""

    value: float
    residual: float
    """|H v − value · v| for its vector v of length 1: some eigenvalue is no further away than this."""


class Ends(Model):
    """Both ends of a spectrum, each from the outside inwards; of equal eigenvalues some may be missing."""

    largest: list[Eigenvalue]
    smallest: list[Eigenvalue]
    steps: int
    """Products that were taken."""

    converged: bool
    """Whether every residual is within 1e-9 of the largest |eigenvalue|; else more steps would tell more."""


class TraceEstimate(Model):
    """Mean of vᵀ H v over random signs v, whose expectation is the trace (Hutchinson 1990)."""

    estimate: float
    standard_error: float
    """Of the estimate: the standard deviation of one probe over the root of their number."""

    probes: int


def ends_of_spectrum(product: Product, size: int, count: int, generator: np.random.Generator, *, steps: int) -> Ends:
    """The `count` largest and smallest eigenvalues by Lanczos' iteration with full re-orthogonalization.

    Every new vector is made orthogonal to all before it, twice: in exact arithmetic it would be so by itself, and
    without it the same eigenvalue is found again and again. Where the vectors have closed under H, a random one
    goes on from there. With as many steps as there are dimensions everything is found.

    Source: Golub and Van Loan 2013, "Matrix Computations", algorithm 10.1.1 and section 10.3.5.
    """
    steps = min(steps, size)
    basis = np.zeros((steps, size))
    diagonal, beside = np.zeros(steps), np.zeros(steps)
    vector = _unit(generator.normal(size=size))
    found = Ends(largest=[], smallest=[], steps=0, converged=False)
    for step in range(steps):
        basis[step] = vector
        image = product(vector)
        diagonal[step] = image @ vector
        rest = _orthogonal(image, basis[: step + 1])
        beside[step] = np.linalg.norm(rest)
        scale = np.abs(diagonal[: step + 1]).max() + beside[: step + 1].max()
        closed = beside[step] <= 16 * np.finfo(np.float64).eps * scale
        done = step + 1
        if done == steps or (done >= 2 * count and done % _CHECK_EVERY == 0):
            found = _read(diagonal[:done], beside[:done], count, whole=done == size)
            if found.converged:
                return found
        if done < steps:
            vector = _unit(_orthogonal(generator.normal(size=size), basis[:done]) if closed else rest)
    return found


def trace_estimate(product: Product, size: int, probes: int, generator: np.random.Generator) -> TraceEstimate:
    """Mean and standard error over so many probes, two at least."""
    found = np.zeros(probes)
    for probe in range(probes):
        signs = generator.integers(0, 2, size) * 2.0 - 1.0
        found[probe] = signs @ product(signs)
    return TraceEstimate(
        estimate=float(found.mean()), standard_error=float(found.std(ddof=1) / probes**0.5), probes=probes
    )


def _read(diagonal: Array, beside: Array, count: int, *, whole: bool) -> Ends:
    """What the tridiagonal matrix of so many steps says about the ends."""
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    # A basis of the whole space has nothing beside it but rounding.
    residuals = np.zeros(len(values)) if whole else np.abs(beside[-1] * vectors[-1])
    ascending = [
        Eigenvalue(value=value, residual=residual)
        for value, residual in zip(values.tolist(), residuals.tolist(), strict=True)
    ]
    largest, smallest = ascending[::-1][:count], ascending[:count]
    within = TOLERANCE * float(np.abs(values).max())
    converged = all(one.residual <= within for one in (*largest, *smallest))
    return Ends(largest=largest, smallest=smallest, steps=len(diagonal), converged=converged)


def _orthogonal(vector: Array, basis: Array) -> Array:
    """The part of a vector that is orthogonal to the rows of a basis; once leaves what rounding has mixed in."""
    for _ in range(2):
        vector = vector - basis.T @ (basis @ vector)
    return vector


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))
