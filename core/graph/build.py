"""Network -> graph: names, cycles, orphans, shapes and parameters, with every mistake found in one pass.

Everything here is a loop over nodes and edges: neither depth (10,000 nodes in a chain) nor the number of paths
(60 stacked diamonds have 2^60) costs anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from core.arrays import Array, Shape, size_of
from core.errors import Invalid, Problem, pointer
from core.graph.graph import Graph, Node
from core.graph.names import check_names, topological_order
from core.graph.objective import resolve_losses, resolve_output, unpenalizable
from core.graph.widths import with_widths
from core.loss import Loss
from core.network import ONLY_INPUT, InputSpec, Network, in_node_form
from core.op import Op, ParameterShape, ShapeMismatch, StateShape

MOST_VALUES = 100_000_000
"""Numbers that go into and out of the nodes of one network for a single example."""


@dataclass(frozen=True)
class Surroundings:
    """What a network leaves open and its data or job decides."""

    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    """Shapes of the data; used for a network without `inputs`, compared with one that has them."""

    widths: Mapping[str, int] = field(default_factory=dict)
    """Width of each target by its name: a last dense without `units` takes what the loss needs for it."""

    losses: tuple[Loss, ...] = ()
    """Loss terms of a network that brings none."""

    max_parameters: int = 100_000_000
    """Budget, checked before anything is allocated."""


def build(network: Network, around: Surroundings | None = None) -> Graph:
    """The graph a network stands for.

    Raises Invalid with every mistake; pointers count from the network itself (`/nodes/3/inputs/0`, `/layers/2`).
    """
    around = around or Surroundings()
    place = "layers" if network.layers is not None else "nodes"
    inputs, problems = _inputs(network, around)
    flat = in_node_form(network, inputs)
    assert flat.nodes is not None
    problems += check_names(flat, place)
    if problems:
        raise Invalid(problems)
    order = topological_order(flat.nodes, place)
    flat = with_widths(flat, order, around.losses, around.widths)
    nodes, problems = _nodes(flat, order, place)
    if problems:
        raise Invalid(problems)
    return _finish(flat, nodes, around, place)


def _inputs(network: Network, around: Surroundings) -> tuple[Mapping[str, InputSpec], list[Problem]]:
    """The inputs by name: the network's own, or those of the data."""
    if network.inputs is None:
        if around.inputs:
            return {name: _as_read(name, spec, network) for name, spec in around.inputs.items()}, []
        message = 'the shape of the input is not known here: say for example "inputs": {"x": {"shape": [4]}}'
        return {ONLY_INPUT: InputSpec(shape=[1])}, [Problem("/inputs", message)]
    if network.layers is not None and len(network.inputs) > 1:
        return network.inputs, [Problem("/inputs", "a network of layers has one input; use nodes for several")]
    if not around.inputs or dict(network.inputs) == dict(around.inputs):
        return network.inputs, []
    return network.inputs, _differences(network.inputs, around.inputs)


def _as_read(name: str, spec: InputSpec, network: Network) -> InputSpec:
    """The input as integers where nobody wrote what it is and every node that reads it takes integers."""
    layers, nodes = network.layers or [], network.nodes or []
    readers = layers[:1] or [op for op in nodes if name in (op.inputs or ())]
    takes_integers = bool(readers) and all(op.takes_integers for op in readers)
    return spec.model_copy(update={"dtype": "int"}) if takes_integers else spec


def _differences(declared: Mapping[str, InputSpec], given: Mapping[str, InputSpec]) -> list[Problem]:
    missing = [Problem(pointer("inputs", name), "nothing feeds this input") for name in declared if name not in given]
    extra = [
        Problem("/inputs", f"the network has no input {name!r}", allowed=list(declared))
        for name in given
        if name not in declared
    ]
    other = [
        Problem(pointer("inputs", name, "shape"), f"the data has shape {given[name].shape}", got=spec.shape)
        for name, spec in declared.items()
        if name in given and given[name].shape != spec.shape
    ]
    return missing + extra + other


