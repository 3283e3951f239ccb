"""Random graphs, and batches for them."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from core.arrays import Array
from core.graph.graph import Graph
from core.network import Network

Description = dict[str, Any]
Nodes = list[Description]

WIDTH = 3
UNARY = ["relu", "tanh", "sigmoid", "gelu", "softplus", "softmax", "log_softmax", "square", "identity", "flatten"]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Graphs of width 3 with branches, merges, values used twice, shared parameters and up to two losses."""
    nodes: Nodes = []
    names = ["x", "z"]
    for index in range(draw(st.integers(1, 12))):
        name = f"n{index}"
        kind = draw(st.sampled_from(["dense", "shared", "add", "mul", "unary"]))
        owners = [node["id"] for node in nodes if node["op"] == "dense" and "share" not in node]
        source = draw(st.sampled_from(names))
        if kind in ("add", "mul"):
            nodes.append({"id": name, "op": kind, "inputs": [source, draw(st.sampled_from(names))]})
        elif kind == "unary":
            nodes.append({"id": name, "op": draw(st.sampled_from(UNARY)), "inputs": [source]})
        else:
            node: Description = {"id": name, "op": "dense", "inputs": [source], "units": WIDTH}
            if kind == "shared" and owners:
                node["share"] = draw(st.sampled_from(owners))
            nodes.append(node)
        names.append(name)
    used = {source for node in nodes for source in node["inputs"]}
    ends = [node["id"] for node in nodes if node["id"] not in used]
    nodes.append({"id": "c", "op": "concat", "axis": -1, "inputs": [*ends, "x", "z"]})
    nodes.append({"id": "y", "op": "dense", "inputs": ["c"], "units": 2})
    losses: Nodes = [{"kind": "mse", "input": "y", "target": "t"}]
    if draw(st.booleans()):
        losses.append({"kind": "half_sse", "input": "y", "target": "t", "weight": 0.3})
    inputs = {"x": {"shape": [WIDTH]}, "z": {"shape": [WIDTH]}}
    return Network.model_validate({"inputs": inputs, "nodes": nodes, "losses": losses})


def batch_of(graph: Graph, rows: int, dtype: str) -> tuple[dict[str, Array], dict[str, Array]]:
    generator = np.random.default_rng(rows)
    inputs = {name: generator.standard_normal((rows, *spec.axes)).astype(dtype) for name, spec in graph.inputs.items()}
    targets = {name: generator.standard_normal((rows, *t.shape)).astype(dtype) for name, t in graph.targets.items()}
    return inputs, targets
