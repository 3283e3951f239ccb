"""The boundary of networks that come with the request; those of models are tested through the service."""

import json
from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.inspect.boundary import Boundary
from core.inspection.question import Library

Body = dict[str, Any]


def ask(library: Library, **body: Any) -> Body:
    question = Boundary.model_validate_json(json.dumps(body))
    answer: Body = json.loads(question.answer(library).model_dump_json())
    return answer


def mistakes(library: Library, **body: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        ask(library, **body)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def a_plane(weights: Any, bias: Any, **losses: Any) -> Body:
    """One dense layer over x[0] and x[1]."""
    network = {
        "inputs": {"x": {"shape": [2]}},
        "layers": [{"op": "dense", "id": "d", "params": {"W": weights, "b": bias}}],
    }
    return {"subject": {"network": network | losses}, "ranges": {"x[0]": [0, 2], "x[1]": [-1, 1]}, "resolution": 3}


def test_the_outputs_of_a_network_stand_where_their_inputs_are(library: Library) -> None:
    """y = x[0] + 10 x[1] over (0, 1, 2) and (−1, 0, 1): rows belong to the first axis."""
    answer = ask(library, **a_plane([[1.0], [10.0]], [0.0]))
    assert [axis["values"] for axis in answer["axes"]] == [[0, 1, 2], [-1, 0, 1]]
    assert answer["values"] == [[-10, 0, 10], [-9, 1, 11], [-8, 2, 12]]
    assert answer["class_index"] is answer["probabilities"] is answer["classes"] is None


def test_the_sides_of_a_line_are_the_classes_of_a_linear_classifier(library: Library) -> None:
    """Logits (0, x[0] − 1): the second class wins where x[0] > 1, with σ(x[0] − 1)."""
    body = a_plane([[0.0, 1.0], [0.0, 0.0]], [0.0, -1.0], losses=[{"kind": "cross_entropy"}])
    answer = ask(library, **body)
    assert answer["class_index"] == [[0, 0, 0], [0, 0, 0], [1, 1, 1]]
    second = 1 / (1 + np.exp(-np.array([-1.0, 0.0, 1.0])))
    np.testing.assert_allclose(np.array(answer["probabilities"])[:, 0, 1], second, rtol=1e-14)
    summary = ask(library, **body, summary=True)
    assert summary["probabilities"] is None
    np.testing.assert_allclose(np.array(summary["top_probability"])[:, 2], np.maximum(second, 1 - second), rtol=1e-14)


def test_a_single_logit_decides_between_two_classes(library: Library) -> None:
    answer = ask(library, **a_plane([[0.0], [1.0]], [0.0], losses=[{"kind": "bce_with_logits"}]))
    assert answer["class_index"][0] == [0, 0, 1]
    assert np.array(answer["probabilities"]).shape == (3, 3, 2)


def test_a_large_grid_is_computed_piece_by_piece_to_the_same_numbers(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = a_plane([[1.0], [10.0]], [0.0]) | {"resolution": 40}
    whole = ask(library, **body)
    monkeypatch.setattr("core.inspect.boundary._AT_A_TIME", 7)
    np.testing.assert_allclose(ask(library, **body)["values"], whole["values"], rtol=1e-14)


def test_what_cannot_be_answered_is_refused_by_its_place(library: Library) -> None:
    body = a_plane([[1.0], [10.0]], [0.0])
    assert "'x[1]'" in mistakes(library, **body | {"ranges": {"x[0]": [0, 1]}})["/ranges"]
    assert "/ranges/x[0]" in mistakes(library, **body | {"ranges": {"x[0]": [1, 1], "x[1]": [0, 1]}})
    assert "/features" in mistakes(library, **body, features=["x[1]", "x[0]"])
    assert "/target" in mistakes(library, **body, target="y")
    assert "/ranges" in mistakes(library, **a_plane([[1e308], [1e308]], [0.0]))
    three = {"network": {"inputs": {"x": {"shape": [3]}}, "layers": [{"op": "dense", "units": 1}]}}
    assert "two numbers" in mistakes(library, subject=three)["/subject/network"]
    wide = a_plane([[0.0] * 100] * 2, [0.0] * 100) | {"resolution": 200}
    assert "summary" in mistakes(library, **wide)["/resolution"]
    heavy = {"inputs": {"x": {"shape": [2]}}, "layers": [{"op": "dense", "units": 3000}] * 2}
    assert "would do" in mistakes(library, **body | {"subject": {"network": heavy}, "resolution": 200})["/resolution"]


def test_work_is_that_of_one_forward_pass_over_the_grid(library: Library) -> None:
    question = Boundary.model_validate(a_plane([[1.0], [10.0]], [0.0]) | {"resolution": 100})
    assert question.work(library) == 100 * 100 * 4
