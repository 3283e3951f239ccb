"""Starting parameters: the explicit ones, and for the rest what the initializers draw from the seed."""

import numpy as np
from numpy.typing import DTypeLike

from core.arrays import Array
from core.graph.graph import Graph
from core.initializer import Initializer
from core.initializers.glorot_uniform import GlorotUniform
from core.initializers.he_normal import HeNormal
from core.op import ParameterShape


def initial_parameters(graph: Graph, seed: int, dtype: DTypeLike) -> Array:
    """The flat vector before training: parameters, and the state of nodes behind them.

    Each tensor has a random stream of its own, made of the seed, its node's id and its name, so that another node
    more or less does not change how this one starts.
    """
    flat = np.zeros(graph.size)
    views = graph.views(flat)
    rules = initializers(graph)
    for piece in graph.layout:
        node = graph.node[piece.node]
        given = (node.op.params or {}).get(piece.name)
        if given is None:
            shape = node.parameters[piece.name]
            generator = np.random.default_rng([seed, *piece.node.encode(), 0, *piece.name.encode()])
            fans = shape.fan_in, shape.fan_out
            given = rules[piece.node].draw(shape.shape, fans, generator) if shape.is_drawn else _fixed(shape)
            if shape.frozen is not None:
                given[shape.frozen] = 0.0
        views[piece.node][piece.name][...] = given
    for node_id, states in graph.states(flat).items():
        node = graph.node[node_id]
        for name, state in states.items():
            state[...] = (node.op.state or {}).get(name, node.state[name].start)
    return flat.astype(dtype)


def _fixed(shape: ParameterShape) -> Array:
    """The start of a tensor that is not drawn: one number, or one for each equal block of the last axis."""
    starts = shape.start if isinstance(shape.start, tuple) else (shape.start or 0.0,)
    return np.full(shape.shape, np.repeat(starts, shape.shape[-1] // len(starts)))


def initializers(graph: Graph) -> dict[str, Initializer]:
    """How the weights of every node that has some of its own start: by its rule, the network's, or the usual one."""
    before_rectifier = {name for node in graph.nodes if node.op.rectifies for name in node.inputs}
    return {
        node.id: node.op.init or graph.network.init or (HeNormal() if node.id in before_rectifier else GlorotUniform())
        for node in graph.nodes
        if node.owner == node.id and any(parameter.is_drawn for parameter in node.parameters.values())
    }