def _nodes(network: Network, order: list[int], place: str) -> tuple[dict[str, Node], list[Problem]]:
    """Nodes with shapes in topological order; what follows a mistake is not judged."""
    assert network.nodes is not None and network.inputs is not None
    shapes: dict[str, Shape] = {name: spec.axes for name, spec in network.inputs.items()}
    nodes: dict[str, Node] = {}
    problems: list[Problem] = []
    for index in order:
        op = network.nodes[index]
        assert op.id is not None and op.inputs is not None
        if any(name not in shapes for name in op.inputs):
            continue
        feeding = tuple(shapes[name] for name in op.inputs)
        at = pointer(place, index)
        problems += _type_problems(op, network.inputs, at)
        try:
            shape, parameters = op.output_shape(feeding), op.parameter_shapes(feeding)
        except ShapeMismatch as error:
            problems.append(Problem(at, f"{op.id} ({op.op}) {error}"))
            continue
        shapes[op.id], state = shape, op.state_shapes(feeding)
        problems += _parameter_problems(op, parameters, at) + _state_problems(op, state, at)
        nodes[op.id] = Node(op.id, op, tuple(op.inputs), feeding, shape, parameters, op.share or op.id, state)
    return nodes, problems


def _type_problems(op: Op, declared: Mapping[str, InputSpec], at: str) -> list[Problem]:
    """Inputs that are whole numbers where the op takes any, or the other way round."""
    problems = []
    for index, name in enumerate(op.inputs or ()):
        is_integer = name in declared and declared[name].dtype == "int"
        if op.takes_integers and not is_integer:
            detail = f"{op.op} takes whole numbers such as token ids, and {name!r} has others: "
            detail += 'declare it with "dtype": "int"' if name in declared else "feed it an input of the network"
            problems.append(Problem(f"{at}/inputs/{index}", detail))
        elif is_integer and not op.takes_integers:
            detail = f'{op.op} takes numbers with a gradient, and {name!r} is declared with "dtype": "int": '
            problems.append(Problem(f"{at}/inputs/{index}", detail + "feed it to an embedding, or declare it float"))
    return problems


def _parameter_problems(op: Op, parameters: Mapping[str, ParameterShape], at: str) -> list[Problem]:
    """What is wrong with explicit values, an initializer or sharing, given the parameters the node has."""
    problems = []
    for name in ("params", "init", "share"):
        if getattr(op, name) is not None and not parameters:
            problems.append(Problem(f"{at}/{name}", f"{op.op} has no parameters"))
        elif op.share is not None and name != "share" and getattr(op, name) is not None:
            problems.append(Problem(f"{at}/{name}", f"the parameters are those of {op.share!r}: give them there"))
    if problems:
        return problems
    if op.init is not None and not any(parameter.is_drawn for parameter in parameters.values()):
        starts = ", ".join(f"{name} at {np.max(shape.start or 0.0):g}" for name, shape in parameters.items())
        problems.append(Problem(f"{at}/init", f"{op.op} draws nothing, it starts {starts}; give `params` instead"))
    return problems + _value_problems(op.params, parameters, at + "/params", lacks=f"{op.op} has no parameter")


def _state_problems(op: Op, state: Mapping[str, StateShape], at: str) -> list[Problem]:
    """What is wrong with explicit state, given what the node remembers."""
    if op.state is not None and not state:
        return [Problem(f"{at}/state", f"{op.op} remembers nothing from step to step")]
    problems = _value_problems(op.state, state, at + "/state", lacks=f"{op.op} has no state")
    for name, value in (op.state or {}).items():
        least = state[name].least if name in state else None
        if least is not None and value.size and value.min() < least:
            problems.append(
                Problem(at + pointer("state", name), f"cannot be less than {least:g}", got=float(value.min()))
            )
    return problems


