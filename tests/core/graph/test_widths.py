"""What nobody wrote is taken from explicit weights, from the owner of shared ones, or from the target."""

from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.network import Network


def graph_of(shape: list[int], *nodes: dict[str, Any], **around: Any) -> Graph:
    """A chain, each node fed by the one before."""
    names = ["x", *(node["id"] for node in nodes)]
    chained = [{"inputs": [source]} | node for source, node in zip(names, nodes, strict=False)]
    network = {"inputs": {"x": {"shape": shape}}, "nodes": chained, "losses": [{"kind": "mse"}]}
    return build(Network.model_validate(network), Surroundings(**around))


def test_explicit_weights_tell_filters_and_kernel_and_whether_there_is_a_bias() -> None:
    graph = graph_of(
        [2, 5, 5],
        {"id": "a", "op": "conv2d", "params": {"W": np.zeros((4, 2, 3, 2)), "b": np.zeros(4)}},
        {"id": "b", "op": "conv2d", "params": {"W": np.zeros((6, 4, 2, 2))}},
        {"id": "c", "op": "conv_transpose2d", "params": {"W": np.zeros((6, 5, 1, 3))}},
    )
    told = [(op.filters, op.kernel, op.bias) for op in graph.network.nodes or () if op.op != "dense"]  # type: ignore[attr-defined]  # of convolutions
    assert told == [(4, [3, 2], True), (6, 2, False), (5, [1, 3], False)]
    assert graph.node["c"].shape == (5, 2, 5)


def test_a_node_that_shares_weights_has_the_hyper_parameters_they_tell() -> None:
    graph = graph_of(
        [2, 6],
        {"id": "a", "op": "conv1d", "filters": 2, "kernel": 3, "bias": False},
        {"id": "b", "op": "conv1d", "share": "a", "padding": 1},
        {"id": "c", "op": "conv1d", "share": "given", "stride": 2},
        {"id": "given", "op": "conv1d", "params": {"W": np.zeros((2, 2, 1)), "b": np.zeros(2)}},
    )
    assert [graph.node[name].shape for name in "abc"] == [(2, 4), (2, 4), (2, 2)]
    assert set(graph.node["b"].parameters) == {"W"}
    assert graph.parameter_count == 12 + 6


def test_a_dense_layer_that_shares_weights_is_as_wide_as_their_owner_and_has_no_other_bias() -> None:
    graph = graph_of(
        [2],
        {"id": "a", "op": "dense", "units": 2, "bias": False},
        {"id": "b", "op": "dense", "share": "a"},
        {"id": "y", "op": "dense", "units": 1},
    )
    assert graph.node["b"].shape == (2,)
    assert set(graph.node["b"].parameters) == {"W"}


def test_a_shared_kernel_of_another_size_is_refused() -> None:
    with pytest.raises(Invalid, match="has parameters of other shapes"):
        graph_of(
            [2, 6],
            {"id": "a", "op": "conv1d", "filters": 2, "kernel": 3},
            {"id": "b", "op": "conv1d", "share": "a", "kernel": 2},
        )


def test_the_width_of_the_target_is_not_taken_by_a_dense_layer_before_a_convolution() -> None:
    layers = (
        {"id": "d", "op": "dense"},
        {"id": "r", "op": "reshape", "shape": [1, -1]},
        {"id": "c", "op": "conv1d", "filters": 1, "kernel": 1},
    )
    with pytest.raises(Invalid, match="needs `units`"):
        graph_of([4], *layers, widths={"y": 3})
