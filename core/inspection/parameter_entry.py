"""One number among the parameters, as people name it: `h.W[0][1]`."""

import re
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np

from core.arrays import Array
from core.errors import Invalid, Problem
from core.graph.graph import Graph, Slice

# [0-9], since \d would take the digits of every script.
_ENTRY: Final = re.compile(r"(?P<tensor>[^\[\]]+)(?P<index>(?:\[[0-9]+\])*)")

MOST_NAMED = 20


@dataclass(frozen=True)
class ParameterEntry:
    """One entry of a parameter tensor."""

    piece: Slice
    index: tuple[int, ...]

    @property
    def tensor(self) -> str:
        """`h.W`, the name of its tensor."""
        return f"{self.piece.node}.{self.piece.name}"

    def __str__(self) -> str:
        return self.tensor + "".join(f"[{at}]" for at in self.index)

    @property
    def position(self) -> int:
        """Where it lies in the flat vector."""
        return self.piece.start + (int(np.ravel_multi_index(self.index, self.piece.shape)) if self.index else 0)

    def among(self, flat: Array) -> float:
        """The number that a flat vector has for it."""
        return float(flat[self.position])


def find_entry(graph: Graph, written: str) -> ParameterEntry:
    """The entry of that name; a node that shares parameters names those of their owner.

    Raises Invalid at `/param` with what there is.
    """
    pieces = {f"{piece.node}.{piece.name}": piece for piece in graph.layout}
    named = pieces | {
        f"{node.id}.{name}": pieces[f"{node.owner}.{name}"] for node in graph.nodes for name in node.parameters
    }
    parts = _ENTRY.fullmatch(written)
    piece = named.get(parts["tensor"]) if parts else None
    if parts is None or piece is None:
        detail = "names no parameter: write node, parameter and every index from 0, as in h.W[0][1]"
        allowed = [_example(name, piece) for name, piece in list(pieces.items())[:MOST_NAMED]]
        raise Invalid([Problem("/param", detail, allowed=allowed, got=written)])
    index = tuple(int(at) for at in re.findall(r"[0-9]+", parts["index"]))
    if len(index) != len(piece.shape) or any(at >= size for at, size in zip(index, piece.shape, strict=True)):
        detail = f"{parts['tensor']} has shape {list(piece.shape)}: give {len(piece.shape)} indices within it, from 0"
        raise Invalid([Problem("/param", detail, allowed=[_example(parts["tensor"], piece)], got=written)])
    return ParameterEntry(piece, index)


def _example(name: str, piece: Slice) -> str:
    """The last entry of a tensor, which tells its shape as well."""
    return name + "".join(f"[{size - 1}]" for size in piece.shape) if prod(piece.shape) else name
