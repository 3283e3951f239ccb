"""Names, cycles, orphans, shapes and budgets of a network, and the order it is computed in."""

from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.graph.summary import summarize
from core.graph.written import written_out
from core.losses.mse import Mse
from core.network import InputSpec, Network

Description = dict[str, Any]
Nodes = list[Description]


def built(description: Description, **around: Any) -> Graph:
    return build(Network.model_validate(description), Surroundings(**around))


def mistakes(description: Description, **around: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as error:
        built(description, **around)
    return {problem.pointer: problem.detail for problem in error.value.problems}


def chain(*nodes: Description, width: int = 2) -> Description:
    return {"inputs": {"x": {"shape": [width]}}, "nodes": list(nodes)}


def test_layers_become_nodes_named_by_their_op_and_number() -> None:
    graph = built(
        {
            "inputs": {"x": {"shape": [4]}},
            "layers": [{"op": "dense", "units": 3}, {"op": "relu"}, {"op": "dense", "units": 2}],
        }
    )
    assert [(node.id, node.inputs, node.shape) for node in graph.nodes] == [
        ("dense_1", ("x",), (3,)),
        ("relu_1", ("dense_1",), (3,)),
        ("dense_2", ("relu_1",), (2,)),
    ]
    assert graph.parameter_count == 4 * 3 + 3 + 3 * 2 + 2


def test_a_layer_may_have_a_name_of_its_own() -> None:
    graph = built(
        {"inputs": {"x": {"shape": [4]}}, "layers": [{"op": "dense", "units": 3, "id": "relu_1"}, {"op": "relu"}]}
    )
    assert [node.id for node in graph.nodes] == ["relu_1", "relu_2"]


def test_nodes_may_stand_in_any_order() -> None:
    graph = built(
        chain(
            {"id": "y", "op": "add", "inputs": ["a", "b"]},
            {"id": "b", "op": "relu", "inputs": ["a"]},
            {"id": "a", "op": "dense", "inputs": ["x"], "units": 3},
        )
    )
    assert [node.id for node in graph.nodes] == ["a", "b", "y"]
    assert graph.output == "y"


def test_a_cycle_is_refused_by_naming_its_nodes() -> None:
    found = mistakes(
        chain(
            {"id": "a", "op": "add", "inputs": ["x", "c"]},
            {"id": "b", "op": "relu", "inputs": ["a"]},
            {"id": "c", "op": "relu", "inputs": ["b"]},
        )
    )
    (detail,) = found.values()
    assert detail in {f"the nodes form a cycle: {ring}" for ring in ("a → b → c → a", "b → c → a → b", "c → a → b → c")}


def test_every_wrong_name_is_found_at_once() -> None:
    found = mistakes(
        chain(
            {"id": "a", "op": "dense", "inputs": ["z"], "units": 3},
            {"id": "a", "op": "relu", "inputs": ["a", "x"]},
            {"id": "x", "op": "relu", "inputs": ["a"]},
            {"op": "relu"},
            {"id": "s", "op": "dense", "inputs": ["x"], "share": "nobody"},
        )
    )
    assert set(found) == {
        "/nodes/0/inputs/0", "/nodes/0/id", "/nodes/1/id", "/nodes/1/inputs", "/nodes/2/id", "/nodes/3/id",
        "/nodes/3/inputs", "/nodes/4/share",
    }  # fmt: skip


def test_a_node_that_leads_nowhere_is_refused() -> None:
    nodes: Nodes = [
        {"id": "a", "op": "relu", "inputs": ["x"]},
        {"id": "lost", "op": "relu", "inputs": ["x"]},
    ]
    assert "/nodes/1" in mistakes(chain(*nodes) | {"losses": [{"kind": "mse", "input": "a"}]})


def test_two_possible_outputs_are_refused_without_losses() -> None:
    nodes: Nodes = [
        {"id": "a", "op": "relu", "inputs": ["x"]},
        {"id": "b", "op": "relu", "inputs": ["x"]},
    ]
    assert "/losses" in mistakes(chain(*nodes))


def test_an_input_nothing_uses_is_refused() -> None:
    inputs = {"x": {"shape": [2]}, "z": {"shape": [2]}}
    assert set(mistakes({"inputs": inputs, "nodes": [{"id": "a", "op": "relu", "inputs": ["x"]}]})) == {"/inputs/z"}


def test_shapes_that_do_not_fit_are_refused_without_judging_what_follows() -> None:
    found = mistakes(
        chain(
            {"id": "a", "op": "dense", "inputs": ["x"], "units": 3},
            {"id": "b", "op": "add", "inputs": ["a", "x"]},
            {"id": "c", "op": "dense", "inputs": ["b"], "units": 3},
        )
    )
    assert set(found) == {"/nodes/1"}


def test_explicit_parameters_must_have_the_shape_and_name_of_the_op() -> None:
    found = mistakes(
        chain({"id": "a", "op": "dense", "inputs": ["x"], "units": 3, "params": {"W": [[1.0, 2.0]], "c": [1.0]}})
    )
    assert found["/nodes/0/params/W"] == "must have shape [2, 3]"
    assert "/nodes/0/params/c" in found


def test_what_has_no_parameters_takes_none() -> None:
    found = mistakes(
        chain({"id": "a", "op": "relu", "inputs": ["x"], "params": {"W": [1.0]}, "init": "zeros", "share": "a"})
    )
    assert {"/nodes/0/share"} <= set(found)


def test_a_billion_units_are_refused_before_anything_is_allocated() -> None:
    found = mistakes(chain({"id": "a", "op": "dense", "inputs": ["x"], "units": 1_000_000_000}), max_parameters=10**6)
    assert "3,000,000,000 parameters" in found["/nodes/0"]


def test_a_last_dense_takes_its_width_from_the_target_through_an_activation() -> None:
    description: Description = {
        "layers": [{"op": "dense", "units": 8}, {"op": "relu"}, {"op": "dense"}, {"op": "sigmoid"}]
    }
    graph = built(description, inputs={"x": InputSpec(shape=[4])}, widths={"y": 3}, losses=(Mse(),))
    assert graph.shape_of("sigmoid_1") == (3,)


def test_a_dense_without_units_and_target_is_refused() -> None:
    assert "units" in mistakes(chain({"id": "a", "op": "dense", "inputs": ["x"]}))["/nodes/0"]


def test_sharing_needs_the_same_shapes() -> None:
    found = mistakes(
        chain(
            {"id": "a", "op": "dense", "inputs": ["x"], "units": 3},
            {"id": "b", "op": "dense", "inputs": ["a"], "units": 3, "share": "a"},
        )
    )
    assert set(found) == {"/nodes/1/share"}


def test_ten_thousand_nodes_in_a_chain_are_no_problem() -> None:
    nodes: Nodes = [{"id": f"n{i}", "op": "relu", "inputs": [f"n{i - 1}" if i else "x"]} for i in range(10_000)]
    graph = built(chain(*reversed(nodes)))
    assert graph.output == "n9999"


def test_sixty_stacked_diamonds_are_no_problem() -> None:
    nodes: Nodes = []
    previous = "x"
    for i in range(60):
        nodes.append({"id": f"l{i}", "op": "relu", "inputs": [previous]})
        nodes.append({"id": f"r{i}", "op": "tanh", "inputs": [previous]})
        nodes.append({"id": f"s{i}", "op": "add", "inputs": [f"l{i}", f"r{i}"]})
        previous = f"s{i}"
    assert built(chain(*nodes)).output == "s59"


def test_a_width_that_only_explicit_weights_tell_is_written_out() -> None:
    """Without it the network could not be built again from its description and stored weights."""
    graph = built(
        chain({"id": "a", "op": "dense", "inputs": ["x"], "params": {"W": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}})
    )
    bare = graph.network.model_dump(exclude={"nodes": {"__all__": {"params"}}})
    assert build(Network.model_validate(bare)).layout == graph.layout


A_NORM: Description = {"id": "bn", "op": "batch_norm", "inputs": ["x"]}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"running_mean": [1.0, 2.0, 3.0]}, "must have shape [2]"),
        ({"variance": [1.0, 2.0]}, "batch_norm has no state 'variance'"),
        ({"running_var": [1.0, -0.5]}, "cannot be less than 0"),
    ],
)
def test_explicit_state_must_be_what_the_op_remembers(state: Description, message: str) -> None:
    (name,) = state
    assert mistakes(chain(A_NORM | {"state": state}))[f"/nodes/0/state/{name}"] == message


