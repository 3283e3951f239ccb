"""Elman's recurrent layer."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np

from core.arrays import Array, Call, Shape, call
from core.calls import constant, larger
from core.op import Site
from core.recurrent import Product, Recurrent, product


class Rnn(Recurrent):
    """h[t] = f(x[t] Wx + h[t − 1] Wh + b); x (L, d), Wx (d, units), Wh (units, units), b (units,), y = h (L, units).

    Backward through the steps: dz[t] = f'(z[t]) (dy[t] + Wh dz[t + 1]).

    Source: Elman 1990, "Finding structure in time".
    """

    op: Literal["rnn"] = "rnn"

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """The f that makes the hidden state; with relu it can grow without bound."""

    blocks: ClassVar[int] = 1
    biases: ClassVar[Mapping[str, float | tuple[float, ...]]] = {"b": 0.0}
    explanation: ClassVar[str] = (
        "Reads a sequence step by step and remembers its last output: hₜ = f(xₜ Wx + hₜ₋₁ Wh + b), f tanh or relu."
    )

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        rectified: list[tuple[Self, list[Shape]]] = [
            (cls(units=3, nonlinearity="relu"), [(4, 2)]),
            (cls(units=2, nonlinearity="relu", reverse=True), [(3, 1)]),
        ]
        return [*super().examples(), *rectified]

    def forward(self, site: Site) -> Sequence[Call]:
        z = _product(site)
        h = z.input("Wh")
        calls: list[Call] = [*z.load(), call(np.copyto, z.input("Wx")[:-1], self.in_order(site.x[0]))]
        for t in range(len(site.y)):
            calls += [call(z.W.T.dot, z.u[t], h[t + 1]), self._activation(h[t + 1])]
        return [*calls, call(np.copyto, self.in_order(site.y), h[1:])]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        z, dx, dy = _product(site), site.dx[0], self.in_order(site.dy)
        weights, dz, dh = z.rows(z.W, "Wh"), site.scratch("dz", dy.shape), site.scratch("dh", dy[0].shape)
        calls: list[Call] = [*self._slopes(z.input("Wh")[1:], dz, site), call(np.multiply, dz[-1], dy[-1], dz[-1])]
        for t in reversed(range(len(dz) - 1)):
            calls += [
                call(weights.dot, dz[t + 1], dh),
                call(np.add, dh, dy[t], dh),
                call(np.multiply, dz[t], dh, dz[t]),
            ]
        if dx is not None:
            calls.append(call(np.matmul, z.rows(z.W, "Wx"), dz, self.in_order(dx)))
        return [*calls, *z.gradients(dz)]

    def kinks(self, site: Site) -> Sequence[Callable[[], Array]]:
        return [partial(np.greater, site.y.real, 0.0)] if self.nonlinearity == "relu" else []

    def _activation(self, h: Array) -> Call:
        if self.nonlinearity == "tanh":
            return call(np.tanh, h, h)
        return larger(h, np.zeros(h.shape, h.dtype), h)

    def _slopes(self, h: Array, out: Array, site: Site) -> Sequence[Call]:
        """Calls that write f' of every step into `out`, as its value tells it: 1 − h², or 1 where h > 0."""
        if self.nonlinearity == "tanh":
            return [call(np.multiply, h, h, out), call(np.subtract, constant(1.0, h), out, out)]
        positive = site.scratch("positive", h.shape, np.bool_)
        return [call(np.greater, h.real, constant(0.0, h.real), positive), call(np.copyto, out, positive)]


def _product(site: Site) -> Product:
    return product(site, ("Wx", "Wh", "b"), (0,))
