"""One thing changed in a network or its examples, for the comparison with what is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from core.graph.build import build
from core.graph.graph import Graph
from core.graph.written import written_out
from core.op import Op
from core.ops.layer_norm import LayerNorm
from core.ops.relu import Relu
from core.training.examples import Examples

Changed = tuple[Graph, Examples]


@dataclass(frozen=True)
class Change:
    """What is changed, in words, and how; the result is None where it would change nothing."""

    words: str
    make: Callable[[Graph, Examples], Changed | None]


def _rebuilt(graph: Graph, change: Callable[[Op], Mapping[str, object]]) -> Graph:
    """The graph with other fields in some of its nodes."""
    network = written_out(graph)
    nodes = [node.model_copy(update=dict(change(node))) for node in network.nodes or ()]
    return build(network.model_copy(update={"nodes": nodes, "init": None}))


def _start_anew(op: Op) -> dict[str, object]:
    return {"init": None, "params": None, "state": None}


def _usual_start(graph: Graph, examples: Examples) -> Changed | None:
    own = graph.network.init is not None or any(node.op.init or node.op.params for node in graph.nodes)
    return (_rebuilt(graph, _start_anew), examples) if own else None


def _rectified(graph: Graph, examples: Examples) -> Changed | None:
    saturating = {node.id for node in graph.nodes if node.op.steepest is not None and node.id not in graph.outcomes}
    if not saturating:
        return None
    network = written_out(graph, with_params=False)
    nodes = [
        Relu(id=op.id, inputs=op.inputs) if op.id in saturating else op.model_copy(update={"init": None})
        for op in network.nodes or ()
    ]
    return build(network.model_copy(update={"nodes": nodes, "init": None})), examples


def _normalized(graph: Graph, examples: Examples) -> Changed | None:
    """A layer_norm between each dense layer and what follows it, where that is no loss."""
    places = {node.id for node in graph.nodes if node.op.op == "dense" and node.id not in graph.outcomes}
    if not places or any(node.op.op.endswith("_norm") for node in graph.nodes):
        return None
    network = written_out(graph)
    nodes: list[Op] = []
    for op in network.nodes or ():
        fed = [f"{name}_normalized" if name in places else name for name in op.inputs or ()]
        nodes.append(op.model_copy(update={"inputs": fed}))
        if op.id in places:
            nodes.append(LayerNorm(id=f"{op.id}_normalized"[-64:], inputs=[op.id]))
    return build(network.model_copy(update={"nodes": nodes})), examples


def _standardized(graph: Graph, examples: Examples) -> Changed | None:
    inputs = dict(examples.inputs)
    for name, spec in graph.inputs.items():
        if spec.dtype == "float":
            rows = np.asarray(inputs[name], np.float64)
            deviation = rows.std(axis=0)
            inputs[name] = (rows - rows.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    same = all(np.allclose(inputs[name], examples.inputs[name], atol=0.5) for name in inputs)
    return None if same else (graph, Examples(inputs, examples.targets, examples.sample_weights))


USUAL_START = Change("usual initialization: He before rectifiers, Glorot elsewhere, biases 0", _usual_start)
RECTIFIED = Change("relu with He initialization in place of saturating activations", _rectified)
NORMALIZED = Change("a layer_norm behind each hidden dense layer", _normalized)
STANDARDIZED = Change("features standardized to mean 0 and deviation 1", _standardized)