def test_what_remembers_nothing_takes_no_state() -> None:
    found = mistakes(chain({"id": "a", "op": "relu", "inputs": ["x"], "state": {"running_mean": [0.0, 0.0]}}))
    assert found == {"/nodes/0/state": "relu remembers nothing from step to step"}


def test_state_lies_behind_the_parameters_and_counts_as_none() -> None:
    graph = built(chain(A_NORM | {"state": {"running_mean": [3.0, 4.0]}}))
    flat = initial_parameters(graph, 0, "float64")
    assert (graph.parameter_count, graph.size) == (4, 8)
    np.testing.assert_array_equal(flat, [1, 1, 0, 0, 3, 4, 1, 1])
    summary = summarize(graph)
    assert summary.totals.parameters == summary.nodes[0].parameter_count == 4
    assert [(one.name, one.shape) for one in summary.nodes[0].state] == [("running_mean", [2]), ("running_var", [2])]


def test_sharing_gains_shares_no_statistics() -> None:
    graph = built(chain(A_NORM, A_NORM | {"id": "again", "inputs": ["bn"], "share": "bn"}))
    assert (graph.parameter_count, graph.size) == (4, 12)


def test_gains_and_shifts_are_left_out_of_penalties_unless_named() -> None:
    description = chain(A_NORM, {"id": "d", "op": "dense", "inputs": ["bn"], "units": 2})
    everything, named = ({"kind": "l2", "strength": 1.0}, {"kind": "l1", "strength": 1.0, "params": ["bn.gamma"]})
    graph = built(description | {"penalties": [everything, named]})
    found = [[f"{piece.node}.{piece.name}" for piece in graph.penalized(penalty)] for penalty in graph.penalties]
    assert found == [["d.W"], ["bn.gamma"]]


