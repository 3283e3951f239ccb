"""A checked network: nodes in an order that can be computed, with shapes, parameters and losses resolved."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from core.arrays import Array, Shape, size_of
from core.loss import Loss, TargetType
from core.network import InputSpec, Network
from core.op import Op, ParameterShape, StateShape
from core.penalties import Penalty


@dataclass(frozen=True)
class Node:
    """One vertex: its op, where its inputs come from, and the shapes of one example."""

    id: str
    op: Op
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    shape: Shape
    parameters: Mapping[str, ParameterShape]
    owner: str
    """Id of the node that holds the parameters: this one, or the one it shares with."""

    state: Mapping[str, StateShape] = field(default_factory=dict)
    """What the node itself remembers; never shared, since two uses see different numbers."""


@dataclass(frozen=True)
class Target:
    """What a loss compares with: the shape of one example's target and whether it holds numbers or classes."""

    shape: Shape
    type: TargetType


@dataclass(frozen=True)
class Slice:
    """Where one tensor lies in the flat vector."""

    node: str
    name: str
    shape: Shape
    start: int
    is_bias: bool = False
    unit_axis: int = -1
    frozen: int | None = None

    @property
    def stop(self) -> int:
        return self.start + size_of(self.shape)


@dataclass(frozen=True)
class Graph:
    """A network that can be computed; nodes stand in topological order."""

    network: Network
    """The same in node form, defaults written out."""

    inputs: Mapping[str, InputSpec]
    nodes: tuple[Node, ...]
    losses: tuple[Loss, ...]
    targets: Mapping[str, Target]
    penalties: tuple[Penalty, ...]
    output: str
    """Id of the node whose value is the prediction."""

    @cached_property
    def node(self) -> Mapping[str, Node]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def readers(self) -> Mapping[str, Sequence[Node]]:
        """The nodes that each value feeds, in the order of the graph; a value that feeds none is left out."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        return readers

    @cached_property
    def outcomes(self) -> frozenset[str]:
        """The values that a loss looks at, or that are the prediction."""
        return frozenset({self.output, *(str(loss.input) for loss in self.losses)})

    @cached_property
    def layout(self) -> tuple[Slice, ...]:
        """The flat parameter vector, tensor by tensor, in topological order of the owners."""
        slices: list[Slice] = []
        start = 0
        for node in self.nodes:
            if node.owner != node.id:
                continue
            for name, spec in node.parameters.items():
                slices.append(Slice(node.id, name, spec.shape, start, spec.is_bias, spec.unit_axis, spec.frozen))
                start = slices[-1].stop
        return tuple(slices)

    @cached_property
    def state_layout(self) -> tuple[Slice, ...]:
        """Where the state of nodes lies: in the same vector, behind all parameters."""
        slices: list[Slice] = []
        start = self.parameter_count
        for node in self.nodes:
            for name, state in node.state.items():
                slices.append(Slice(node.id, name, state.shape, start))
                start = slices[-1].stop
        return tuple(slices)

    @property
    def parameter_count(self) -> int:
        """Numbers that are learned."""
        return self.layout[-1].stop if self.layout else 0

    @property
    def size(self) -> int:
        """Length of the flat vector: parameters, and the state of nodes behind them."""
        return self.state_layout[-1].stop if self.state_layout else self.parameter_count

    def views(self, flat: Array) -> dict[str, dict[str, Array]]:
        """The parameter tensors of every owner as views of a flat vector."""
        return _views(self.layout, flat)

    def states(self, flat: Array) -> dict[str, dict[str, Array]]:
        """The state tensors of every node that has any, as views of a flat vector."""
        return _views(self.state_layout, flat)

    def shape_of(self, name: str) -> Shape:
        """Shape of one example of a node's value or of an input."""
        return self.inputs[name].axes if name in self.inputs else self.node[name].shape

    @cached_property
    def index_limits(self) -> Mapping[str, int]:
        """How many whole numbers each input of integers may hold: fewer than any node that reads it knows."""
        limits: dict[str, int] = {}
        for node in self.nodes:
            limit = node.op.index_limit()
            for name in node.inputs if limit is not None else ():
                limits[name] = min(limit or 0, limits.get(name, limit or 0))
        return limits

    def judge_of(self, target: str) -> Loss:
        """The first loss term that compares with a target: what it looks at is the prediction of that target."""
        return next(loss for loss in self.losses if loss.target == target)

    def penalized(self, penalty: Penalty) -> Iterator[Slice]:
        """The tensors a penalty acts on: those it names, or every weight but no bias."""
        named = None if penalty.params is None else set(penalty.params)
        for piece in self.layout:
            if (not piece.is_bias) if named is None else f"{piece.node}.{piece.name}" in named:
                yield piece


def _views(layout: Iterable[Slice], flat: Array) -> dict[str, dict[str, Array]]:
    views: dict[str, dict[str, Array]] = {}
    for piece in layout:
        views.setdefault(piece.node, {})[piece.name] = flat[piece.start : piece.stop].reshape(piece.shape)
    return views
