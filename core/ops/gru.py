"""Gated recurrent unit."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, logistic
from core.op import Site
from core.recurrent import Product, Recurrent, product


class Gru(Recurrent):
    """h = (1 − z) n + z h' with n = tanh(x Wxn + bxn + r (h' Whn + bhn)), h' being that of the step before.

    r, z = σ(x Wx + bx + h' Wh + bh). Each of r, z, n has a block of columns, in this order: x (L, d), Wx (d, 3 units),
    Wh (units, 3 units), bx and bh (3 units,), y = h (L, units). The reset r acts behind the product with Whn, so that
    it is one product with the others.

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder–decoder", eq. 5–8, in the form of cuDNN.
    """

    op: Literal["gru"] = "gru"

    blocks: ClassVar[int] = 3
    biases: ClassVar[Mapping[str, float | tuple[float, ...]]] = {"bx": 0.0, "bh": 0.0}
    explanation: ClassVar[str] = (
        "Reads a sequence step by step; a gate z decides how much of its state stays, r how much makes the new one: "
        "h = (1−z) n + z h', n = tanh(x Wxn + bxn + r (h' Whn + bhn))."
    )

    def forward(self, site: Site) -> Sequence[Call]:
        of_x, of_h = _products(site)
        m, h = _memory(site), of_h.input("Wh")
        part = site.scratch("part", m.n[0].shape)
        calls: list[Call] = [
            *of_x.load(),
            *of_h.load(),
            call(np.copyto, of_x.input("Wx")[:-1], self.in_order(site.x[0])),
            call(np.matmul, of_x.W.T, of_x.u[:-1], m.gates),
        ]
        for t in range(len(site.y)):
            calls += [
                call(of_h.W.T.dot, of_h.u[t], m.recalled[t]),
                call(np.add, m.logistic[t], m.recalled_gates[t], m.logistic[t]),
                *logistic(m.logistic[t], m.logistic[t], m.total[t]),
                call(np.multiply, m.r[t], m.recalled_state[t], part),
                call(np.add, m.n[t], part, m.n[t]),
                call(np.tanh, m.n[t], m.n[t]),
                # n + z (h' − n): one product less than (1 − z) n + z h'.
                call(np.subtract, h[t], m.n[t], m.change[t]),
                call(np.multiply, m.z[t], m.change[t], part),
                call(np.add, m.n[t], part, h[t + 1]),
            ]
        return [*calls, call(np.copyto, self.in_order(site.y), h[1:])]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        of_x, of_h = _products(site)
        m, dx, dy = _memory(site), site.dx[0], self.in_order(site.dy)
        steps, units, examples = dy.shape
        dz = site.scratch("dz", (steps, 4 * units, examples))
        dh, part = (site.scratch(name, dy[0].shape) for name in ("dh", "part"))
        calls: list[Call] = [*_slopes(m, dz)]
        for t in reversed(range(steps)):
            slopes = dz[t].reshape(4, units, examples)
            if t + 1 < steps:
                calls += [
                    call(np.multiply, dh, m.z[t + 1], part),
                    call(of_h.rows(of_h.W, "Wh").dot, dz[t + 1, units:], dh),
                    call(np.add, dh, part, dh),
                    call(np.add, dh, dy[t], dh),
                ]
            else:
                calls.append(call(np.copyto, dh, dy[t]))
            calls.append(call(np.multiply, slopes, dh, slopes))
        if dx is not None:
            calls.append(call(np.matmul, of_x.rows(of_x.W, "Wx"), dz[:, : 3 * units], self.in_order(dx)))
        return [*calls, *of_x.gradients(dz[:, : 3 * units]), *of_h.gradients(dz[:, units:])]


class _Memory(NamedTuple):
    """What forward keeps of each step; every array is (L, …, n)."""

    gates: Array
    """n, r and z: first what x brings to them, then what they are."""

    logistic: Array
    """r and z."""

    n: Array
    r: Array
    z: Array
    recalled: Array
    """h' Wh + bh, in the order r, z, n."""

    recalled_gates: Array
    """Its part for r and z."""

    recalled_state: Array
    """Its part for n, which r multiplies."""

    total: Array
    """1 + exp of what the logistic of r and z is taken of, (L, 2 units, n)."""

    change: Array
    """h' − n."""


def _memory(site: Site) -> _Memory:
    steps, units, examples = site.y.shape
    gates = site.scratch("gates", (steps, 3 * units, examples))
    recalled = site.scratch("recalled", gates.shape)
    return _Memory(
        gates=gates,
        logistic=gates[:, units:],
        n=gates[:, :units],
        r=gates[:, units : 2 * units],
        z=gates[:, 2 * units :],
        recalled=recalled,
        recalled_gates=recalled[:, : 2 * units],
        recalled_state=recalled[:, 2 * units :],
        total=site.scratch("total", (steps, 2 * units, examples)),
        change=site.scratch("change", site.y.shape),
    )


def _products(site: Site) -> tuple[Product, Product]:
    """What x brings, in the order n, r, z, and what h' brings, in the order r, z, n.

    So the gradients n, r, z and, behind r, n once more lie in one array, of which each product takes three blocks.
    """
    return product(site, ("Wx", "bx"), (2, 0, 1)), product(site, ("Wh", "bh"), (0, 1, 2))


def _slopes(m: _Memory, dz: Array) -> Sequence[Call]:
    """Calls that write what dh is multiplied by into `dz`, for all steps at once.

    For n as x reaches it (1 − z) (1 − n²); for r that times (h' Whn + bhn) σ'(r); for z (h' − n) σ'(z); for n as h'
    reaches it the first times r.
    """
    units, one = m.n.shape[1], constant(1.0, dz)
    by_x, by_h = dz[:, :units], dz[:, 3 * units :]
    of_r, of_z, both = dz[:, units : 2 * units], dz[:, 2 * units : 3 * units], dz[:, units : 3 * units]
    return [
        call(np.multiply, m.n, m.n, by_x),
        call(np.subtract, one, by_x, by_x),
        call(np.subtract, one, m.z, by_h),
        call(np.multiply, by_x, by_h, by_x),
        call(np.divide, m.logistic, m.total, both),
        call(np.multiply, of_r, m.recalled_state, of_r),
        call(np.multiply, of_r, by_x, of_r),
        call(np.multiply, of_z, m.change, of_z),
        call(np.multiply, by_x, m.r, by_h),
    ]
