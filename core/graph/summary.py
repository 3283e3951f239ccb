"""What a checked network amounts to: shapes, parameters, operations and memory, node by node and in total."""

from core.arrays import Model, size_of
from core.graph.graph import Graph, Node


class ParameterSummary(Model):
    """One parameter tensor of a node."""

    name: str
    shape: list[int]
    count: int


class StateSummary(Model):
    """One tensor that a node remembers from step to step, such as a running mean; it is not learned."""

    name: str
    shape: list[int]
    count: int


class NodeSummary(Model):
    """One node, its shapes without the batch axis."""

    id: str
    op: str
    inputs: list[str]
    shape: list[int]
    """Shape of one example's value."""

    parameters: list[ParameterSummary]
    parameter_count: int
    """Parameters of its own; 0 for a node that shares those of another."""

    state: list[StateSummary]
    """What it remembers beside them; part of the weights as files, not of their number."""

    shares: str | None
    """The node whose parameters it uses."""

    flops: int
    """Floating-point operations of one example's forward pass."""

    explanation: str


class TargetSummary(Model):
    """What a loss term compares with."""

    shape: list[int]
    """Shape of one example's target."""

    holds: str
    """`number`, or `class` for indices from 0."""


class Totals(Model):
    """The whole network."""

    nodes: int
    parameters: int
    flops: int
    """Operations of one example's forward pass; the backward pass takes about twice as many."""

    parameter_bytes: int
    """In float32."""

    activation_bytes: int
    """Values of all nodes for one example, in float32."""


class NetworkSummary(Model):
    """A network's nodes in an order in which they can be computed, and their sums."""

    nodes: list[NodeSummary]
    output: str
    """The node whose value is the prediction."""

    targets: dict[str, TargetSummary]
    totals: Totals


def summarize(graph: Graph) -> NetworkSummary:
    """The summary of a graph."""
    nodes = [_node(node) for node in graph.nodes]
    return NetworkSummary(
        nodes=nodes,
        output=graph.output,
        targets={
            name: TargetSummary(shape=list(target.shape), holds=target.type) for name, target in graph.targets.items()
        },
        totals=Totals(
            nodes=len(nodes),
            parameters=graph.parameter_count,
            flops=sum(node.flops for node in nodes),
            parameter_bytes=4 * graph.parameter_count,
            activation_bytes=4 * sum(size_of(node.shape) for node in graph.nodes),
        ),
    )


def _node(node: Node) -> NodeSummary:
    parameters = [
        ParameterSummary(name=name, shape=list(parameter.shape), count=size_of(parameter.shape))
        for name, parameter in node.parameters.items()
    ]
    state = [
        StateSummary(name=name, shape=list(spec.shape), count=size_of(spec.shape)) for name, spec in node.state.items()
    ]
    own = node.owner == node.id
    return NodeSummary(
        id=node.id,
        op=node.op.op,
        inputs=list(node.inputs),
        shape=list(node.shape),
        parameters=parameters,
        parameter_count=sum(parameter.count for parameter in parameters) if own else 0,
        state=state,
        shares=None if own else node.owner,
        flops=node.op.flops(node.input_shapes),
        explanation=node.op.explanation,
    )
