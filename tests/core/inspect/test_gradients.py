"""The gradients question: reference numbers, what is included, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.inspect.gradients import Gradients
from core.inspection.answers import answered
from core.inspection.question import Library
from tests.reference_networks import Case, agrees, cases, request_of

Body = dict[str, Any]


def ask(body: Body, library: Library) -> dict[str, Any]:
    question = Gradients.model_validate_json(json.dumps(body))
    answer: dict[str, Any] = json.loads(answered(question, library).model_dump_json())
    return answer


def mistakes(body: Body, library: Library) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        ask(body, library)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def a_dense(**changes: Any) -> Body:
    """One dense layer with squared error, in layer form, its input left to the data."""
    network = {
        "layers": [{"op": "dense", "id": "d", "params": {"W": [[1.0], [2.0]], "b": [0.5]}}],
        "losses": [{"kind": "mse"}],
    }
    return {"subject": {"network": network}, "inputs": {"x": [[1, 2], [3, 4]]}, "targets": {"y": [[5], [6]]}} | changes


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["name"]))
def test_every_number_of_the_reference_networks_comes_out(case: Case, library: Library) -> None:
    assert agrees(ask(request_of(case), library), case)


def test_there_are_reference_networks_to_compare_with() -> None:
    assert len(cases()) >= 15


def test_the_shape_of_the_input_is_taken_from_the_data(library: Library) -> None:
    answer = ask(a_dense(), library)
    assert answer["values"] == {"d": [[5.5], [11.5]]}
    # (0.5² + 5.5²) / 2, and d/dy = 2 (y − t) / 2.
    assert answer["loss"] == 15.25
    assert answer["gradients"]["nodes"] == {"d": [[0.5], [5.5]]}
    assert answer["gradients"]["params"] == {"d": {"W": [[17.0], [23.0]], "b": [6.0]}}
    assert answer["gradients"]["inputs"] == {"x": [[0.5, 1.0], [5.5, 11.0]]}


def test_without_targets_only_values_are_given(library: Library) -> None:
    body = a_dense()
    del body["targets"]
    answer = ask(body, library)
    assert answer["values"] == {"d": [[5.5], [11.5]]}
    assert answer["loss"] is None
    assert answer["gradients"] == {"params": None, "inputs": None, "nodes": None}


def test_gradients_without_targets_are_refused(library: Library) -> None:
    body = a_dense(include=["values", "params"])
    del body["targets"]
    assert "need targets" in mistakes(body, library)["/targets"]


def test_only_what_is_included_is_given(library: Library) -> None:
    answer = ask(a_dense(include=["inputs"]), library)
    assert answer["values"] is None
    assert answer["gradients"]["params"] is None
    assert answer["gradients"]["inputs"] is not None


def test_a_summary_replaces_arrays_by_a_few_numbers(library: Library) -> None:
    summary = ask(a_dense(summary=True), library)["gradients"]["params"]["d"]["W"]
    assert summary["shape"] == [2, 1]
    assert (summary["min"], summary["max"], summary["max_abs"]) == (17.0, 23.0, 23.0)
    assert summary["l2"] == pytest.approx(np.hypot(17, 23), rel=1e-15)
    assert (summary["zeros"], summary["non_finite"]) == (0, 0)


def test_the_summary_of_huge_and_of_tiny_numbers_is_finite(library: Library) -> None:
    body = a_dense(summary=True, inputs={"x": [[1e200, 0], [0, 1e200]]}, targets={"y": [[0], [0]]}, include=["values"])
    body["subject"]["network"]["losses"] = [{"kind": "mae"}]
    assert ask(body, library)["values"]["d"]["l2"] == pytest.approx(np.sqrt(5) * 1e200)


def test_values_that_overflow_are_null_and_counted(library: Library) -> None:
    body = a_dense(inputs={"x": [[1e308, 1e308], [0, 0]]})
    answer = ask(body, library)
    assert answer["values"]["d"] == [[None], [0.5]]
    assert answer["loss"] is None
    assert {"pointer": "/values/d", "count": 1} in answer["non_finite"]


def test_missing_parameters_are_drawn_from_the_seed(library: Library) -> None:
    body = a_dense(include=["values"])
    body["subject"]["network"]["layers"][0] = {"op": "dense", "id": "d"}
    assert ask(body, library)["values"] == ask(body, library)["values"]
    assert ask(body, library)["values"] != ask(body | {"seed": 1}, library)["values"]


def test_dropout_without_a_mask_drops_by_the_seed_and_only_in_training(library: Library) -> None:
    layers = [{"op": "dropout", "id": "drop", "p": 0.5}]
    network = {"layers": layers, "losses": [{"kind": "mse"}]}
    body = {"subject": {"network": network}, "inputs": {"x": [[1.0] * 50]}, "targets": {"y": [[0.0] * 50]}}
    assert ask(body, library)["values"]["drop"] == [[1.0] * 50]
    dropped = ask(body | {"mode": "training"}, library)["values"]["drop"]
    assert set(dropped[0]) == {0.0, 2.0}
    assert dropped == ask(body | {"mode": "training"}, library)["values"]["drop"]


def test_a_mask_for_other_examples_is_refused(library: Library) -> None:
    layers = [{"op": "dropout", "mask": [[1.0, 0.0]]}]
    body = a_dense(inputs={"x": [[1, 2], [3, 4]]}, targets={"y": [[5, 5], [6, 6]]}, mode="training")
    body["subject"]["network"] = {"layers": layers, "losses": [{"kind": "mse"}]}
    assert mistakes(body, library).keys() == {"/subject/network/layers/0/mask"}


def test_every_misfit_is_named_by_its_place(library: Library) -> None:
    body = a_dense(inputs={"x": [[1, 2], [3, 4]]}, targets={"y": [[5, 6]], "z": [1]})
    assert mistakes(body, library).keys() == {"/targets/z"}
    assert "(examples, 1)" in mistakes(a_dense(targets={"y": [5, 6]}), library)["/targets/y"]
    assert "2" in mistakes(a_dense(targets={"y": [[5]]}), library)["/targets/y"]


def test_mistakes_of_the_network_are_named_below_the_subject(library: Library) -> None:
    body = a_dense()
    body["subject"]["network"]["layers"][0]["params"]["b"] = [1.0, 2.0]
    assert mistakes(body, library).keys() == {"/subject/network/layers/0/params/b"}


def test_a_class_beyond_the_outputs_is_refused(library: Library) -> None:
    body = a_dense(inputs={"x": [[1.0, 2.0]]}, targets={"y": [2]})
    body["subject"]["network"] = {"layers": [{"op": "softplus"}], "losses": [{"kind": "cross_entropy"}]}
    assert "class 2 does not exist" in mistakes(body, library)["/targets/y"]
    assert "whole numbers" in mistakes(body | {"targets": {"y": [0.5]}}, library)["/targets/y"]


def test_a_count_below_zero_is_refused(library: Library) -> None:
    body = a_dense(targets={"y": [[2.0], [-1.0]]})
    body["subject"]["network"]["losses"] = [{"kind": "poisson_nll"}]
    assert mistakes(body, library)["/targets/y"] == "poisson_nll takes numbers from 0"


def test_weights_of_examples_have_to_be_as_many_as_the_examples(library: Library) -> None:
    body = a_dense()
    body["subject"]["network"]["losses"] = [{"kind": "mse", "sample_weight": [1.0]}]
    assert mistakes(body, library).keys() == {"/subject/network/losses/0/sample_weight"}


def test_rows_are_for_models(library: Library) -> None:
    body = a_dense(rows=[{"a": 1}])
    assert mistakes(body, library).keys() == {"/inputs", "/targets", "/rows"}


def test_an_answer_that_nobody_could_read_is_refused_in_favor_of_a_summary(library: Library) -> None:
    network = {"layers": [{"op": "dense", "units": 3000}, {"op": "dense", "units": 1}], "losses": [{"kind": "mse"}]}
    body = {"subject": {"network": network}, "inputs": {"x": [[0.0] * 1000]}, "targets": {"y": [[0.0]]}}
    assert "ask for a summary" in mistakes(body | {"summary": False}, library)["/summary"]
    assert ask(body | {"summary": True}, library)["loss"] is not None


def test_more_examples_than_memory_is_worth_are_refused(library: Library) -> None:
    network = {"layers": [{"op": "dense", "units": 30_000}, {"op": "dense", "units": 1}], "losses": [{"kind": "mse"}]}
    body = {"subject": {"network": network}, "inputs": {"x": [[0.0]] * 1000}, "targets": {"y": [[0.0]] * 1000}}
    assert "ask for 666" in mistakes(body, library)["/inputs"]


def test_a_network_with_too_many_parameters_is_refused_before_they_are_drawn(library: Library) -> None:
    body = a_dense()
    body["subject"]["network"]["layers"] = [{"op": "dense", "units": 10**9}]
    assert "at most 20,000,000" in mistakes(body, library)["/subject/network/layers/0"]


def test_a_penalty_pulls_on_the_parameters_and_is_told_apart(library: Library) -> None:
    body = a_dense()
    body["subject"]["network"]["penalties"] = [{"kind": "l2", "strength": 0.5}]
    answer = ask(body, library)
    assert answer["penalties"] == [0.25 * 5]
    assert answer["loss"] == 15.25 + 1.25
    assert answer["loss_terms"] == [15.25]
    assert answer["gradients"]["params"]["d"] == {"W": [[17.5], [24.0]], "b": [6.0]}


def a_norm(**fields: Any) -> dict[str, Any]:
    """Batch norm of one feature from running statistics 0 and 1."""
    network = {"layers": [{"op": "batch_norm", "id": "bn"}], "losses": [{"kind": "mse"}]}
    return {"subject": {"network": network}, "inputs": {"x": [[1.0], [3.0]]}, "targets": {"y": [[0.0], [0.0]]}} | fields


def test_the_state_is_given_as_the_pass_would_leave_it(library: Library) -> None:
    """The mean of 1 and 3 is 2 and their unbiased variance is 2, of which a tenth counts."""
    state = ask(a_norm(mode="training"), library)["state"]["bn"]
    np.testing.assert_allclose((state["running_mean"], state["running_var"]), [[0.2], [1.1]])
    assert ask(a_norm(), library)["state"] == {"bn": {"running_mean": [0.0], "running_var": [1.0]}}


def test_one_example_in_training_mode_is_answered_by_the_formula(library: Library) -> None:
    """Where a job would be refused: here it is asked for, and x less its mean is 0."""
    answer = ask(a_norm(mode="training", inputs={"x": [[5.0]]}, targets={"y": [[1.0]]}), library)
    assert answer["values"] == {"bn": [[0.0]]}
    assert answer["gradients"]["inputs"] == {"x": [[0.0]]}
    assert answer["state"] == {"bn": {"running_mean": [0.5], "running_var": [1.0]}}


def words(ids: list[list[float]], **fields: Any) -> dict[str, Any]:
    """The mean of two embedded words out of three; no word is the padding 0."""
    layers = [
        {"op": "embedding", "id": "e", "params": {"table": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}, "padding_idx": 0},
        {"op": "mean_over_axis", "id": "m"},
    ]
    network = {"inputs": {"x": {"shape": [2], "dtype": "int"}}, "layers": layers, "losses": [{"kind": "half_sse"}]}
    targets = {"y": [[0.0, 0.0]] * len(ids)}
    return {"subject": {"network": network}, "inputs": {"x": ids}, "targets": targets} | fields


def test_whole_numbers_have_no_gradient_and_the_table_has(library: Library) -> None:
    answer = ask(words([[1, 2], [0, 1]]), library)
    assert answer["values"]["m"] == [[4.0, 5.0], [2.0, 3.0]]
    assert answer["gradients"]["inputs"] == {}
    assert answer["gradients"]["params"] == {"e": {"table": [[0.0, 0.0], [3.0, 4.0], [2.0, 2.5]]}}


@pytest.mark.parametrize("strange", [3, -1, 0.5, 2**62])
def test_numbers_beyond_the_vocabulary_are_refused_by_their_row(library: Library, strange: float) -> None:
    found = mistakes(words([[1, 2], [0, strange]]), library)
    assert found == {"/inputs/x/1": f"holds {strange:.15g}, and 'x' takes whole numbers from 0 to 2"}
