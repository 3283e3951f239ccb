"""The plain way through a graph: where a pass may begin and end."""

import numpy as np

from core.graph.build import build
from core.graph.interpreter import back_propagate, interpret
from core.network import Network

GRAPH = build(
    Network.model_validate(
        {
            "inputs": {"x": {"shape": [2]}},
            "layers": [
                {"op": "dense", "id": "a", "units": 2},
                {"op": "square", "id": "b"},
                {"op": "dense", "id": "c", "params": {"W": np.array([[3.0], [5.0]])}},
            ],
        }
    )
)


def test_a_value_that_is_given_stands_in_for_the_node_and_ends_the_backward_pass() -> None:
    parameters = np.ones(GRAPH.size)
    GRAPH.views(parameters)["c"]["W"][...] = [[3.0], [5.0]]
    given = {"b": np.array([[1.0, 2.0], [10.0, 20.0]])}
    done = interpret(GRAPH, parameters, {"x": np.zeros((2, 2))}, given=given, backward=False)
    assert done.values["c"].tolist() == [[13.0], [130.0]]
    back_propagate(GRAPH, done, [("c", np.ones((2, 1)))])
    assert done.gradients["b"].tolist() == [[3.0, 5.0]] * 2
    assert done.gradients.keys() == {"b", "c"}
    assert done.parameter_gradients.keys() == {"c"}


def test_gradients_that_begin_at_several_values_add_up() -> None:
    parameters = np.ones(GRAPH.size)
    done = interpret(GRAPH, parameters, {"x": np.array([[1.0, 1.0]])}, backward=False)
    # a = (3, 3): by b the slope is 2 · 3 · (1 + 10), by a itself 100.
    seeds = [("c", np.ones((1, 1))), ("b", np.full((1, 2), 10.0)), ("a", np.full((1, 2), 100.0))]
    back_propagate(GRAPH, done, seeds)
    assert done.gradients["a"].tolist() == [[166.0, 166.0]]
    assert done.gradients["x"].tolist() == [[332.0, 332.0]]
