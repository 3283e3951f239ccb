"""The question per-example: sums over uses and terms, what stands out, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.inspect.per_example import PerExample
from core.inspection.question import Library
from tests.reference_networks import case, request_of

Body = dict[str, Any]


def ask(body: Body, library: Library) -> dict[str, Any]:
    question = PerExample.model_validate_json(json.dumps(body))
    answer: dict[str, Any] = json.loads(question.answer(library).model_dump_json())
    return answer


def mistakes(body: Body, library: Library) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        ask(body, library)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def a_line(x: list[float], t: list[float], **network: Any) -> Body:
    """y = w x with w = 1 and squared error: the loss is (x − t)² and its slope 2 (x − t) x."""
    layers = [{"op": "dense", "id": "d", "params": {"W": [[1.0]]}}]
    return {
        "subject": {"network": {"layers": layers, "losses": [{"kind": "mse"}]} | network},
        "inputs": {"x": [[one] for one in x]},
        "targets": {"y": [[one] for one in t]},
    }


def test_each_example_is_judged_by_its_own_loss(library: Library) -> None:
    answer = ask(a_line([1, 2, 3], [0, 0, 4]), library)
    assert answer["losses"] == [1, 4, 1]
    assert answer["params"]["gradients"]["d"]["W"] == [[[2.0]], [[8.0]], [[-6.0]]]
    assert answer["norms"] == [2, 8, 6]
    assert answer["norms_by_tensor"] == {"d": {"W": [2, 8, 6]}}
    assert answer["params"]["sign_agreement"]["d"]["W"] == [[pytest.approx(1 / 3)]]
    # The mean gradient is 4/3, so the third example points away from it, and from both others.
    assert answer["cosines_with_mean"] == [1, 1, -1]
    assert answer["conflicts"] == {
        "pairs": 3,
        "negative": 2,
        "minimum_cosine": -1,
        "most": [{"rows": [0, 2], "cosine": -1}, {"rows": [1, 2], "cosine": -1}],
    }
    # Σ = ((2 − 4/3)² + (8 − 4/3)² + (−6 − 4/3)²) / 2.
    assert answer["trace_covariance"] == pytest.approx(148 / 3)
    assert answer["noise_scale"]["simple"] == pytest.approx(148 / 3 / (16 / 9))
    assert answer["noise_scale"]["unbiased"] is None


def test_the_loss_of_a_batch_that_is_a_sum_is_the_sum_of_the_examples(library: Library) -> None:
    body = a_line([1, 2], [0, 0], losses=[{"kind": "mse", "weight": 0.5}, {"kind": "half_sse"}])
    answer = ask(body, library)
    assert answer["losses"] == [0.5 + 0.5, 2 + 2]
    assert answer["params"]["gradients"]["d"]["W"] == [[[2.0]], [[8.0]]]


def test_penalties_belong_to_no_example(library: Library) -> None:
    penalties = [{"kind": "l2", "strength": 100}, {"kind": "l1", "strength": 100}]
    assert ask(a_line([1, 2], [0, 0], penalties=penalties), library) == ask(a_line([1, 2], [0, 0]), library)


def test_both_uses_of_shared_parameters_count_together(library: Library) -> None:
    """y = w (w x) has dy/dw = 2 w x, whose square is not the sum of the squares of both uses."""
    shared: list[Body] = [
        {"op": "dense", "id": "d", "params": {"W": [[3.0]]}},
        {"op": "dense", "id": "again", "share": "d"},
    ]
    answer = ask(a_line([1, 2], [8, 18], layers=shared), library)
    # y − t = 1 and 0 for the second.
    assert answer["norms"] == [pytest.approx(2 * 1 * 6), 0]
    assert answer["norms_by_tensor"].keys() == {"d"}


def test_an_example_without_a_gradient_has_no_direction(library: Library) -> None:
    answer = ask(a_line([1, 2, 3], [1, 0, 0]), library)
    assert answer["norms"][0] == 0
    assert answer["cosines_with_mean"] == [None, 1, 1]
    assert answer["conflicts"]["pairs"] == 1
    assert {"pointer": "/cosines_with_mean", "count": 1} in answer["non_finite"]


def test_one_example_is_no_sample(library: Library) -> None:
    answer = ask(a_line([1], [0]), library)
    assert answer["norms"] == [2]
    assert answer["trace_covariance"] is None
    assert set(answer["noise_scale"].values()) == {None}
    assert set(answer["tests"].values()) == {None}
    assert answer["params"]["variance"] is None
    assert answer["conflicts"] == {"pairs": 0, "negative": 0, "minimum_cosine": None, "most": []}


def test_equal_examples_have_no_noise(library: Library) -> None:
    answer = ask(a_line([0.3] * 7, [0.1] * 7), library)
    assert answer["trace_covariance"] == pytest.approx(0, abs=1e-15)
    assert answer["tests"]["norm"] == pytest.approx(0, abs=1e-7)
    assert answer["outliers"] == []


def test_examples_that_cancel_have_no_noise_scale(library: Library) -> None:
    answer = ask(a_line([1, 1], [0, 2]), library)
    assert answer["mean_gradient_norm"] == 0
    assert answer["noise_scale"]["simple"] is None
    assert set(answer["tests"].values()) == {None}


def test_an_example_that_is_far_off_is_named_by_its_row(library: Library) -> None:
    usual = [0.1, 0.12, 0.08, 0.11, 0.09, 0.1, 0.13]
    answer = ask(a_line([*usual, 10.0], [0.0] * 8), library)
    assert {(one["row"], one["measure"]) for one in answer["outliers"]} == {(7, "loss"), (7, "gradient_norm")}
    assert all(one["score"] > 3.5 for one in answer["outliers"])


def test_one_that_is_off_among_equals_is_named_too(library: Library) -> None:
    answer = ask(a_line([*[0.1] * 9, 10.0], [0.0] * 10), library)
    assert {one["row"] for one in answer["outliers"]} == {9}


def test_an_example_that_overflows_is_counted_and_spoils_no_other(library: Library) -> None:
    answer = ask(a_line([1, 1e200], [0, 0]), library)
    assert answer["losses"] == [1, None]
    assert answer["norms"] == [2, None]
    assert answer["trace_covariance"] is None
    assert {"pointer": "/losses", "count": 1} in answer["non_finite"]


def test_a_rare_class_with_a_large_weight_counts_as_often_as_in_the_batch(library: Library) -> None:
    """Weights 1 and 3 of two examples with the same loss: half of the batch's loss is 1/4 and 3/4, times n = 2."""
    body = a_line([0, 0], [0, 0])
    body["subject"]["network"] = {
        "layers": [{"op": "dense", "params": {"W": [[1.0, 1.0]]}}],
        "losses": [{"kind": "cross_entropy", "class_weight": [1.0, 3.0]}],
    }
    body["targets"] = {"y": [0, 1]}
    assert ask(body, library)["losses"] == pytest.approx([np.log(2) / 2, np.log(2) * 3 / 2])


