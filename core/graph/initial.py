"""Starting parameters: the explicit ones, and for the rest what the initializers draw from the seed."""

import numpy as np
from numpy.typing import DTypeLike

from core.arrays import Array
from core.graph.graph import Graph
from core.initializer import Initializer
from core.initializers.glorot_uniform import GlorotUniform
from core.initializers.he_normal import HeNormal
from core.initializers.zeros import Zeros


def initial_parameters(graph: Graph, seed: int, dtype: DTypeLike) -> Array:
    """The flat parameter vector before training.

    Each tensor has a random stream of its own, made of the seed, its node's id and its name, so that another node
    more or less does not change how this one starts.
    """
    flat = np.zeros(graph.parameter_count)
    views = graph.views(flat)
    rules = initializers(graph)
    for piece in graph.layout:
        node = graph.node[piece.node]
        given = (node.op.params or {}).get(piece.name)
        if given is None:
            rule = Zeros() if piece.is_bias else rules[piece.node]
            shape = node.parameters[piece.name]
            generator = np.random.default_rng([seed, *piece.node.encode(), 0, *piece.name.encode()])
            given = rule.draw(shape.shape, (shape.fan_in, shape.fan_out), generator)
        views[piece.node][piece.name][...] = given
    return flat.astype(dtype)


def initializers(graph: Graph) -> dict[str, Initializer]:
    """How the weights of every node with parameters of its own start: by its rule, the network's, or the usual one."""
    before_rectifier = {name for node in graph.nodes if node.op.rectifies for name in node.inputs}
    return {
        node.id: node.op.init or graph.network.init or (HeNormal() if node.id in before_rectifier else GlorotUniform())
        for node in graph.nodes
        if node.parameters and node.owner == node.id
    }
