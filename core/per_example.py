"""The gradient of one parameter by every example of a batch, most often without arrays of that size.

What multiplies by weights has dW_n = Σ_p a_np b_npᵀ: an outer product for each position p of example n. Inner products
of examples are then ⟨dW_m, dW_n⟩ = Σ_p Σ_q (a_mp · a_nq)(b_mp · b_nq), and norms those of an example with itself:
|dW_n|² = |a_n|² |b_n|² where there is one position. Two Gram matrices of the factors take the place of n gradients.

Source: Goodfellow 2015, "Efficient per-example gradient computations", section 4; Dangel, Kunstner and Hennig 2020,
"BackPACK: Packing more into backprop", appendix A.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from core.arrays import Array, Shape, size_of

_AT_ONCE = 4_000_000
"""Entries of gradients, or products of positions, that stand in memory at a time."""


class ExampleGradients(ABC):
    """Gradients of one parameter tensor by n examples."""

    @property
    @abstractmethod
    def examples(self) -> int:
        """How many examples there are, n."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Entries of the tensor."""

    @abstractmethod
    def rows(self, which: slice = slice(None)) -> Array:
        """The gradients of these examples, flat, (n, size)."""

    @abstractmethod
    def gram(self) -> Array:
        """Inner products of the gradients of every two examples, (n, n)."""

    @abstractmethod
    def squares(self) -> Array:
        """The squares of every entry, summed over the examples, (size,)."""


@dataclass(frozen=True)
class Whole(ExampleGradients):
    """The gradients as they are, (n, size)."""

    array: Array

    @property
    def examples(self) -> int:
        return int(self.array.shape[0])

    @property
    def size(self) -> int:
        return int(self.array.shape[1])

    def rows(self, which: slice = slice(None)) -> Array:
        return self.array[which]

    def gram(self) -> Array:
        return self.array @ self.array.T

    def squares(self) -> Array:
        return np.asarray(np.square(self.array).sum(axis=0))


@dataclass(frozen=True)
class OuterProducts(ExampleGradients):
    """dW_n = Σ_p a_np b_npᵀ in each of g groups; factors a (g, n, p, i) and b (g, n, p, j)."""

    left: Array
    right: Array

    split: Shape
    """The axes that (g, i, j) are made of, in this order."""

    order: tuple[int, ...]
    """Where each axis of the tensor stands in `split`."""

    @property
    def examples(self) -> int:
        return int(self.left.shape[1])

    @property
    def size(self) -> int:
        return size_of(self.split)

    def rows(self, which: slice = slice(None)) -> Array:
        products = np.matmul(self.left[:, which].swapaxes(-1, -2), self.right[:, which])
        apart = products.swapaxes(0, 1).reshape(-1, *self.split)
        return np.asarray(apart.transpose(0, *(1 + axis for axis in self.order)).reshape(len(apart), -1))

    def gram(self) -> Array:
        if self._is_short:
            return _gram_of_rows(self)
        total = np.zeros((self.examples, self.examples))
        blocks = _blocks(self.examples, int(_AT_ONCE**0.5) // self._positions)
        for left, right in zip(self.left, self.right, strict=True):
            for some, others in product(blocks, blocks):
                products = _inner(left[some], left[others]) * _inner(right[some], right[others])
                total[some, others] += products.sum(axis=(1, 3))
        return total

    def squares(self) -> Array:
        if self._positions == 1:
            return replace_factors(self, np.square(self.left), np.square(self.right)).summed()
        total = np.zeros(self.size)
        for some in _blocks(self.examples, _AT_ONCE // self.size):
            total += np.square(self.rows(some)).sum(axis=0)
        return total

    def summed(self) -> Array:
        """The gradients summed over the examples, (size,)."""
        groups, examples, positions, _ = self.left.shape
        left, right = (one.reshape(groups, 1, examples * positions, -1) for one in (self.left, self.right))
        return np.asarray(replace_factors(self, left, right).rows()[0])

    @property
    def _positions(self) -> int:
        return int(self.left.shape[2])

    @property
    def _is_short(self) -> bool:
        """Whether whole gradients take fewer operations, as where positions are many and weights few."""
        if self._positions == 1:
            return False
        groups, examples, positions, width = self.left.shape
        times = len(_blocks(examples, _AT_ONCE // self.size))
        whole = self.size * examples * (positions * times + examples)
        factors = groups * (examples * positions) ** 2 * (width + self.right.shape[3])
        return positions**2 > _AT_ONCE or bool(whole < factors)


def replace_factors(like: OuterProducts, left: Array, right: Array) -> OuterProducts:
    """Outer products of other factors, for the same tensor."""
    return OuterProducts(left, right, like.split, like.order)


def added(parts: Sequence[ExampleGradients]) -> ExampleGradients:
    """The gradients by all uses of one tensor; a sum of outer products is one with more positions."""
    first, *others = parts
    if not others:
        return first
    if isinstance(first, OuterProducts):
        same = [p for p in parts if isinstance(p, OuterProducts) and (p.split, p.order) == (first.split, first.order)]
        if len(same) == len(parts):
            factors = ([p.left for p in same], [p.right for p in same])
            return replace_factors(first, *(np.concatenate(one, axis=2) for one in factors))
    return Whole(np.sum([part.rows() for part in parts], axis=0))


def by_position(array: Array) -> Array:
    """An array (…, d, n) of features, the batch last, as (n, p, d) with all its positions on one axis."""
    return np.moveaxis(array, -1, 0).reshape(array.shape[-1], -1, array.shape[-2])


def by_channel(array: Array) -> Array:
    """An array (c, …, n) of channels, the batch last, as (n, c, p) with all its positions on one axis."""
    return np.moveaxis(array, -1, 0).reshape(array.shape[-1], array.shape[0], -1)


def _inner(some: Array, others: Array) -> Array:
    """Inner products of the positions of some examples (m, p, d) with those of others (n, p, d), as (m, p, n, p)."""
    flat, other = some.reshape(-1, some.shape[-1]), others.reshape(-1, others.shape[-1])
    return np.asarray(flat @ other.T).reshape(*some.shape[:2], *others.shape[:2])


def _gram_of_rows(gradients: ExampleGradients) -> Array:
    total = np.zeros((gradients.examples, gradients.examples))
    blocks = _blocks(gradients.examples, _AT_ONCE // gradients.size)
    for index, some in enumerate(blocks):
        rows = gradients.rows(some)
        for others in blocks[index:]:
            products = rows @ (rows if others == some else gradients.rows(others)).T
            total[some, others], total[others, some] = products, products.T
    return total


def _blocks(examples: int, at_once: int) -> list[slice]:
    """All examples in slices of so many."""
    step = max(1, at_once)
    return [slice(start, start + step) for start in range(0, examples, step)]
