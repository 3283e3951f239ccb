"""What signals do in a network at one point of its parameters, layer by layer: sizes on the way there and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from core.arrays import Array
from core.graph.graph import Graph, Node
from core.graph.interpreter import Pass, interpret
from core.graph.randomness import Randomness
from core.op import Site
from core.training.examples import Examples
from core.training.statistics import FLAT


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
        judged = {self._graph.output, *(loss.input for loss in self._graph.losses)}
        found = []
        for node in filter(_has_weights, self._graph.nodes):
            behind = self._behind(node)
            is_hidden = judged.isdisjoint({node.id, *(one.id for one in behind)})
            found.append(Layer(node, depths[node.id], behind, is_hidden))
        return found

    @property
    def depth(self) -> int:
        """Layers on the longest way."""
        return max((layer.depth for layer in self.all), default=0)

    @cached_property
    def _readers(self) -> Mapping[str, list[Node]]:
        readers: dict[str, list[Node]] = {}
        for node in self._graph.nodes:
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        return readers

    def _depths(self) -> dict[str, int]:
        depths = dict.fromkeys(self._graph.inputs, 0)
        for node in self._graph.nodes:
            depths[node.id] = max(depths[name] for name in node.inputs) + _has_weights(node)
        return depths

    def _behind(self, node: Node) -> tuple[Node, ...]:
        chain: list[Node] = []
        current = node
        while len(readers := self._readers.get(current.id, [])) == 1:
            (current,) = readers
            if _has_weights(current) or len(current.inputs) > 1:
                break
            chain.append(current)
        return tuple(chain)


def _has_weights(node: Node) -> bool:
    return any(parameter.is_drawn for parameter in node.parameters.values())


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
        signal=None if back is None else _finite(np.sqrt(np.mean(np.square(back)))),
        saturated=_first(_saturated(node, done) for node in (layer.node, *layer.behind)),
        dead=_first(_dead(node, layer, done) for node in layer.behind),
        non_finite=sum(int(array.size - np.isfinite(array).sum()) for array in (z, left)),
    )


def _saturated(node: Node, done: Pass) -> float | None:
    """Share of entries where an activation has less than FLAT of its steepest slope."""
    steepest = node.op.steepest
    if steepest is None:
        return None
    return float((_slopes(node, done.sites[node.id]) < FLAT * steepest).mean())


def _slopes(node: Node, site: Site) -> Array:
    """dy/dx entry by entry: what comes back of ones."""
    dx = np.zeros_like(site.x[0])
    alone = replace(site, dy=np.ones_like(site.y), dx=(dx,), y=np.zeros_like(site.y), _scratch={})
    for call in (*node.op.forward(alone), *node.op.backward(alone)):
        call()
    return dx


def _dead(node: Node, layer: Layer, done: Pass) -> float | None:
    """Share of the units of a rectifier that are above 0 for no row; of images and such a channel is one unit."""
    if not node.op.rectifies:
        return None
    value = done.values[node.id]
    units = np.moveaxis(value, 1 if layer.node.op.reads_channels else -1, 0)
    return float(np.mean(~(units.reshape(len(units), -1) > 0).any(axis=1)))


def _first(found: Iterable[float | None]) -> float | None:
    return next((one for one in found if one is not None), None)


def _finite(value: Array | np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
