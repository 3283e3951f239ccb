"""Penalties on weights: what they add to the objective, and the pull they add to the gradient."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Model, at_least_double, call

STRETCH = 32_768
"""Entries a work array holds: large tensors are walked in stretches, so that a penalty costs no second copy of them."""


class Penalty(Model):
    """L2 = ½ · strength · Σw², or L1 = strength · Σ|w|, over the weights it names.

    They are −log of a Gaussian and a Laplace prior on the weights. L2 pulls by strength · w, which shrinks; L1 by
    strength · sign(w), with sign(0) = 0, which makes weights exactly zero.
    """

    kind: Literal["l1", "l2"]

    strength: Annotated[float, Field(ge=0)]
    """Factor λ of the sum."""

    params: Annotated[list[str], Field(max_length=10_000)] | None = None
    """Tensors as `node.param`, e.g. `d1.W`; left out, every weight but no bias."""

    def value(self, weights: Array, total: Array) -> Sequence[Call]:
        """Calls that add the penalty of `weights` to `total`, a 0-d array of float64 or complex128."""
        strength = 0.5 * self.strength if self.kind == "l2" else self.strength
        precise = at_least_double(weights.dtype)
        part, factor, work = np.zeros((), precise), np.asarray(strength, precise), _work(weights)
        calls: list[Call] = []
        for w in _stretches(weights):
            filled = work[: w.size]
            calls += [
                *(_square(w, filled) if self.kind == "l2" else _magnitude(w, filled)),
                call(np.add.reduce, filled, None, precise, part),
                call(np.multiply, part, factor, part),
                call(np.add, total, part, total),
            ]
        return calls

    def gradient(self, weights: Array, out: Array) -> Sequence[Call]:
        """Calls that add d penalty / d weights to `out`, which has the shape of `weights`."""
        factor, work = np.asarray(self.strength, weights.dtype), _work(weights)
        calls: list[Call] = []
        for w, d in zip(_stretches(weights), _stretches(out), strict=True):
            pull = work[: w.size]
            direction = [] if self.kind == "l2" else [call(np.sign, w.real, pull)]
            source = w if self.kind == "l2" else pull
            calls += [*direction, call(np.multiply, source, factor, pull), call(np.add, d, pull, d)]
        return calls


def _work(tensor: Array) -> Array:
    return np.zeros(min(STRETCH, tensor.size), tensor.dtype)


def _stretches(tensor: Array) -> list[Array]:
    """Views that cover the tensor, in order."""
    flat = tensor.reshape(-1)
    if flat.size and not np.shares_memory(flat, tensor):
        raise ValueError("a penalty needs a tensor that lies in one piece of memory")
    return [flat[start : start + STRETCH] for start in range(0, flat.size, STRETCH)]


def _square(w: Array, out: Array) -> list[Call]:
    return [call(np.multiply, w, w, out)]


def _magnitude(w: Array, out: Array) -> list[Call]:
    """|w|; for complex w its analytic continuation sign(Re w) · w, which the complex step needs."""
    if not np.iscomplexobj(w):
        return [call(np.absolute, w, out)]
    return [call(np.sign, w.real, out), call(np.multiply, w, out, out)]
