"""Every reference network, by the plan and by the interpreter, in both precisions."""

from typing import Any

import numpy as np
import pytest

from core.arrays import Array, batch_first
from core.graph.build import build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.interpreter import interpret
from core.graph.plan import Plan
from core.graph.sites import Wanted
from core.network import Network
from core.training.step import Penalties
from tests.reference_networks import Case, cases, request_of

TOLERANCE = {"float64": 1e-10, "float32": 5e-5}

KNOWN = cases()
every_case = pytest.mark.parametrize("case", KNOWN, ids=[case["name"] for case in KNOWN])
every_type = pytest.mark.parametrize("dtype", TOLERANCE)


def graph_of(case: Case) -> Graph:
    return build(Network.model_validate(request_of(case)["subject"]["network"]))


def batch(case: Case, graph: Graph, dtype: str) -> tuple[dict[str, Array], dict[str, Array], dict[int, Array]]:
    inputs = {
        name: np.array(entry["data"], np.intp if graph.inputs[name].dtype == "int" else dtype)
        for name, entry in case["inputs"].items()
    }
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
def test_the_interpreter_gives_the_reference_numbers(case: Case, dtype: str) -> None:
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
    for name, tensors in expected.get("state_after", {}).items():
        for tensor, value in tensors.items():
            close(result.sites[name].state[tensor], value, tolerance)


@every_type
@every_case
def test_the_plan_gives_the_reference_numbers(case: Case, dtype: str) -> None:
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
        close(batch_first(plan.buffers.values[name]), value, tolerance)
    for name, gradient in expected["grad_inputs"].items():
        close(batch_first(plan.buffers.gradients[name]), gradient, tolerance)
    states = graph.states(parameters)
    for node, tensors in expected.get("state_after", {}).items():
        for name, value in tensors.items():
            close(states[node][name], value, tolerance)
    views = graph.views(plan.gradient)
    for node, tensors in expected["grad_params"].items():
        for name, gradient in tensors.items():
            close(views[node][name], gradient, tolerance)


def test_all_reference_networks_are_computed() -> None:
    assert len(KNOWN) == 37
