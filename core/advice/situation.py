"""What rules look at: a checked network, and how it would be trained."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from core.errors import pointer
from core.graph.graph import Graph, Node
from core.graph.initial import initializers
from core.initializer import Initializer
from core.loss import Loss
from core.ops.conv1d import Conv1d
from core.ops.conv2d import Conv2d
from core.ops.conv_transpose1d import ConvTranspose1d
from core.ops.conv_transpose2d import ConvTranspose2d
from core.ops.dense import Dense
from core.optimizer import Optimizer

LINEAR = (Dense, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d)
"""Ops that are nothing but a product with their weights, and a bias."""


@dataclass(frozen=True)
class TrainingPlan:
    """How the network would be trained."""

    rows: int
    """Of the training split."""

    optimizer: Optimizer


@dataclass(frozen=True)
class Situation:
    """A network, and how it would be trained if that is known."""

    graph: Graph
    plan: TrainingPlan | None = None

    @cached_property
    def starts(self) -> Mapping[str, Initializer]:
        """How the weights of every node that draws some start."""
        return initializers(self.graph)

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return {node.id: index for index, node in enumerate(self.graph.nodes)}

    def place(self, node: Node) -> str:
        """Where a node stands in the network as it is answered."""
        return pointer("network", "nodes", self._positions[node.id])

    def losses(self) -> Iterator[tuple[str, Loss, Node]]:
        """Every loss with its place, and the node that has made the numbers which it looks at."""
        for index, loss in enumerate(self.graph.losses):
            made = self.made(str(loss.input))
            if made is not None:
                yield pointer("network", "losses", index), loss, made

    def made(self, name: str) -> Node | None:
        """The node whose entries a value consists of, whatever has put them into another shape; None for an input."""
        return self._made.get(name)

    @cached_property
    def _made(self) -> Mapping[str, Node]:
        # Kept for all nodes: a long chain of shapes may have many readers, who would each walk it.
        made: dict[str, Node] = {}
        for node in self.graph.nodes:
            source = made.get(node.inputs[0]) if node.op.only_moves else node
            if source is not None:
                made[node.id] = source
        return made

    def is_only_read_once(self, node: Node) -> bool:
        """Whether a single node reads it, and no loss and nobody who asks for the prediction."""
        return len(self.graph.readers.get(node.id, ())) == 1 and node.id not in self.graph.outcomes
