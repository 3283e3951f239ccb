"""Embeddings: rows are looked up, their gradients add up, and the row of padding does not learn."""

from typing import Any

import numpy as np
import pytest

from core.arrays import Array
from core.errors import Invalid
from core.graph.build import build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.interpreter import interpret
from core.network import Network

TABLE = [[0.5, 0.25], [1.0, 2.0], [3.0, 4.0]]


def a_graph(shape: list[int], *nodes: dict[str, Any], penalties: list[dict[str, Any]] | None = None) -> Graph:
    network = {
        "inputs": {"x": {"shape": shape, "dtype": "int"}},
        "nodes": list(nodes),
        "losses": [{"kind": "half_sse"}],
        "penalties": penalties or [],
    }
    return build(Network.model_validate(network))


def an_embedding(**fields: Any) -> dict[str, Any]:
    return {"id": "e", "op": "embedding", "inputs": ["x"]} | fields


def gradient_of_table(graph: Graph, ids: list[Any], targets: Array) -> Array:
    result = interpret(graph, initial_parameters(graph, 0, np.float64), {"x": np.array(ids)}, {"y": targets})
    return result.parameter_gradients["e"]["table"]


def test_rows_are_looked_up() -> None:
    graph = a_graph([2], an_embedding(params={"table": TABLE}))
    result = interpret(
        graph, initial_parameters(graph, 0, np.float64), {"x": np.array([[2, 0], [1, 1]])}, backward=False
    )
    np.testing.assert_array_equal(result.values["e"], [[[3, 4], [0.5, 0.25]], [[1, 2], [1, 2]]])


def test_gradients_of_a_number_that_stands_twice_add_up() -> None:
    """Half the sum of squares with targets 0: each place of row 1 gives [1, 2] again."""
    graph = a_graph([2], an_embedding(params={"table": TABLE}))
    found = gradient_of_table(graph, [[1, 2], [1, 1]], np.zeros((2, 2, 2)))
    np.testing.assert_array_equal(found, [[0, 0], [3, 6], [3, 4]])


def test_the_row_of_padding_has_no_gradient_although_the_loss_depends_on_it() -> None:
    graph = a_graph([2], an_embedding(params={"table": TABLE}, padding_idx=0))
    found = gradient_of_table(graph, [[0, 2], [0, 1]], np.zeros((2, 2, 2)))
    np.testing.assert_array_equal(found, [[0, 0], [1, 2], [3, 4]])


def test_the_row_of_padding_starts_at_zero_and_no_other() -> None:
    graph = a_graph([2], an_embedding(vocabulary=5, dim=3, padding_idx=2))
    table = initial_parameters(graph, 0, np.float64).reshape(5, 3)
    np.testing.assert_array_equal((table == 0).all(axis=1), [False, False, True, False, False])


def test_one_row_reaches_each_output_so_the_width_alone_decides_how_far_it_is_drawn() -> None:
    """Glorot with fans 1 and 5: uniform within √(6 / 6) = 1, whatever the vocabulary."""
    graph = a_graph([1], an_embedding(vocabulary=10_000, dim=5))
    assert 0.999 < np.abs(initial_parameters(graph, 0, np.float64)).max() <= 1.0


def test_an_explicit_table_tells_its_sizes_and_they_are_written_out() -> None:
    graph = a_graph([2], an_embedding(params={"table": TABLE}))
    (node,) = graph.network.model_dump()["nodes"]
    assert (node["vocabulary"], node["dim"]) == (3, 2)


def test_sharing_takes_the_sizes_of_the_owner_and_adds_its_gradients() -> None:
    nodes = [
        an_embedding(params={"table": TABLE}, padding_idx=0),
        {"id": "f", "op": "embedding", "inputs": ["x"], "share": "e"},
        {"id": "s", "op": "add", "inputs": ["e", "f"]},
    ]
    graph = a_graph([1], *nodes)
    found = gradient_of_table(graph, [[1], [0]], np.zeros((2, 1, 2)))
    np.testing.assert_array_equal(found, [[0, 0], [4, 8], [0, 0]])


def test_one_table_cannot_keep_two_rows_from_learning() -> None:
    nodes = [
        an_embedding(params={"table": TABLE}, padding_idx=0),
        {"id": "f", "op": "embedding", "inputs": ["x"], "share": "e", "padding_idx": 1},
        {"id": "s", "op": "add", "inputs": ["e", "f"]},
    ]
    with pytest.raises(Invalid, match="keeps another row from learning"):
        a_graph([1], *nodes)


def test_padding_beyond_the_vocabulary_is_refused() -> None:
    with pytest.raises(Invalid, match="padding_idx 3 and a vocabulary of 0 to 2"):
        a_graph([1], an_embedding(vocabulary=3, dim=1, padding_idx=3))


def test_an_input_takes_no_more_numbers_than_the_smallest_table_that_reads_it() -> None:
    nodes = [
        an_embedding(vocabulary=5, dim=2),
        {"id": "f", "op": "embedding", "inputs": ["x"], "vocabulary": 3, "dim": 2},
        {"id": "g", "op": "embedding", "inputs": ["x"], "vocabulary": 4, "dim": 2},
        {"id": "s", "op": "add", "inputs": ["e", "f", "g"]},
    ]
    assert a_graph([1], *nodes).index_limits == {"x": 3}
