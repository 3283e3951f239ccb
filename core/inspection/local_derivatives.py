"""Local derivatives, entry by entry: what one entry of a node's value changes by with one entry of what it reads.

They come from the op's own backward pass with an incoming gradient of 1 at one entry and 0 everywhere else, so they
are there for every op, and they are what back-propagation multiplies by.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.graph.graph import Graph, Node
from core.graph.interpreter import Pass
from core.op import Site

Index = tuple[int, ...]
"""Of an entry of a node's value (…, n), the batch last."""


@dataclass(frozen=True)
class Entry:
    """One number of a node's value."""

    node: str
    index: Index


class LocalDerivatives:
    """Those of one finished pass."""

    def __init__(self, graph: Graph, done: Pass) -> None:
        self._graph, self._done = graph, done
        self._readers: dict[str, list[Node]] = {node.id: [] for node in graph.nodes}
        for node in graph.nodes:
            # What no loss depends on has no gradient, and no path leads through it.
            for name in {*node.inputs} & self._readers.keys() if node.id in done.gradients else ():
                self._readers[name].append(node)

    def readers(self, name: str) -> list[Node]:
        """The nodes that read this one on the way to a loss."""
        return self._readers[name]

    def rows(self, node: Node) -> int:
        """Backward passes of one op that it takes to know all its local derivatives."""
        return int(self._done.sites[node.id].y.size)

    def by_parameter(self, node: Node, name: str, index: Index) -> Iterator[tuple[Entry, float]]:
        """Every entry of the node's value that changes with one entry of a parameter, and by how much."""
        for at, site in self._passes(node):
            gradient = site.dparams[name]
            assert gradient is not None
            if gradient[index] != 0:
                yield Entry(node.id, at), float(gradient[index])

    def by_inputs(self, node: Node, name: str, indices: list[Index]) -> Iterator[tuple[Index, Entry, float]]:
        """Every entry of the node's value that changes with these entries of an input, and by how much.

        A node that reads the same input twice has two of each.
        """
        places = [place for place, read in enumerate(node.inputs) if read == name]
        for at, site in self._passes(node):
            for place in places:
                gradient = site.dx[place]
                assert gradient is not None
                yield from ((i, Entry(node.id, at), float(gradient[i])) for i in indices if gradient[i] != 0)

    def shares(self, node: Node, name: str, index: Index) -> list[float]:
        """What each example contributes to dL / d one entry of a parameter through this node, all entries together."""
        again, incoming, shares = self._again(node), self._done.sites[node.id].dy, []
        assert again.dy is not None and incoming is not None
        for example in range(incoming.shape[-1]):
            again.dy[...] = 0.0
            again.dy[..., example] = incoming[..., example]
            _run_backward(node, again)
            gradient = again.dparams[name]
            assert gradient is not None
            shares.append(float(gradient[index]))
        return shares

    def _passes(self, node: Node) -> Iterator[tuple[Index, Site]]:
        """The backward passes for 1 at each entry in turn; the next writes where the last has."""
        again = self._again(node)
        assert again.dy is not None
        for at in np.ndindex(again.y.shape):
            again.dy[...] = 0.0
            again.dy[at] = 1.0
            _run_backward(node, again)
            yield at, again

    def _again(self, node: Node) -> Site:
        """The node's site with other gradients; its backward pass reads what the forward pass has left there."""
        site = self._done.sites[node.id]
        return replace(
            site,
            dy=np.zeros_like(site.y),
            dx=tuple(None if x is None else np.zeros_like(x) for x in site.dx),
            dparams={name: np.zeros_like(param) for name, param in site.params.items()},
        )


def _run_backward(node: Node, site: Site) -> None:
    with np.errstate(all="ignore"):
        for call in node.op.backward(site):
            call()
