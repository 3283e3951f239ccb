"""The flow question: the reference numbers, every op, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.graph.build import build
from core.inspect.flow import FlowQuestion
from core.inspection.question import Library
from core.network import Network
from core.ops import OPS
from core.pointwise import Pointwise
from tests.reference_flow import REFERENCE, agrees_with_the_reference, the_reference
from tests.reference_networks import case, cases, request_of

Body = dict[str, Any]


def ask(body: Body, library: Library) -> Body:
    answer: Body = json.loads(FlowQuestion.model_validate_json(json.dumps(body)).answer(library).model_dump_json())
    (point,) = answer["points"]
    assert isinstance(point, dict)
    return point


def mistakes(body: Body, library: Library) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        ask(body, library)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def test_every_reference_number_comes_out(library: Library) -> None:
    agrees_with_the_reference(ask(the_reference(), library))


def test_the_first_step_of_any_optimizer_is_measured(library: Library) -> None:
    """rmsprop's first step is rate · g / (√((1 − 0.99) g²) + ε): ten times the rate in every entry."""
    body = the_reference() | {"optimizer": {"kind": "rmsprop"}}
    answer = ask(body, library)
    tensor = answer["tensors"]["z1.W"]
    assert tensor["update_to_weight"] == pytest.approx(10 * 0.1 * 12**0.5 / tensor["weight_norm"], rel=1e-5)
    assert answer["layers"][0]["update_to_weight"] == tensor["update_to_weight"]
    answer = ask(the_reference(), library)
    assert answer["tensors"]["z1.W"]["update_to_weight"] is None
    assert answer["layers"][0]["update_to_weight"] == answer["tensors"]["z1.W"]["sgd_update_to_weight"]


def test_without_targets_only_the_way_forward_is_told(library: Library) -> None:
    body = the_reference()
    del body["targets"]
    answer = ask(body, library)
    assert answer["nodes"]["h"]["std"] == pytest.approx(REFERENCE["flow"]["activations"]["h"]["std_biased"])
    assert (answer["loss"], answer["nodes"]["h"]["slope_rms"]) == (None, None)
    assert answer["layers"][0] == {
        "node": "z1",
        "slope_rms": None,
        "weight_norm": pytest.approx(REFERENCE["flow"]["tensors"]["W1"]["weight_norm"]),
        "gradient_norm": None,
        "update_to_weight": None,
    }


def test_a_summary_lists_no_units(library: Library) -> None:
    assert ask(the_reference() | {"summary": True}, library)["nodes"]["h"]["units"] is None


def test_dead_saturated_and_identical_units_are_counted(library: Library) -> None:
    hidden = {"op": "dense", "params": {"W": [[1.0, 1.0, 9.0, -1.0]], "b": [0.0, 0.0, 0.0, 0.0]}}
    last = {"op": "dense", "units": 1}
    body: Body = {"inputs": {"x": [[0.5], [1.0]]}, "targets": {"y": [[0.0], [0.0]]}}
    for op, name, share in (("relu", "dead", 0.25), ("tanh", "saturated", 0.25)):
        network = {"layers": [hidden, {"op": op}, last], "losses": [{"kind": "mse"}]}
        nodes = ask(body | {"subject": {"network": network}}, library)["nodes"]
        assert nodes[f"{op}_1"][name] == share
        assert nodes["dense_1"]["identical"] == pytest.approx(1 / 6)


def test_numbers_that_are_none_are_counted_and_marked(library: Library) -> None:
    layers = [{"op": "dense", "params": {"W": [[1.0]], "b": [0.0]}}, {"op": "exp"}, {"op": "dense", "units": 1}]
    network = {"layers": layers, "losses": [{"kind": "mse"}]}
    body = {"subject": {"network": network}, "inputs": {"x": [[0.0], [1000.0]]}, "targets": {"y": [[0.0], [0.0]]}}
    answer = ask(body | {"learning_rate": 0.1}, library)
    assert (answer["nodes"]["exp_1"]["non_finite"], answer["nodes"]["exp_1"]["mean"]) == (1, 1.0)
    assert answer["loss"] is None
    assert answer["tensors"]["dense_2.W"]["gradient_norm"] is None
    assert answer["tensors"]["dense_2.W"]["non_finite"] == 1


@pytest.mark.parametrize("name", [str(one["name"]) for one in cases()])
def test_signals_of_every_reference_network_are_those_of_its_gradients(name: str, library: Library) -> None:
    one = case(name)
    answer = ask(request_of(one), library)
    assert answer["loss"] == pytest.approx(one["expected"]["loss"], rel=1e-9)
    for node, gradient in one["expected"]["grad_nodes"].items():
        expected = np.sqrt(np.mean(np.square(np.asarray(gradient, float))))
        assert answer["nodes"][node]["slope_rms"] == pytest.approx(expected, rel=1e-9, abs=1e-15)
    for node, tensors in one["expected"]["grad_params"].items():
        for tensor, gradient in tensors.items():
            expected = np.linalg.norm(np.asarray(gradient, float))
            assert answer["tensors"][f"{node}.{tensor}"]["gradient_norm"] == pytest.approx(
                expected, rel=1e-9, abs=1e-15
            )


@pytest.mark.parametrize("op", sorted(OPS))
def test_every_op_is_looked_at(op: str, library: Library) -> None:
    """Its value, its slope where it acts entry by entry, and the signal that reaches it."""
    example, shapes = OPS[op].examples()[0]
    generator = np.random.default_rng(0)
    names = [f"x{index}" for index in range(len(shapes))]
    kind = "int" if example.takes_integers else "float"
    node = example.model_dump(mode="json", exclude_none=True) | {"id": "n", "inputs": names}
    network: Body = {
        "inputs": {name: {"shape": list(shape), "dtype": kind} for name, shape in zip(names, shapes, strict=True)},
        "nodes": [node],
        "losses": [{"kind": "mse"}],
    }
    graph = build(Network.model_validate_json(json.dumps(network)))
    arrays = [np.zeros((6, *shape), int) if kind == "int" else generator.normal(size=(6, *shape)) for shape in shapes]
    body: Body = {
        "subject": {"network": network},
        "inputs": {name: array.tolist() for name, array in zip(names, arrays, strict=True)},
        "targets": {"y": generator.standard_normal((6, *graph.targets["y"].shape)).tolist()},
        "learning_rate": 0.1,
    }
    look = ask(body, library)["nodes"]["n"]
    assert look["non_finite"] == 0 and look["slope_rms"] > 0 and look["std"] is not None
    assert (look["mean_local_slope"] is not None) == issubclass(OPS[op], Pointwise)


def test_what_does_not_apply_is_refused(library: Library) -> None:
    assert "all its parts" in mistakes(the_reference() | {"include": ["values"]}, library)["/include"]
    assert "model" in mistakes(the_reference() | {"epochs": [0, 3]}, library)["/epochs"]
