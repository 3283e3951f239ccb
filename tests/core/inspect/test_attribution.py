"""What holds of the attributions of every reference network, whatever ops it is made of."""

import json
from typing import Any

import numpy as np
import pytest

from core.inspect.attribution import AttributionQuestion
from core.inspection.answers import answered
from core.inspection.batch import Posed
from core.inspection.output_gradient import choose
from core.inspection.question import Library
from tests.reference_networks import Case, cases, request_of

Json = dict[str, Any]


def a_body(case: Case, **fields: Any) -> Json:
    """A question about the first unit of the output of a reference network."""
    body = request_of(case)
    del body["targets"], body["mode"]
    shape = np.shape(case["expected"]["nodes"][body["subject"]["network"]["losses"][0]["input"]])[1:]
    return body | {"output": {"index": [0] * len(shape)}} | fields


def has_numbers(case: Case) -> bool:
    return any(given["dtype"] == "float" for given in case["inputs"].values())


def ask(body: Json, library: Library) -> Json:
    question = AttributionQuestion.model_validate_json(json.dumps(body))
    answer: Json = json.loads(answered(question, library).model_dump_json())
    return answer


def of_numbers() -> pytest.MarkDecorator:
    found = [case for case in cases() if has_numbers(case)]
    return pytest.mark.parametrize("case", found, ids=lambda case: str(case["name"]))


@of_numbers()
def test_the_gradient_of_an_output_is_its_complex_step_derivative(case: Case, library: Library) -> None:
    body = a_body(case, methods=["saliency"])
    answer = ask(body, library)
    question = AttributionQuestion.model_validate_json(json.dumps(body))
    posed = question.pose(library)
    output = choose(posed, question.output, "/output")
    generator = np.random.default_rng(0)
    inputs = dict(posed.examples.inputs)
    slope = np.zeros(posed.examples.rows)
    for name, found in answer["methods"]["saliency"]["gradient"].items():
        direction = generator.standard_normal(inputs[name].shape)
        inputs[name] = inputs[name] + 1e-30j * direction
        slope += (np.array(found) * direction).reshape(len(slope), -1).sum(axis=1)
    moved = Posed(posed.graph, posed.parameters.astype(np.complex128), posed.examples, training=False, seed=0)
    values = output.values(moved.run(inputs=inputs, backward=False))
    np.testing.assert_allclose(slope, values.imag / 1e-30, rtol=1e-10, atol=1e-10 * np.abs(slope).max())


@of_numbers()
def test_the_rescale_rule_adds_up_or_is_refused_by_the_ops_it_is_not_for(case: Case, library: Library) -> None:
    answer = ask(a_body(case), library)
    assert "rows of the training split" in answer["left_out"]["expected_gradients"]
    if "deeplift" in answer["left_out"]:
        kinds = {node["op"] for node in case["nodes"]}
        assert any(f"({kind})" in answer["left_out"]["deeplift"] for kind in kinds)
    else:
        found = answer["methods"]["deeplift"]["completeness"]
        size = max(1.0, float(np.abs(found["difference"]).max()))
        assert np.array(found["gap"]) == pytest.approx(0, abs=1e-12 * size)
    path = answer["methods"]["integrated_gradients"]
    assert path["converged"]
    allowed = np.maximum(0.01 * np.abs(path["completeness"]["difference"]), 1e-4)
    assert (np.abs(path["completeness"]["gap"]) <= allowed).all()


def test_some_networks_have_a_rescale_rule_and_some_have_not(library: Library) -> None:
    bodies = [a_body(case, methods=None) for case in cases() if has_numbers(case)][:12]
    refused = ["deeplift" in ask(body, library)["left_out"] for body in bodies]
    assert {True, False} == set(refused)


def test_what_is_not_finite_is_null_and_counted(library: Library) -> None:
    """1e200 times 1e200 is none; its baseline is finite."""
    network = {"layers": [{"op": "square", "id": "s"}, {"op": "dense", "params": {"W": [[1.0], [1.0]]}}]}
    answer = ask({"subject": {"network": network}, "inputs": {"x": [[1e200, 1.0], [1.0, 2.0]]}}, library)
    assert answer["output"]["values"] == [None, 5.0]
    product = answer["methods"]["gradient_times_input"]["attributions"]["x"]
    assert product == [[None, 2.0], [2.0, 8.0]]
    assert {"pointer": "/methods/gradient_times_input/attributions/x", "count": 1} in answer["non_finite"]
    path = answer["methods"]["integrated_gradients"]
    assert path["completeness"]["gap"][0] is None
    assert not path["converged"]
    assert answer["methods"]["deeplift"]["attributions"]["x"][1] == [1.0, 4.0]


def test_attributions_of_many_examples_can_be_summarized(library: Library) -> None:
    network = {"layers": [{"op": "dense", "units": 1}]}
    body = {"subject": {"network": network}, "inputs": {"x": np.ones((1000, 700)).tolist()}, "methods": ["saliency"]}
    answer = ask(body | {"summary": True}, library)
    assert answer["methods"]["saliency"]["attributions"]["x"]["shape"] == [1000, 700]


def test_the_work_of_an_answer_grows_with_its_passes(library: Library) -> None:
    body = a_body(next(case for case in cases() if has_numbers(case)), methods=["integrated_gradients"])

    def work(**fields: Any) -> float:
        return AttributionQuestion.model_validate_json(json.dumps(body | fields)).work(library)

    assert work(steps=200) == pytest.approx(2 * work(steps=100))
    assert work(methods=["saliency"]) == pytest.approx(work(steps=1))
    assert work() > work(steps=8)
