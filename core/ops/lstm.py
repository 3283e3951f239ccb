"""Long short-term memory."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from core.arrays import Array, Call, call
from core.calls import constant, logistic
from core.op import Site
from core.recurrent import Product, Recurrent, product


class Lstm(Recurrent):
    """h = o tanh(c) with c = f c' + i g, where c' and h' are those of the step before; x (L, d), y = h (L, units).

    i, f, o = σ(x Wx + h' Wh + b) and g = tanh(x Wx + h' Wh + b), each with a block of columns, in the order i, f, g, o:
    Wx (d, 4 units), Wh (units, 4 units), b (4 units,). The bias of f starts at 1, so that a cell at first remembers
    (Jozefowicz et al. 2015, section 2.2), the others at 0.

    Source: Hochreiter and Schmidhuber 1997, "Long short-term memory"; f from Gers et al. 2000, "Learning to forget".
    """

    op: Literal["lstm"] = "lstm"

    blocks: ClassVar[int] = 4
    biases: ClassVar[Mapping[str, float | tuple[float, ...]]] = {"b": (0.0, 1.0, 0.0, 0.0)}
    explanation: ClassVar[str] = (
        "Reads a sequence step by step; gates decide what its cell takes in, keeps and shows: "
        "c = f c' + i g, h = o tanh(c)."
    )

    def forward(self, site: Site) -> Sequence[Call]:
        z, m = _product(site), _memory(site)
        h, both = z.input("Wh"), site.scratch("both", m.doors[0].shape)
        taken_in, kept = both[: both.shape[0] // 2], both[both.shape[0] // 2 :]
        calls: list[Call] = [*z.load(), call(np.copyto, z.input("Wx")[:-1], self.in_order(site.x[0]))]
        for t in range(len(site.y)):
            calls += [
                call(z.W.T.dot, z.u[t], m.gates[t]),
                *logistic(m.logistic[t], m.logistic[t], m.total[t]),
                call(np.tanh, m.g[t], m.g[t]),
                call(np.multiply, m.doors[t], m.behind[t], both),
                call(np.add, taken_in, kept, m.before[t + 1]),
                call(np.tanh, m.before[t + 1], m.shown[t]),
                call(np.multiply, m.o[t], m.shown[t], h[t + 1]),
            ]
        return [*calls, call(np.copyto, self.in_order(site.y), h[1:])]

    def backward(self, site: Site) -> Sequence[Call]:
        assert site.dy is not None
        z, m, dx, dy = _product(site), _memory(site), site.dx[0], self.in_order(site.dy)
        steps, units, examples = dy.shape
        dz, through = site.scratch("dz", (steps, 4 * units, examples)), site.scratch("through", dy.shape)
        dh, dc, part = (site.scratch(name, dy[0].shape) for name in ("dh", "dc", "part"))
        calls: list[Call] = [*_slopes(m, dz, through)]
        for t in reversed(range(steps)):
            slopes = dz[t].reshape(4, units, examples)
            if t + 1 < steps:
                calls += [
                    call(z.rows(z.W, "Wh").dot, dz[t + 1], dh),
                    call(np.add, dh, dy[t], dh),
                    call(np.multiply, dc, m.f[t + 1], dc),
                    call(np.multiply, dh, through[t], part),
                    call(np.add, dc, part, dc),
                ]
            else:
                calls += [call(np.copyto, dh, dy[t]), call(np.multiply, dh, through[t], dc)]
            calls += [call(np.multiply, slopes[0], dh, slopes[0]), call(np.multiply, slopes[1:], dc, slopes[1:])]
        if dx is not None:
            calls.append(call(np.matmul, z.rows(z.W, "Wx"), dz, self.in_order(dx)))
        return [*calls, *z.gradients(dz)]


class _Memory(NamedTuple):
    """What forward keeps of each step: parts of one array (L + 1, 5 units, n), such that few calls reach over many.

    From top to bottom it is o, i, f, g and the cell before the step; one step more holds the cell after the last.
    """

    gates: Array
    """o, i, f and g: first z, then what the activations make of it in place."""

    logistic: Array
    """o, i and f."""

    doors: Array
    """i and f."""

    behind: Array
    """What the doors let through: g and the cell before the step."""

    o: Array
    i: Array
    f: Array
    g: Array
    before: Array
    """The cell before the step."""

    total: Array
    """1 + exp(z) of o, i and f, (L, 3 units, n)."""

    shown: Array
    """tanh of the cell after the step, (L, units, n)."""


def _memory(site: Site) -> _Memory:
    steps, units, examples = site.y.shape
    memory = site.scratch("memory", (steps + 1, 5 * units, examples))
    o, i, f, g, before = (memory[:, start * units : (start + 1) * units] for start in range(5))
    return _Memory(
        gates=memory[:, : 4 * units],
        logistic=memory[:, : 3 * units],
        doors=memory[:, units : 3 * units],
        behind=memory[:, 3 * units :],
        o=o,
        i=i,
        f=f,
        g=g,
        before=before,
        total=site.scratch("total", (steps, 3 * units, examples)),
        shown=site.scratch("shown", (steps, units, examples)),
    )


def _product(site: Site) -> Product:
    """z in the order o, i, f, g: so what is logistic lies together, and the two doors of the cell lie together."""
    return product(site, ("Wx", "Wh", "b"), (3, 0, 1, 2))


def _slopes(m: _Memory, dz: Array, through: Array) -> Sequence[Call]:
    """Calls that write what dh (for o) and dc (for i, f, g) are multiplied by into `dz`, and dc/dh into `through`.

    For all steps at once, since nothing of it depends on later steps: tanh(c) σ'(o), g σ'(i), c' σ'(f), i (1 − g²), and
    o (1 − tanh² c).
    """
    units, one = through.shape[1], constant(1.0, dz)
    of_g = dz[:, 3 * units :]
    return [
        call(np.divide, m.logistic[:-1], m.total, dz[:, : 3 * units]),
        call(np.multiply, dz[:, :units], m.shown, dz[:, :units]),
        call(np.multiply, dz[:, units : 3 * units], m.behind[:-1], dz[:, units : 3 * units]),
        call(np.multiply, m.g[:-1], m.g[:-1], of_g),
        call(np.subtract, one, of_g, of_g),
        call(np.multiply, of_g, m.i[:-1], of_g),
        call(np.multiply, m.shown, m.shown, through),
        call(np.subtract, one, through, through),
        call(np.multiply, through, m.o[:-1], through),
    ]
