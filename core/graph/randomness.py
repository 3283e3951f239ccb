"""The random numbers of a run: one stream a node, begun anew in each epoch from (seed, epoch, node).

So a run that resumes after epoch 7 draws in epoch 8 what the undisturbed run draws, with nothing to store.
"""

import numpy as np

from core.graph.graph import Graph


def _state(seed: int, epoch: int, name: str) -> np.random.PCG64:
    return np.random.PCG64(np.random.SeedSequence([seed, epoch, *name.encode()]))


class Randomness:
    """The generators of a graph's nodes, shared by all plans of a run."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self._seed = seed
        self._generators = {
            node.id: np.random.Generator(_state(seed, 0, node.id)) for node in graph.nodes if node.op.is_random
        }

    def of(self, node: str) -> np.random.Generator | None:
        """The generator of a node, or None for one that draws nothing."""
        return self._generators.get(node)

    def begin_epoch(self, epoch: int) -> None:
        """Set every stream to its beginning for this epoch."""
        for name, generator in self._generators.items():
            generator.bit_generator.state = _state(self._seed, epoch, name).state


def permutation(seed: int, epoch: int, rows: int) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """The order in which an epoch visits the rows."""
    return np.random.Generator(_state(seed, epoch, "")).permutation(rows)