def _value_problems(
    values: Mapping[str, Array] | None, shapes: Mapping[str, ParameterShape | StateShape], at: str, *, lacks: str
) -> list[Problem]:
    """Explicit tensors that the node does not have, or has in another shape."""
    problems = []
    for name, value in (values or {}).items():
        at_value = at + pointer(name)
        if name not in shapes:
            problems.append(Problem(at_value, f"{lacks} {name!r}", allowed=list(shapes)))
        elif value.shape != shapes[name].shape:
            wanted = list(shapes[name].shape)
            problems.append(Problem(at_value, f"must have shape {wanted}", got=list(value.shape)))
    return problems


def _finish(network: Network, nodes: dict[str, Node], around: Surroundings, place: str) -> Graph:
    """Judge what only the whole graph shows: sharing, output, losses, penalties, orphans and size."""
    assert network.nodes is not None and network.inputs is not None
    positions = {op.id: index for index, op in enumerate(network.nodes)}
    problems = [
        Problem(
            pointer(place, positions[node.id], "share"),
            f"{node.owner!r} has parameters of other shapes: {_shapes(nodes[node.owner])}, needed {_shapes(node)}",
        )
        for node in nodes.values()
        if _shapes(node) != _shapes(nodes[node.owner])
    ]
    problems += [
        Problem(
            pointer(place, positions[node.id], "share"),
            f"{node.owner!r} keeps another row from learning: {_frozen(nodes[node.owner])}, needed {_frozen(node)}",
        )
        for node in nodes.values()
        if _frozen(node) != _frozen(nodes[node.owner])
    ]
    output, at_output = resolve_output(network, nodes)
    losses, targets, at_losses = resolve_losses(network.losses, around.losses, nodes, output)
    problems += at_output + at_losses + unpenalizable(network.penalties, nodes)
    problems += _orphans(nodes, {loss.input for loss in losses} if losses else {output}, place, positions)
    problems += _unused_inputs(network, nodes)
    problems += _too_large(nodes, around, place, positions)
    if problems:
        raise Invalid(problems)
    return Graph(network, network.inputs, tuple(nodes.values()), losses, targets, tuple(network.penalties), output)


def _shapes(node: Node) -> dict[str, Shape]:
    return {name: parameter.shape for name, parameter in node.parameters.items()}


def _frozen(node: Node) -> dict[str, int | None]:
    return {name: parameter.frozen for name, parameter in node.parameters.items()}


def _orphans(
    nodes: Mapping[str, Node], ends: set[str | None], place: str, positions: Mapping[str | None, int]
) -> list[Problem]:
    """Nodes from which no loss, or without losses the output, can be reached."""
    needed = set(ends)
    for node in reversed(list(nodes.values())):
        if node.id in needed:
            needed.update(node.inputs)
    return [
        Problem(pointer(place, positions[name]), f"{name!r} leads to no loss and no output: use it or leave it out")
        for name in nodes
        if name not in needed
    ]


def _unused_inputs(network: Network, nodes: Mapping[str, Node]) -> list[Problem]:
    used = {name for node in nodes.values() for name in node.inputs}
    inputs = network.inputs or {}
    return [Problem(pointer("inputs", name), "no node uses this input") for name in inputs if name not in used]


def _too_large(
    nodes: Mapping[str, Node], around: Surroundings, place: str, positions: Mapping[str | None, int]
) -> list[Problem]:
    """More parameters, or more values for one example, than there may be; told of the node that has most of them."""
    parameters = {
        node.id: sum(size_of(parameter.shape) for parameter in node.parameters.values())
        for node in nodes.values()
        if node.owner == node.id
    }
    values = {node.id: sum(map(size_of, (node.shape, *node.input_shapes))) for node in nodes.values()}
    budgets = (("parameters", parameters, around.max_parameters), ("values for each example", values, MOST_VALUES))
    for what, counts, budget in budgets:
        total = sum(counts.values())
        if total > budget:
            largest = max(counts, key=lambda name: counts[name])
            detail = f"the network has {total:,} {what}, {counts[largest]:,} of them in {largest!r}; at most {budget:,}"
            return [Problem(pointer(place, positions[largest]), detail)]
    return []
