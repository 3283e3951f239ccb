"""What must be true of the memory of a plan, whatever the graph: nothing is read before it was written, nothing that is
still needed is overwritten, and nothing is left over from the step before."""

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.arrays import Array, batch_first
from core.graph.build import build
from core.graph.footprint import arrays_of
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.interpreter import Pass, interpret
from core.graph.plan import Plan
from core.graph.sites import Wanted
from core.network import Network
from tests.every.random_networks import batch_of, networks

slowly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def a_plan(graph: Graph, rows: int, *, everything: bool) -> Plan:
    wanted = Wanted(input_gradients=everything)
    return Plan(graph, rows, initial_parameters(graph, 7, "float64"), wanted=wanted)


def step(plan: Plan, inputs: dict[str, Array], targets: dict[str, Array]) -> None:
    plan.load(inputs, targets)
    plan.forward()
    plan.backward()


def written_by(plan: Plan) -> list[Array]:
    """Every array whose content a step on other examples changes, and which is no input."""
    calls = (*plan.prepare_calls, *plan.calls)
    fed = [*plan.buffers.fed_inputs.values(), *plan.buffers.fed_targets.values()]
    arrays = [array for array in arrays_of(calls).values() if not any(array is one for one in fed)]
    step(plan, *batch_of(plan.graph, plan.rows, "float64"))
    before = [array.copy() for array in arrays]
    inputs, targets = batch_of(plan.graph, plan.rows, "float64")
    step(plan, {name: 0.5 - array for name, array in inputs.items()}, {name: -array for name, array in targets.items()})
    pairs = zip(arrays, before, strict=True)
    return [array for array, copy in pairs if not np.array_equal(array, copy, equal_nan=array.dtype.kind in "fc")]


def spoil(arrays: list[Array], values: Any) -> None:
    """Fill what a step must write before it reads it; rows of ones below values are no part of it."""
    for array in arrays:
        if array.dtype.kind in "fc":
            array[...] = np.where(array == 1.0, array, values)
        elif array.dtype.kind == "b":
            array[...] = ~array


def results(plan: Plan) -> dict[str, Array]:
    assert plan.gradient is not None
    values = {f"value of {name}": batch_first(value).copy() for name, value in plan.buffers.values.items()}
    gradients = {f"gradient of {name}": batch_first(d).copy() for name, d in plan.buffers.gradients.items()}
    return values | gradients | {"parameters": plan.gradient.copy(), "loss": np.array(plan.loss())}


@slowly
@given(network=networks(), rows=st.integers(1, 5))
def test_every_buffer_is_written_before_it_is_read(network: Network, rows: int) -> None:
    """Whatever a step writes is spoilt before it: were any of it read first, a NaN would come out."""
    graph = build(network)
    plan = a_plan(graph, rows, everything=True)
    with np.errstate(all="ignore"):
        changed = written_by(plan)
        batch = batch_of(graph, rows, "float64")
        step(plan, *batch)
        clean = results(plan)
        spoil(changed, np.nan)
        step(plan, *batch)
    for name, array in results(plan).items():
        np.testing.assert_array_equal(array, clean[name], err_msg=name)


@slowly
@given(network=networks(), rows=st.integers(1, 5), everything=st.booleans())
def test_no_value_is_overwritten_while_it_is_needed(network: Network, rows: int, everything: bool) -> None:
    """At the end of a step every buffer still holds what an interpreter without buffers computes."""
    graph = build(network)
    plan = a_plan(graph, rows, everything=everything)
    batch = batch_of(graph, rows, "float64")
    with np.errstate(all="ignore"):
        step(plan, *batch)
        plain = interpret(graph, plan.parameters, *batch)
    if not finite(plain):
        return
    for name, value in plain.values.items():
        close(batch_first(plan.buffers.values[name]), value)
    assert plan.gradient is not None
    for node, tensors in graph.views(plan.gradient).items():
        for parameter, gradient in tensors.items():
            # A shared parameter has one gradient: the sum over all nodes that use it.
            close(gradient, plain.parameter_gradients.get(node, {}).get(parameter, np.zeros_like(gradient)))


def finite(plain: Pass) -> bool:
    return all(np.isfinite(value).all() and np.abs(value).max() < 1e6 for value in plain.values.values())


def close(ours: Array, plain: Array) -> None:
    np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-12 * max(1.0, float(np.abs(plain).max(initial=0.0))))


@slowly
@given(network=networks())
def test_buffers_of_different_nodes_share_no_memory(network: Network) -> None:
    plan = a_plan(build(network), 2, everything=True)
    arrays = [*plan.buffers.values.values(), *plan.buffers.gradients.values(), plan.gradient, plan.parameters]
    spans = sorted(np.lib.array_utils.byte_bounds(array) for array in arrays if array is not None and array.size)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