def test_an_initializer_for_what_is_not_drawn_is_refused() -> None:
    found = mistakes(chain(A_NORM | {"init": "zeros"}))
    assert found == {
        "/nodes/0/init": "batch_norm draws nothing, it starts gamma at 1, beta at 0; give `params` instead"
    }


def test_a_network_written_out_without_parameters_leaves_its_state_out_too() -> None:
    graph = built(chain(A_NORM | {"state": {"running_mean": [3.0, 4.0]}}))
    whole, bare = (written_out(graph, with_params=given).nodes for given in (True, False))
    assert whole is not None and whole[0].state is not None
    assert bare is not None and bare[0].state is None
    assert build(written_out(graph)).state_layout == graph.state_layout


WORDS: Description = {"id": "e", "op": "embedding", "inputs": ["x"], "vocabulary": 5, "dim": 3}


def test_whole_numbers_and_numbers_with_a_gradient_do_not_stand_for_each_other() -> None:
    assert '"dtype": "int"' in mistakes(chain(WORDS))["/nodes/0/inputs/0"]
    words = {"x": {"shape": [2], "dtype": "int"}}
    found = mistakes({"inputs": words, "nodes": [{"id": "d", "op": "dense", "inputs": ["x"], "units": 2}]})
    assert "feed it to an embedding" in found["/nodes/0/inputs/0"]
    nodes = [WORDS, WORDS | {"id": "f", "inputs": ["e"]}]
    assert "feed it an input of the network" in mistakes({"inputs": words, "nodes": nodes})["/nodes/1/inputs/0"]


@pytest.mark.parametrize("form", ["layers", "nodes"])
def test_an_input_that_nobody_declares_is_of_integers_where_only_integers_are_taken(form: str) -> None:
    node = {name: value for name, value in WORDS.items() if form == "nodes" or name != "inputs"}
    graph = built({form: [node]}, inputs={"x": InputSpec(shape=[2])})
    assert graph.inputs["x"].dtype == "int"
