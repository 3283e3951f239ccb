"""Ops that go through a sequence step by step and hand a hidden state on."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Shape, call
from core.op import Op, ParameterShape, ShapeMismatch, Site
from core.sequences import sequence_shape


class Recurrent(Op):
    """x (L, d), y (L, units): y[t] is the hidden state after step t, made of x[t] and y[t − 1]; before all it is 0.

    Wx is (d, blocks · units) and Wh (units, blocks · units), one block of columns for each gate, and every bias has
    an entry for each column.
    """

    units: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Width of the hidden state, which is the output; explicit `params` with Wh tell it too."""

    shaping: ClassVar[tuple[str, ...]] = ("units",)

    reverse: bool = False
    """Whether the last step comes first: y[t] then depends on x[t], x[t + 1], …, and stands at the same t."""

    blocks: ClassVar[int]
    """How many matrices Wx and Wh hold side by side."""

    biases: ClassVar[Mapping[str, float | tuple[float, ...]]]
    """What each bias starts at; several numbers are for as many blocks."""

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        given: list[tuple[dict[str, object], Shape]] = [
            ({"units": 2}, (3, 2)),
            ({"units": 3, "reverse": True}, (4, 2)),
            ({"units": 2}, (1, 3)),
            ({"units": 1}, (5, 1)),
        ]
        return [(cls.model_validate(fields), [shape]) for fields, shape in given]

    def settled(self) -> Self:
        """With the width that an explicit Wh has."""
        weights = (self.params or {}).get("Wh")
        if self.units is not None or weights is None or weights.ndim != 2:
            return self
        return self.model_copy(update={"units": len(weights)})

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        steps, _ = sequence_shape(inputs)
        return (steps, self._width())

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        _, features = sequence_shape(inputs)
        units = self._width()
        columns = self.blocks * units
        weights = {
            "Wx": ParameterShape((features, columns), features, units),
            "Wh": ParameterShape((units, columns), units, units),
        }
        return weights | {
            name: ParameterShape((columns,), features, units, is_bias=True, start=start)
            for name, start in self.biases.items()
        }

    @abstractmethod
    def forward(self, site: Site) -> Sequence[Call]:
        """The steps in order, a few calls for each."""

    @abstractmethod
    def backward(self, site: Site) -> Sequence[Call]:
        """The steps in reverse order (back-propagation through time), then what can be summed over all at once."""

    def in_order(self, array: Array) -> Array:
        """The view of an array (L, …) in which the step computed first is the first."""
        return array[::-1] if self.reverse else array

    def flops(self, inputs: Sequence[Shape]) -> int:
        steps, features = sequence_shape(inputs)
        return 2 * steps * (features + self._width()) * self.blocks * self._width()

    def _width(self) -> int:
        if self.units is None:
            raise ShapeMismatch("needs `units`, the width of its hidden state")
        return self.units


@dataclass(frozen=True)
class Product:
    """z[t] = Wᵀ u[t] for every step: weights one above the other with a bias as last row, and what they multiply.

    `W` is (k, columns). `u` is (L + 1, k, n), one step more than the sequence has: the hidden state of step t is
    written where step t + 1 reads it, and the first one stays 0. The last row of every u[t] is ones.
    """

    site: Site
    names: tuple[str, ...]
    """The parameters from top to bottom."""

    order: tuple[int, ...]
    """Which block of their columns comes first, second, … in `W`."""

    W: Array
    u: Array

    def rows(self, array: Array, name: str) -> Array:
        """The rows of `W` (or of such a matrix) that are the parameter of that name."""
        return array[self._slice(name)]

    def input(self, name: str) -> Array:
        """What the weights of that name multiply, for every step and one more: a part of `u`."""
        return self.u[:, self._slice(name)]

    def load(self) -> Sequence[Call]:
        """Calls that copy the parameters into `W`."""
        return [
            call(np.copyto, ours, theirs)
            for name in self.names
            for ours, theirs in self._blocks(self.rows(self.W, name), self.site.params[name])
        ]

    def gradients(self, dz: Array) -> Sequence[Call]:
        """Calls that write the gradients of the parameters that are wanted, from dz (L, columns, n)."""
        wanted = {name: place for name in self.names if (place := self.site.dparams[name]) is not None}
        if not wanted:
            return []
        total = self.site.scratch(f"d{self.names}", self.W.shape)
        calls = [*self._outer(dz, total)]
        for name, place in wanted.items():
            calls += [call(np.copyto, theirs, ours) for ours, theirs in self._blocks(self.rows(total, name), place)]
        return calls

    def _slice(self, name: str) -> slice:
        index = self.names.index(name)
        start = sum(len(self.site.params[above]) for above in self.names[:index])
        return slice(start, start + (1 if name == self.names[-1] else len(self.site.params[name])))

    def _blocks(self, ours: Array, theirs: Array) -> Sequence[tuple[Array, Array]]:
        """Pairs of equal parts of a parameter as it lies in `W` and as it lies by itself: runs of blocks of columns."""
        units = theirs.shape[-1] // len(self.order)
        return [
            (ours[..., start * units : stop * units], theirs[..., first * units : (first + stop - start) * units])
            for start, stop, first in _runs(self.order)
        ]

    def _outer(self, dz: Array, out: Array) -> Sequence[Call]:
        """Calls that write Σ u[t] dz[t]ᵀ over all steps into `out`.

        Copies with the steps side by side make it one product. In float32, L = 25, k = 35, 128 columns, n = 32 that
        takes 183 µs, products added up one by one 222; with k = 131 and 512 columns it is 1.7 against 2.2 ms.
        """
        calls, sides = [], []
        for array, name in ((self.u[:-1], "u"), (dz, "dz")):
            turned = array.swapaxes(0, 1)
            side = self.site.scratch(f"{name} side by side {self.names}", turned.shape)
            calls.append(call(np.copyto, side, turned))
            sides.append(side.reshape(len(side), -1))
        return [*calls, call(sides[0].dot, sides[1].T, out)]


def product(site: Site, names: tuple[str, ...], order: tuple[int, ...]) -> Product:
    """The product of these parameters at a site; forward and backward get the same arrays."""
    *weights, bias = (site.params[name] for name in names)
    rows = sum(map(len, weights)) + 1
    u = site.scratch(f"u {names}", (len(site.y) + 1, rows, site.y.shape[-1]))
    u[:, -1] = 1.0
    return Product(site, names, order, site.scratch(f"W {names}", (rows, len(bias))), u)


def _runs(order: Sequence[int]) -> Sequence[tuple[int, int, int]]:
    """Stretches of consecutive blocks: where they start and stop, and which block is their first."""
    starts = [i for i, block in enumerate(order) if i == 0 or block != order[i - 1] + 1]
    return [(start, stop, order[start]) for start, stop in zip(starts, [*starts[1:], len(order)], strict=True)]
