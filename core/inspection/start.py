"""What signals do in a network at one point of its parameters, layer by layer: sizes on the way there and back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.arrays import Array
from core.graph.graph import Graph, Node
from core.graph.interpreter import Pass, interpret
from core.graph.layers import is_layer, layers_of
from core.graph.randomness import Randomness
from core.training.examples import Examples
from core.training.probe import dead_share, flat_share, rms


@dataclass(frozen=True)
class Layer:
    """A node with weights, and the nodes behind it up to the next that has some or where ways part."""

    node: Node
    depth: int
    """Layers on the longest way from an input to here, this one included."""

    behind: tuple[Node, ...]
    """Activation, normalization, pooling …, in their order; the value of the last is what leaves the layer."""

    is_hidden: bool
    """Whether what leaves it is neither the prediction nor looked at by a loss."""


@dataclass(frozen=True)
class Reading:
    """One layer in one pass; None where there is no such number, or it is not finite."""

    z_mean: float | None
    z_variance: float | None
    mean: float | None
    variance: float | None
    signal: float | None
    saturated: float | None
    dead: float | None
    non_finite: int


class Layers:
    """The layers of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @cached_property
    def all(self) -> Sequence[Layer]:
        """In the order of the graph."""
        depths = self._depths()
        found = []
        for node in layers_of(self._graph):
            behind = self._behind(node)
            is_hidden = self._graph.outcomes.isdisjoint({node.id, *(one.id for one in behind)})
            found.append(Layer(node, depths[node.id], behind, is_hidden))
        return found

    @property
    def depth(self) -> int:
        """Layers on the longest way."""
        return max((layer.depth for layer in self.all), default=0)

    def _depths(self) -> dict[str, int]:
        depths = dict.fromkeys(self._graph.inputs, 0)
        for node in self._graph.nodes:
            depths[node.id] = max(depths[name] for name in node.inputs) + is_layer(node)
        return depths

    def _behind(self, node: Node) -> tuple[Node, ...]:
        chain: list[Node] = []
        current = node
        while len(readers := self._graph.readers.get(current.id, ())) == 1:
            (current,) = readers
            if is_layer(current) or len(current.inputs) > 1:
                break
            chain.append(current)
        return tuple(chain)


def read_layers(
    graph: Graph, layers: Layers, parameters: Array, examples: Examples, *, training: bool, seed: int
) -> tuple[list[Reading], float | None]:
    """One forward and backward pass: every layer in the order of `layers.all`, and the loss."""
    with np.errstate(all="ignore"):
        done = interpret(
            graph,
            parameters,
            examples.inputs,
            examples.targets,
            training=training,
            randomness=Randomness(graph, seed),
            sample_weights=examples.sample_weights,
        )
        return [_read(layer, done) for layer in layers.all], _finite(done.loss(graph))


def _read(layer: Layer, done: Pass) -> Reading:
    z = done.values[layer.node.id]
    left = done.values[layer.behind[-1].id] if layer.behind else z
    back = done.gradients.get(layer.node.id)
    return Reading(
        z_mean=_finite(z.mean()),
        z_variance=_finite(z.var()),
        mean=_finite(left.mean()),
        variance=_finite(left.var()),
        signal=None if back is None else _finite(rms(back)),
        saturated=_first(_saturated(node, done) for node in (layer.node, *layer.behind)),
        dead=_first(_dead(node, layer, done) for node in layer.behind),
        non_finite=sum(int(array.size - np.isfinite(array).sum()) for array in (z, left)),
    )


def _saturated(node: Node, done: Pass) -> float | None:
    """Share of entries where an activation has less than FLAT of its steepest slope."""
    steepest = node.op.steepest
    if steepest is None:
        return None
    return flat_share(node, done.sites[node.id].x[0], steepest)


def _dead(node: Node, layer: Layer, done: Pass) -> float | None:
    """Share of the units of a rectifier that are above 0 for no row; of images and such a channel is one unit."""
    if not node.op.rectifies:
        return None
    value = done.values[node.id]
    units = np.moveaxis(value, 1 if layer.node.op.reads_channels else -1, 0)
    return dead_share(units.reshape(len(units), -1))


def _first(found: Iterable[float | None]) -> float | None:
    return next((one for one in found if one is not None), None)


def _finite(value: Array | np.floating | float) -> float | None:
    return float(value) if np.isfinite(value) else None
