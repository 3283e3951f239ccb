"""Self-attention."""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, batch_first, call
from core.calls import constant
from core.op import Op, ParameterShape, ShapeMismatch, Site
from core.rows import row_sum, shifted_exponentials
from core.sequences import sequence_shape

MOST_FITS = 100_000_000
"""Pairs of steps, times heads, of one example."""


class Attention(Op):
    """y = concat(A_h v_h) Wo with A_h = softmax(q_h k_hᵀ / √(d / heads)) for each head h; x and y are (L, d).

    q = x Wq, k = x Wk, v = x Wv, each cut along its last axis into `heads` parts; Wq, Wk, Wv and Wo are (d, d). It
    knows nothing of the order of the steps, except that with `causal` step t looks at steps 0 … t only: add `positions`
    before it.

    Examples come first in the work arrays: a product for each example and head wants the rows of its matrix together.

    Source: Vaswani et al. 2017, "Attention is all you need", eq. 1 and section 3.2.2.
    """

    op: Literal["attention"] = "attention"

    heads: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many parts of d / heads features attend on their own; must divide the features."""

    causal: bool = False
    """Whether a step looks at no step after it."""

    explanation: ClassVar[str] = (
        "Each step takes a mean of all steps' values, weighted by how well keys fit its query: softmax(q kᵀ/√d) v."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        return [
            (cls(), [(3, 2)]),
            (cls(heads=2), [(2, 4)]),
            (cls(heads=2, causal=True), [(3, 4)]),
            (cls(heads=2), [(1, 2)]),
        ]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        steps, features = sequence_shape(inputs)
        if features % self.heads:
            fitting = [count for count in range(1, min(features, 64) + 1) if features % count == 0]
            raise ShapeMismatch(f"cannot cut {features} features into {self.heads} heads: {fitting} would fit")
        if self.heads * steps * steps > MOST_FITS:
            raise ShapeMismatch(f"compares {steps:,} steps with one another in {self.heads} heads: too many pairs")
        return (steps, features)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        _, features = sequence_shape(inputs)
        return {name: ParameterShape((features, features), features, features) for name in ("Wq", "Wk", "Wv", "Wo")}

    def forward(self, site: Site) -> Sequence[Call]:
        m = self._memory(site)
        q, k, v = m.parts
        return [
            *self._load(site, m.weights),
            *m.gather,
            call(_rows(m.x).dot, m.weights, _rows(m.projected)),
            call(np.matmul, q, k.swapaxes(2, 3), m.fits),
            *([call(np.add, m.fits, _later_steps(m.fits), m.fits)] if self.causal else []),
            *shifted_exponentials(m.fits, m.fits, m.fits, m.total, axis=3),
            call(np.divide, m.fits, m.total, m.fits),
            call(np.matmul, m.fits, v, _by_head(m.mixed, self.heads)),
            call(np.matmul, site.params["Wo"].T, m.mixed.transpose(1, 2, 0), site.y),
        ]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        m, (dx,) = self._memory(site), site.dx
        q, k, v = m.parts
        dy, dmixed, part = (site.scratch(name, m.mixed.shape) for name in ("dy", "dmixed", "part"))
        dfits = site.scratch("dfits", m.fits.shape)
        by_head = (*part.shape[:2], self.heads, part.shape[2] // self.heads)
        inner = site.scratch("inner", (*by_head[:3], 1))
        dprojected = site.scratch("dprojected", m.projected.shape)
        dq, dk, dv = _queries_keys_values(dprojected, self.heads)
        dmixed_by_head = _by_head(dmixed, self.heads)
        calls: list[Call] = [
            call(np.copyto, dy, batch_first(site.dy)),
            call(_rows(dy).dot, site.params["Wo"].T, _rows(dmixed)),
            call(np.matmul, m.fits.swapaxes(2, 3), dmixed_by_head, dv),
            call(np.matmul, dmixed_by_head, v.swapaxes(2, 3), dfits),
            # Σ_j A_ij dA_ij = dmixed_i · mixed_i: a sum over d / heads features instead of L steps (Dao et al. 2022).
            call(np.multiply, dmixed, m.mixed, part),
            row_sum(part.reshape(by_head), 3, inner),
            call(np.subtract, dfits, inner.swapaxes(1, 2), dfits),
            call(np.multiply, dfits, m.fits, dfits),
            call(np.matmul, dfits, k, dq),
            call(np.matmul, dfits.swapaxes(2, 3), q, dk),
        ]
        if dx is not None:
            calls.append(call(np.matmul, m.weights, dprojected.transpose(1, 2, 0), dx))
        return [*calls, *self._gradients(site, m, dy, dprojected)]

    def flops(self, inputs: Sequence[Shape]) -> int:
        steps, features = sequence_shape(inputs)
        return 8 * steps * features * features + 4 * steps * steps * features

    def _gradients(self, site: Site, m: "_Memory", dy: Array, dprojected: Array) -> Sequence[Call]:
        """Calls that write the gradients of the parameters that are wanted."""
        calls: list[Call] = []
        wanted = [site.dparams[name] for name in ("Wq", "Wk", "Wv")]
        if any(place is not None for place in wanted):
            total = site.scratch("dW", m.weights.shape)
            calls.append(call(_rows(m.x).T.dot, _rows(dprojected), total))
            for place, part, scale in zip(wanted, np.split(total, 3, axis=1), self._scales(total), strict=True):
                if place is not None:
                    calls.append(call(np.multiply, part, scale, place))
        if (place := site.dparams["Wo"]) is not None:
            calls.append(call(_rows(m.mixed).T.dot, _rows(dy), place))
        return calls

    def _load(self, site: Site, weights: Array) -> Sequence[Call]:
        """Calls that write Wq, Wk and Wv side by side, the first divided by √(d / heads), into `weights`."""
        parts = zip(("Wq", "Wk", "Wv"), np.split(weights, 3, axis=1), self._scales(weights), strict=True)
        return [call(np.multiply, site.params[name], scale, part) for name, part, scale in parts]

    def _scales(self, weights: Array) -> tuple[Array, Array, Array]:
        one = constant(1.0, weights)
        return constant(1.0 / math.sqrt(len(weights) / self.heads), weights), one, one

    def _memory(self, site: Site) -> "_Memory":
        steps, features, examples = site.y.shape
        x, gather = batch_first(site.x[0]), []
        if not x.flags.c_contiguous or x.dtype != site.y.dtype:
            copy = site.scratch("x", (examples, steps, features))
            x, gather = copy, [call(np.copyto, copy, x)]
        projected = site.scratch("projected", (examples, steps, 3 * features))
        return _Memory(
            x=x,
            gather=gather,
            weights=site.scratch("W", (features, 3 * features)),
            projected=projected,
            parts=_queries_keys_values(projected, self.heads),
            fits=site.scratch("fits", (examples, self.heads, steps, steps)),
            total=site.scratch("total", (examples, self.heads, steps, 1)),
            mixed=site.scratch("mixed", (examples, steps, features)),
        )


class _Memory(NamedTuple):
    """What forward keeps, examples first."""

    x: Array
    """(n, L, d)."""

    gather: Sequence[Call]
    """Calls that write x, if it does not lie so already."""

    weights: Array
    """Wq, divided by √(d / heads), Wk and Wv side by side, (d, 3 d)."""

    projected: Array
    """q, k and v side by side, (n, L, 3 d)."""

    parts: tuple[Array, Array, Array]
    """Views of q, k and v as (n, heads, L, d / heads)."""

    fits: Array
    """A: how much step i takes of step j, (n, heads, L, L)."""

    total: Array
    """What it was divided by to add up to 1, (n, heads, L, 1)."""

    mixed: Array
    """The weighted means of values, heads side by side, (n, L, d)."""


def _rows(array: Array) -> Array:
    """The view (n · L, features) of a contiguous array (n, L, features)."""
    return array.reshape(-1, array.shape[-1])


def _by_head(array: Array, heads: int) -> Array:
    """The view (n, heads, L, d / heads) of an array (n, L, d)."""
    return array.reshape(*array.shape[:2], heads, -1).swapaxes(1, 2)


def _queries_keys_values(projected: Array, heads: int) -> tuple[Array, Array, Array]:
    """The views (n, heads, L, d / heads) of q, k and v in an array (n, L, 3 d)."""
    examples, steps, columns = projected.shape
    apart = projected.reshape(examples, steps, 3, heads, columns // 3 // heads)
    q, k, v = (apart[:, :, index].swapaxes(1, 2) for index in range(3))
    return q, k, v


def _later_steps(fits: Array) -> Array:
    """What makes exp(fit) exactly 0 for steps after the present one: half the least number there is, (L, L).

    No −inf, whose difference from itself is no number; half, so that a finite fit of the usual size stays finite.
    """
    return np.triu(np.full(fits.shape[2:], -np.finfo(fits.dtype).max / 2, fits.dtype), 1)