def test_without_targets_there_is_nothing_to_compare(library: Library) -> None:
    body = a_line([1], [0])
    del body["targets"]
    assert "needs its target" in mistakes(body, library)["/targets"]


def test_a_network_that_learns_nothing_has_no_gradients(library: Library) -> None:
    assert "no parameters" in mistakes(a_line([1], [0], layers=[{"op": "tanh"}]), library)["/subject"]


def test_examples_that_meet_in_a_batch_norm_have_no_gradient_of_their_own(library: Library) -> None:
    body = a_line([1, 2], [0, 0], layers=[{"op": "batch_norm", "id": "norm"}])
    assert "'norm' takes its statistics from the whole batch" in mistakes(body | {"mode": "training"}, library)["/mode"]
    assert ask(body, library)["norms_by_tensor"].keys() == {"norm"}


def test_dropout_in_training_drops_for_each_example_by_itself(library: Library) -> None:
    answer = ask(request_of(case("dropout_given_mask")) | {"mode": "training"}, library)
    assert answer["mean_gradient_norm"] > 0


def test_gradients_entry_by_entry_are_given_where_they_are_few(library: Library) -> None:
    wide: list[Body] = [{"op": "dense", "units": 30_000}, {"op": "dense", "units": 1}]
    body = a_line([1, 2], [0, 0], layers=wide)
    assert ask(body, library)["params"] is None
    assert ask(a_line([1, 2], [0, 0]) | {"include": []}, library)["params"] is None
    too_many = body | {"include": ["params"], "inputs": {"x": [[1.0]] * 40}, "targets": {"y": [[1.0]] * 40}}
    assert "at most 2,000,000" in mistakes(too_many, library)["/include"]
    assert mistakes(body | {"include": ["values"]}, library).keys() == {"/include"}


def test_more_examples_than_can_be_compared_are_refused(library: Library) -> None:
    assert "ask for 2000 at most" in mistakes(a_line([1.0] * 2001, [0.0] * 2001), library)["/inputs"]


def test_a_network_whose_gradients_are_too_large_to_compare_is_refused(library: Library) -> None:
    """A table of 8,000,000 entries has a gradient of that size for every example."""
    layers = [{"op": "embedding", "vocabulary": 1_000_000, "dim": 8}, {"op": "flatten"}, {"op": "dense", "units": 1}]
    body = a_line([1.0] * 20, [0.0] * 20)
    body["subject"]["network"] |= {"layers": layers, "inputs": {"x": {"shape": [1], "dtype": "int"}}}
    assert "ask for 6 at most" in mistakes(body, library)["/inputs"]


def test_the_work_of_comparing_examples_grows_faster_than_their_number(library: Library) -> None:
    def work(rows: int) -> float:
        layers = [{"op": "dense", "units": 500}, {"op": "dense", "units": 1}]
        body = a_line([1.0] * rows, [0.0] * rows, layers=layers)
        return PerExample.model_validate_json(json.dumps(body)).work(library)

    assert 3 < work(1600) / work(800) < 4


def test_hundreds_of_examples_of_a_wide_network_need_no_gradient_of_their_own(library: Library) -> None:
    """1,000 gradients of 1,000,000 weights would be 8 GB and an hour."""
    layers = [
        {"op": "dense", "units": 1000},
        {"op": "tanh"},
        {"op": "dense", "units": 1000},
        {"op": "dense", "units": 1},
    ]
    generator = np.random.default_rng(0)
    body = a_line(generator.normal(size=1000).tolist(), generator.normal(size=1000).tolist(), layers=layers)
    answer = ask(body, library)
    assert len(answer["norms"]) == 1000
    assert answer["cosine_similarity"] is None
