"""The same network with another start, or with other activations between its layers; all else as it was."""

from core.graph.build import build
from core.graph.graph import Graph, Node
from core.initializer import Initializer
from core.op import Op
from core.ops import OPS
from core.pointwise import Pointwise

ACTIVATIONS = tuple(name for name, kind in OPS.items() if issubclass(kind, Pointwise))
"""Ops that act on each entry alone, without parameters, with their usual hyper-parameters."""


def with_initializer(graph: Graph, initializer: Initializer) -> Graph:
    """Every weight is drawn by this rule, also one that was given; biases and gains start as they did."""
    nodes = [_started(node, initializer) for node in graph.nodes]
    return _rebuilt(graph, nodes)


def _started(node: Node, initializer: Initializer) -> Op:
    drawn = {name for name, parameter in node.parameters.items() if parameter.is_drawn}
    if not drawn or node.owner != node.id:
        return node.op
    kept = {name: value for name, value in (node.op.params or {}).items() if name not in drawn}
    return node.op.model_copy(update={"init": initializer, "params": kept or None})


def with_activation(graph: Graph, activation: str) -> Graph:
    """Every activation that is neither the prediction nor looked at by a loss is of this kind."""
    nodes = [
        OPS[activation].model_validate({"id": node.id, "inputs": list(node.inputs)})
        if isinstance(node.op, Pointwise) and node.id not in graph.outcomes
        else node.op
        for node in graph.nodes
    ]
    return _rebuilt(graph, nodes)


def _rebuilt(graph: Graph, nodes: list[Op]) -> Graph:
    network = graph.network.model_copy(update={"nodes": nodes, "losses": list(graph.losses) or None})
    return build(network)
