"""A checked network written out again: node form, in an order that can be computed, nothing left to a default."""

from typing import Any

from core.graph.graph import Graph
from core.graph.initial import initializers
from core.network import Network


def written_out(graph: Graph, *, with_params: bool = True) -> Network:
    """The network with every default written out, and the losses and penalties it is judged by as its own.

    Building it gives the same graph again. Without `params` its parameters and its state are to be found elsewhere.
    """
    rules = initializers(graph)
    nodes = [
        node.op.model_copy(
            update={
                "init": rules.get(node.id),
                "params": node.op.params if with_params else None,
                "state": node.op.state if with_params else None,
            },
        )
        for node in graph.nodes
    ]
    return graph.network.model_copy(
        update={"nodes": nodes, "losses": list(graph.losses) or None, "penalties": list(graph.penalties), "init": None}
    )


def network_json(network: Network) -> dict[str, Any]:
    """The network as JSON; members that are not given are left out."""
    return network.model_dump(mode="json", exclude_none=True)
