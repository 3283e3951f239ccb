"""Which nodes of a graph are its layers, and where the units of a value lie."""

from collections.abc import Mapping

from core.graph.graph import Graph, Node


def layers_of(graph: Graph) -> tuple[Node, ...]:
    """The nodes with weights that an initializer draws, in topological order; every use of shared ones is a layer.

    Dense, convolutional and recurrent nodes are, and tables of vectors; norms, whose gains start at 1, are not.
    """
    return tuple(node for node in graph.nodes if is_layer(node))


def is_layer(node: Node) -> bool:
    """Whether a node has weights, so that its value is a pre-activation z."""
    return any(parameter.is_drawn for parameter in node.parameters.values())


def unit_axes(graph: Graph) -> Mapping[str, int]:
    """The axis of one example of every value along which its units lie; 0 for a value that is one number.

    Channels lie on the first axis where an op reads channels, units on the last where a layer makes them. What lets
    the number of axes be, such as an activation, keeps its input's; else three axes are those of an image (c, h, w).
    """
    axes = {name: _usual(len(spec.axes)) for name, spec in graph.inputs.items()}
    for node in graph.nodes:
        rank = len(node.shape)
        if node.op.reads_channels:
            axes[node.id] = 0
        elif is_layer(node):
            axes[node.id] = max(rank - 1, 0)
        elif node.input_shapes and len(node.input_shapes[0]) == rank:
            axes[node.id] = axes[node.inputs[0]]
        else:
            axes[node.id] = _usual(rank)
    return axes


def _usual(rank: int) -> int:
    return 0 if rank == 3 else max(rank - 1, 0)
