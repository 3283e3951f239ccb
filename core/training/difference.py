"""Where two checkpoints that should be the same differ, and by how much: the tensor and the distance in ulps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.arrays import Array
from core.graph.graph import Graph
from core.training.checkpoint import Checkpoint, memory_from_bytes
from core.weights import read_tensors

PartName = Literal["weights", "memory"]


@dataclass(frozen=True)
class Difference:
    """The first tensor, in the order of the network, whose bits differ."""

    part: PartName
    node: str | None
    """None for what belongs to no node: a counter of the optimizer, or what early stopping remembers."""

    tensor: str
    """`W`, or `first_moment of W` in the optimizer's memory."""

    ulps: int | None
    """The largest distance of two entries, counted in numbers of their precision between them; None where one of
    them is not finite, or where the tensor is no tensor of numbers, or not in both."""

    differing: int
    """Entries that differ."""

    entries: int


def difference(graph: Graph, stored: Checkpoint, again: Checkpoint) -> Difference | None:
    """The first difference: of the weights, then of what the run remembers; None if all bits are equal."""
    if stored.weights != again.weights:
        found = _first("weights", _named(read_tensors(stored.weights)), _named(read_tensors(again.weights)), graph)
        if found is not None:
            return found
    if stored.memory == again.memory:
        return None
    before, after = (_memory(graph, checkpoint) for checkpoint in (stored, again))
    return _first("memory", before, after, graph)


def ulps(a: Array, b: Array) -> int | None:
    """The largest distance of two arrays of the same type and shape, in units of the last place.

    Numbers of a type are counted in their order: 1 and the next larger are 1 apart, −0 and 0 are 0 apart. None where
    one is not finite and its partner has other bits.
    """
    differs = _bits(a) != _bits(b)
    a, b = a[differs], b[differs]
    if a.dtype.kind != "f":
        return max((abs(int(x) - int(y)) for x, y in zip(a, b, strict=True)), default=0)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    x, y = _ordinals(a), _ordinals(b)
    # Of float64 the distance of two signed ordinals may need 65 bits; as unsigned numbers it wraps to what it is.
    high, low = np.maximum(x, y).view(np.uint64), np.minimum(x, y).view(np.uint64)
    return int((high - low).max()) if x.size else 0


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}") if array.dtype.kind == "f" else array


def _ordinals(array: Array) -> Array:
    """Whole numbers in the order of the floats they are made of, neighbors 1 apart; both zeros are 0."""
    signed = np.ascontiguousarray(array).view(f"i{array.dtype.itemsize}").astype(np.int64)
    magnitude = signed & ((1 << (8 * array.dtype.itemsize - 1)) - 1)
    return np.where(signed < 0, -magnitude, magnitude)


Place = tuple[str | None, str]
"""Node and tensor."""


def _named(tensors: Mapping[str, Array]) -> dict[Place, Array]:
    return {(name.rpartition(".")[0], name.rpartition(".")[2]): tensor for name, tensor in tensors.items()}


def _memory(graph: Graph, checkpoint: Checkpoint) -> dict[Place, Array]:
    """What a run remembers, the vectors of the optimizer cut into the tensors of the network."""
    slots, progress = memory_from_bytes(checkpoint.memory)
    found: dict[Place, Array] = {}
    for name, slot in sorted(slots.items()):
        if slot.ndim and slot.shape[-1] == graph.parameter_count:
            for piece in graph.layout:
                found[piece.node, f"{name} of {piece.name}"] = slot[..., piece.start : piece.stop]
        else:
            found[None, name] = slot
    for name, value in sorted(progress.items()):
        found[None, name] = np.frombuffer(repr(value).encode(), "S1")
    return found


def _first(
    part: PartName, before: Mapping[Place, Array], after: Mapping[Place, Array], graph: Graph
) -> Difference | None:
    for place in _in_order(graph, [*before, *(place for place in after if place not in before)]):
        node, tensor = place
        a, b = before.get(place), after.get(place)
        if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
            entries = max(one.size for one in (a, b) if one is not None)
            return Difference(part, node, tensor, None, entries, entries)
        count = int((_bits(a) != _bits(b)).sum())
        if count:
            return Difference(part, node, tensor, None if a.dtype.kind == "S" else ulps(a, b), count, a.size)
    return None


def _in_order(graph: Graph, places: list[Place]) -> Iterator[Place]:
    position = {node.id: index for index, node in enumerate(graph.nodes)}
    return iter(sorted(places, key=lambda place: position.get(place[0] or "", len(position))))
