"""The static plan computes what the plain interpreter computes, on any graph, batch size and type."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.arrays import Array, batch_first
from core.graph.build import build
from core.graph.initial import initial_parameters
from core.graph.interpreter import interpret
from core.graph.plan import Plan
from core.graph.sites import Wanted
from core.network import Network
from tests.every.random_networks import Nodes, batch_of, networks


def close(ours: Array, plain: Array, tolerance: float) -> None:
    np.testing.assert_allclose(ours, plain, rtol=0, atol=tolerance * max(1.0, float(np.abs(plain).max(initial=0.0))))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), rows=st.integers(1, 5), dtype=st.sampled_from(["float32", "float64"]))
def test_a_plan_gives_what_the_interpreter_gives(network: Network, rows: int, dtype: str) -> None:
    """Twice in a row on other batches: what one step leaves in the buffers must not reach the next."""
    graph = build(network)
    parameters = initial_parameters(graph, 7, dtype)
    plan = Plan(graph, rows, parameters, wanted=Wanted(input_gradients=True))
    tolerance = 1e-12 if dtype == "float64" else 2e-4
    with np.errstate(all="ignore"):
        for scale in (1.0, 0.5):
            inputs, targets = batch_of(graph, rows, dtype)
            inputs = {name: array * np.dtype(dtype).type(scale) for name, array in inputs.items()}
            plan.load(inputs, targets)
            plan.forward()
            plan.backward()
            plain = interpret(graph, parameters, inputs, targets)
            if not all(np.isfinite(value).all() and np.abs(value).max() < 1e6 for value in plain.values.values()):
                return
            for node in graph.nodes:
                close(batch_first(plan.buffers.values[node.id]), plain.values[node.id], tolerance)
            for name, gradient in plain.gradients.items():
                close(batch_first(plan.buffers.gradients[name]), gradient, tolerance)
            views = graph.views(plan.gradient) if plan.gradient is not None else {}
            for node_id, tensors in plain.parameter_gradients.items():
                for name, gradient in tensors.items():
                    close(views[node_id][name], gradient, tolerance)
            assert plan.loss() == pytest.approx(float(plain.loss(graph)), rel=1e-5)


def deep_network() -> Network:
    layers: Nodes = []
    for _ in range(4):
        layers += [
            {"op": "dense", "units": 16},
            {"op": "relu"},
            {"op": "dropout", "p": 0.2},
            {"op": "dense", "units": 16},
            {"op": "sigmoid"},
        ]
    losses: Nodes = [{"kind": "mse"}]
    return Network.model_validate({"inputs": {"x": {"shape": [16]}}, "layers": layers, "losses": losses})


def test_a_thousand_steps_keep_no_memory() -> None:
    graph = build(deep_network())
    plan = Plan(graph, 32, initial_parameters(graph, 0, "float32"), wanted=Wanted(training=True))
    tracemalloc.start()
    try:
        before = held_after_steps(plan, 100)
        assert held_after_steps(plan, 1000) == before
    finally:
        tracemalloc.stop()


def held_after_steps(plan: Plan, steps: int) -> int:
    """Bytes that the core's own lines hold after so many steps; the snapshot's are not counted."""
    for _ in range(steps):
        plan.forward()
        plan.backward()
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/core/*", all_frames=True)])
    return sum(trace.size for trace in snapshot.traces)


def test_parameters_and_gradients_are_views_of_flat_vectors() -> None:
    graph = build(deep_network())
    plan = Plan(graph, 4, initial_parameters(graph, 0, "float64"))
    assert plan.gradient is not None
    for views, flat in ((graph.views(plan.parameters), plan.parameters), (graph.views(plan.gradient), plan.gradient)):
        for tensors in views.values():
            assert all(np.shares_memory(view, flat) for view in tensors.values())
    assert sum(piece.stop - piece.start for piece in graph.layout) == len(plan.parameters)


def test_ten_thousand_nodes_are_computed_and_differentiated() -> None:
    nodes: Nodes = [{"id": f"n{i}", "op": "tanh", "inputs": [f"n{i - 1}" if i else "x"]} for i in range(9_999)]
    nodes.append({"id": "y", "op": "dense", "inputs": ["n9998"], "units": 1})
    network = {"inputs": {"x": {"shape": [1]}}, "nodes": nodes, "losses": [{"kind": "mse"}]}
    graph = build(Network.model_validate(network))
    plan = Plan(graph, 1, initial_parameters(graph, 0, "float64"), wanted=Wanted(input_gradients=True))
    plan.load({"x": np.array([[0.5]])}, {"y": np.array([[1.0]])})
    plan.forward()
    plan.backward()
    assert 0 < abs(float(plan.buffers.gradients["x"][0, 0])) < 1e-3


def test_gradients_through_sixty_diamonds_count_every_path() -> None:
    """Each diamond doubles the value, so the gradient is 2^60 times the error of 2^60."""
    nodes: Nodes = []
    previous = "x"
    for i in range(60):
        nodes += [
            {"id": f"a{i}", "op": "identity", "inputs": [previous]},
            {"id": f"b{i}", "op": "identity", "inputs": [previous]},
        ]
        nodes.append({"id": f"s{i}", "op": "add", "inputs": [f"a{i}", f"b{i}"]})
        previous = f"s{i}"
    network = {"inputs": {"x": {"shape": [1]}}, "nodes": nodes, "losses": [{"kind": "half_sse", "input": previous}]}
    graph = build(Network.model_validate(network))
    result = interpret(graph, np.zeros(0), {"x": np.array([[1.0]])}, {"y": np.array([[0.0]])})
    assert result.gradients["x"][0, 0] == 2.0**120
