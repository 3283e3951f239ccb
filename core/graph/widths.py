"""Widths that nobody wrote: of a dense layer with explicit weights, and of a last one, which takes its target's."""

from collections.abc import Mapping, Sequence

from core.loss import Loss
from core.network import ONLY_TARGET, Network
from core.op import Op
from core.ops.dense import Dense


def with_widths(network: Network, order: Sequence[int], losses: Sequence[Loss], widths: Mapping[str, int]) -> Network:
    """The network with every width written out: of explicit weights, and of targets in the nodes that make them.

    From the node a loss judges the search goes back through ops that keep the shape (an activation, a dropout).
    """
    nodes = [op.settled() for op in network.nodes or ()]
    position = {op.id: index for index, op in enumerate(nodes)}
    last = nodes[order[-1]].id
    for loss in network.losses or losses:
        name = loss.input or last
        while name in position and len(nodes[position[name]].inputs or ()) == 1:
            op = nodes[position[name]]
            if isinstance(op, Dense):
                nodes[position[name]] = _widened(op, widths.get(loss.target or ONLY_TARGET))
                break
            name = (op.inputs or [""])[0]
    return network.model_copy(update={"nodes": [_as_wide_as_owner(op, nodes, position) for op in nodes]})


def _as_wide_as_owner(op: Op, nodes: Sequence[Op], position: Mapping[str | None, int]) -> Op:
    """A dense node without `units` that uses the parameters of another is as wide as that one."""
    if not isinstance(op, Dense) or op.units is not None or op.share is None:
        return op
    owner = nodes[position[op.share]]
    assert isinstance(owner, Dense)
    weights = (owner.params or {}).get("W")
    return _widened(
        op, weights.shape[1] if owner.units is None and weights is not None and weights.ndim == 2 else owner.units
    )


def _widened(op: Dense, width: int | None) -> Op:
    if op.units is not None or width is None:
        return op
    return op.model_copy(update={"units": width})
