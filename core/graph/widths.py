"""Sizes that nobody wrote: those of explicit or shared parameters, and of a last dense, which takes its target's."""

from collections.abc import Mapping, Sequence

from core.loss import Loss
from core.network import ONLY_TARGET, Network
from core.ops.dense import Dense


def with_widths(network: Network, order: Sequence[int], losses: Sequence[Loss], widths: Mapping[str, int]) -> Network:
    """The network with every width written out: of explicit weights, of targets in the nodes that make them, and of
    the owners of shared weights.

    From the node a loss judges the search goes back through ops without weights (an activation, a dropout).
    """
    nodes = [op.settled() for op in network.nodes or ()]
    position = {op.id: index for index, op in enumerate(nodes)}
    last = nodes[order[-1]].id
    for loss in network.losses or losses:
        name = loss.input or last
        while name in position and len(nodes[position[name]].inputs or ()) == 1:
            op = nodes[position[name]]
            if isinstance(op, Dense):
                width = widths.get(loss.target or ONLY_TARGET)
                nodes[position[name]] = _widened(op, None if width is None else loss.output_width(width))
            if op.shaping:
                break
            name = (op.inputs or [""])[0]
    shared = [op if op.share is None else op.settled_like(nodes[position[op.share]]) for op in nodes]
    return network.model_copy(update={"nodes": shared})


def _widened(op: Dense, width: int | None) -> Dense:
    if op.units is not None or width is None:
        return op
    return op.model_copy(update={"units": width})
