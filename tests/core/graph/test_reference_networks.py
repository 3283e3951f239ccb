"""Every reference network whose kinds exist, by the plan and by the interpreter, in both precisions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.arrays import Array
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.interpreter import interpret
from core.graph.plan import Plan
from core.graph.sites import Wanted
from core.losses import LOSSES
from core.network import InputSpec, Network
from core.ops import OPS
from core.training.step import Penalties

FOLDER = Path(__file__).parents[2] / "reference"
CASES = [case for path in sorted(FOLDER.glob("networks_*.json")) for case in json.loads(path.read_text())["cases"]]
TOLERANCE = {"float64": 1e-10, "float32": 5e-5}


def is_known(case: dict[str, Any]) -> bool:
    return all(node["op"] in OPS for node in case["nodes"]) and all(t["kind"] in LOSSES for t in case["loss"]["terms"])


KNOWN = [case for case in CASES if is_known(case)]
every_case = pytest.mark.parametrize("case", KNOWN, ids=[case["name"] for case in KNOWN])
every_type = pytest.mark.parametrize("dtype", TOLERANCE)


def graph_of(case: dict[str, Any]) -> Graph:
    nodes = [{k: v for k, v in node.items() if k != "attrs"} | node.get("attrs", {}) for node in case["nodes"]]
    penalties = [
        {"kind": p["kind"], "strength": p["lambda"], "params": [".".join(names) for names in p["params"]]}
        for p in case["loss"].get("penalties", [])
    ]
    network = Network.model_validate({"nodes": nodes, "losses": case["loss"]["terms"], "penalties": penalties})
    inputs = {
        name: InputSpec(shape=list(np.shape(entry["data"])[1:]), dtype=entry["dtype"])
        for name, entry in case["inputs"].items()
    }
    return build(network, Surroundings(inputs=inputs))


def batch(
    case: dict[str, Any], graph: Graph, dtype: str
) -> tuple[dict[str, Array], dict[str, Array], dict[int, Array]]:
    inputs = {name: np.array(entry["data"], dtype) for name, entry in case["inputs"].items()}
    targets = {
        name: np.array(entry["data"], np.intp if graph.targets[name].type == "class" else dtype)
        for name, entry in case["targets"].items()
    }
    weights = {
        i: np.array(t["sample_weight"], dtype) for i, t in enumerate(case["loss"]["terms"]) if "sample_weight" in t
    }
    return inputs, targets, weights


def close(ours: Array, expected: Any, tolerance: float) -> None:
    """The reference's own rule: the largest difference against the largest entry of the tensor."""
    assert ours.shape == np.shape(expected)
    assert np.abs(ours - np.array(expected)).max() <= tolerance * np.abs(expected).max()


@every_type
@every_case
def test_the_interpreter_gives_the_reference_numbers(case: dict[str, Any], dtype: str) -> None:
    graph, tolerance = graph_of(case), TOLERANCE[dtype]
    parameters = initial_parameters(graph, 0, dtype)
    inputs, targets, weights = batch(case, graph, dtype)
    result = interpret(graph, parameters, inputs, targets, training=case["mode"] == "train", sample_weights=weights)
    expected = case["expected"]
    for name, value in expected["nodes"].items():
        close(result.values[name], value, tolerance)
    for name, gradient in expected["grad_nodes"].items():
        close(result.gradients[name], gradient, tolerance)
    for name, gradient in expected["grad_inputs"].items():
        close(result.gradients[name], gradient, tolerance)
    np.testing.assert_allclose([float(term) for term in result.loss_terms], expected["loss_terms"], rtol=tolerance)


@every_type
@every_case
def test_the_plan_gives_the_reference_numbers(case: dict[str, Any], dtype: str) -> None:
    graph, tolerance = graph_of(case), TOLERANCE[dtype]
    parameters = initial_parameters(graph, 0, dtype)
    inputs, targets, weights = batch(case, graph, dtype)
    wanted = Wanted(input_gradients=True, training=case["mode"] == "train")
    plan = Plan(graph, len(next(iter(inputs.values()))), parameters, wanted=wanted)
    plan.load(inputs, targets)
    for term, array in weights.items():
        plan.buffers.sample_weights[term][...] = array
    plan.forward()
    plan.backward()
    assert plan.gradient is not None
    penalties = Penalties(graph, graph.penalties, parameters, plan.gradient)
    penalties.pull()
    expected = case["expected"]
    assert plan.loss() + penalties.value() == pytest.approx(expected["loss"], rel=tolerance)
    for name, value in expected["nodes"].items():
        close(plan.buffers.values[name], value, tolerance)
    for name, gradient in expected["grad_inputs"].items():
        close(plan.buffers.gradients[name], gradient, tolerance)
    views = graph.views(plan.gradient)
    for node, tensors in expected["grad_params"].items():
        for name, gradient in tensors.items():
            close(views[node][name], gradient, tolerance)


def test_all_reference_networks_with_kinds_of_today_are_computed() -> None:
    assert len(KNOWN) >= 20
