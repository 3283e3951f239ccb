"""The question curvature: numbers that can be worked by hand, every loss, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest

from core.arrays import Array
from core.errors import Invalid
from core.inspect.curvature import Curvature
from core.inspection.question import Library
from core.loss import Loss
from core.losses import LOSSES

Body = dict[str, Any]

LOSS_EXAMPLES = [
    pytest.param(example, id=f"{kind}-{index}")
    for kind, loss in LOSSES.items()
    for index, example in enumerate(loss.examples(np.random.default_rng(5)))
]


def ask(body: Body, library: Library) -> dict[str, Any]:
    question = Curvature.model_validate_json(json.dumps(body))
    answer: dict[str, Any] = json.loads(question.answer(library).model_dump_json())
    return answer


def mistakes(body: Body, library: Library) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        ask(body, library)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def a_plane(**network: Any) -> Body:
    """y = w · x with squared error of one example x = (1, 2), t = 0, w = (1, 1): H = 2 x xᵀ and g = 6 x."""
    layers = [{"op": "dense", "id": "d", "params": {"W": [[1.0], [1.0]]}}]
    return {
        "subject": {"network": {"layers": layers, "losses": [{"kind": "mse"}]} | network},
        "inputs": {"x": [[1, 2]]},
        "targets": {"y": [[0]]},
    }


def test_a_parabola_bends_as_can_be_worked_by_hand(library: Library) -> None:
    answer = ask(a_plane() | {"direction": {"d": {"W": [[1], [0]]}}, "learning_rate": 0.3}, library)
    assert answer["objective"] == 9
    assert answer["eigenvalues"]["converged"] is True
    assert [one["value"] for one in answer["eigenvalues"]["largest"]] == pytest.approx([10, 0], abs=1e-14)
    assert answer["exact"]["diagonal"] == {"d": {"W": [[2], [8]]}}
    assert answer["exact"]["trace"] == 10
    assert answer["exact"]["asymmetry"] == 0
    assert answer["gauss_newton"]["diagonal"] == {"d": {"W": [[2], [8]]}}
    assert answer["fisher_diagonal"] == {"d": {"W": [[36], [144]]}}
    along = answer["along_gradient"]
    assert along["gradient_norm"] == pytest.approx(6 * 5**0.5)
    assert along["curvature"] == pytest.approx(10)
    assert along["best_step"] == pytest.approx(0.1)
    assert answer["stability"] == {"bound": pytest.approx(0.2), "learning_rate": 0.3, "exceeded": True}
    assert answer["along_direction"] == {"product": {"d": {"W": [[2], [4]]}}, "curvature": 2}


def test_a_penalty_bends_the_objective_and_not_what_the_loss_judges(library: Library) -> None:
    answer = ask(a_plane(penalties=[{"kind": "l2", "strength": 0.5}, {"kind": "l1", "strength": 3}]), library)
    assert answer["exact"]["diagonal"] == {"d": {"W": [[2.5], [8.5]]}}
    assert answer["gauss_newton"]["diagonal"] == {"d": {"W": [[2], [8]]}}
    assert answer["objective"] == 9 + 0.5 + 6


def test_a_rectifier_is_straight_on_both_sides_and_at_its_kink(library: Library) -> None:
    """Three units that are on, off and exactly at 0: only the slope of the first one is there."""
    layers = [
        {"op": "dense", "id": "d", "params": {"W": [[1.0, -1.0, 0.0]]}},
        {"op": "relu"},
        {"op": "dense", "id": "o", "params": {"W": [[1.0], [1.0], [1.0]]}},
    ]
    body = a_plane(layers=layers) | {"inputs": {"x": [[2]]}}
    answer = ask(body, library)
    assert answer["exact"]["diagonal"] == {"d": {"W": [[8, 0, 0]]}, "o": {"W": [[8], [0], [0]]}}


def linear_in(loss: Loss, outputs: Array, targets: Array) -> Body:
    """A layer with the outputs of the example for its parameters: whatever bends is the loss."""
    rows, width = len(outputs), outputs[0].size
    layers = [
        {"op": "dense", "id": "d", "params": {"W": outputs.reshape(rows, width).tolist()}},
        {"op": "reshape", "shape": list(outputs.shape[1:])},
    ]
    stated = loss.model_dump(mode="json", exclude_none=True)
    return {
        "subject": {"network": {"layers": layers, "losses": [stated]}},
        "inputs": {"x": np.eye(rows).tolist()},
        "targets": {"y": targets.astype(float).tolist()},
    }


@pytest.mark.parametrize("example", LOSS_EXAMPLES)
def test_of_a_linear_network_the_hessian_is_the_gauss_newton_matrix(
    example: tuple[Loss, Array, Array], library: Library
) -> None:
    answer = ask(linear_in(*example) | {"probes": 2}, library)
    exact, other = answer["exact"], answer["gauss_newton"]
    scale = max(np.abs(exact["eigenvalues"]).max(), 1e-300)
    np.testing.assert_allclose(exact["eigenvalues"], other["eigenvalues"], atol=1e-13 * scale)
    assert exact["asymmetry"] <= 1e-13 * scale
    ends = answer["eigenvalues"]
    found = [one["value"] for one in (*ends["smallest"], *reversed(ends["largest"]))]
    expected = exact["eigenvalues"]
    np.testing.assert_allclose([found[0], found[-1]], [expected[0], expected[-1]], atol=1e-12 * scale)


def test_the_row_of_padding_never_learns_and_has_no_curvature(library: Library) -> None:
    layers = [
        {"op": "embedding", "id": "e", "params": {"table": [[1.0], [3.0]]}, "padding_idx": 0},
        {"op": "flatten"},
        {"op": "dense", "id": "d", "params": {"W": [[1.0], [1.0]]}},
    ]
    body = a_plane(layers=layers, inputs={"x": {"shape": [2], "dtype": "int"}}) | {"inputs": {"x": [[0, 1]]}}
    body["direction"] = {"e": {"table": [[5.0], [0.0]]}}
    answer = ask(body, library)
    assert answer["exact"]["diagonal"] == {"e": {"table": [[0], [2]]}, "d": {"W": [[2], [18]]}}
    assert answer["exact"]["asymmetry"] == 0
    assert answer["along_direction"] == {
        "product": {"e": {"table": [[0], [0]]}, "d": {"W": [[0], [0]]}},
        "curvature": 0,
    }


def test_where_nothing_bends_no_step_is_too_large(library: Library) -> None:
    answer = ask(a_plane(losses=[{"kind": "mae"}]) | {"learning_rate": 1.0}, library)
    assert answer["stability"] == {"bound": None, "learning_rate": 1.0, "exceeded": None}
    assert answer["along_gradient"]["best_step"] is None
    assert answer["trace"] == {"estimate": 0, "standard_error": 0, "probes": 32}


def test_on_a_hill_there_is_no_bound(library: Library) -> None:
    """10 − w² at w = 1."""
    layers = [{"op": "dense", "id": "d", "params": {"W": [[1.0]]}}, {"op": "square"}]
    body = a_plane(layers=layers, losses=[{"kind": "mae"}]) | {"inputs": {"x": [[1]]}, "targets": {"y": [[10]]}}
    answer = ask(body, library)
    assert [one["value"] for one in answer["eigenvalues"]["largest"]] == [-2]
    assert answer["stability"]["bound"] is None
    assert answer["along_gradient"]["best_step"] is None


def test_at_a_stationary_point_there_is_no_gradient_to_go_along(library: Library) -> None:
    answer = ask(a_plane() | {"targets": {"y": [[3]]}}, library)
    assert answer["along_gradient"] == {"gradient_norm": 0, "curvature": None, "best_step": None}


def test_a_batch_norm_in_training_bends_as_a_batch_and_has_no_fisher_matrix(library: Library) -> None:
    layers = [{"op": "dense", "units": 1}, {"op": "batch_norm"}]
    body = a_plane(layers=layers) | {"inputs": {"x": [[1, 2], [0, 3], [2, -1]]}, "targets": {"y": [[1], [2], [3]]}}
    answer = ask(body | {"mode": "training"}, library)
    assert answer["fisher_diagonal"] is None
    assert answer["exact"]["asymmetry"] < 1e-12
    assert ask(body, library)["fisher_diagonal"] is not None


def test_a_large_network_has_the_ends_of_its_spectrum_and_no_matrix(library: Library) -> None:
    layers = [{"op": "dense", "units": 40}, {"op": "tanh"}, {"op": "dense", "units": 12}, {"op": "dense", "units": 1}]
    answer = ask(a_plane(layers=layers), library)
    assert answer["parameters"] > 500
    assert answer["exact"] is answer["gauss_newton"] is answer["fisher_diagonal"] is None
    assert answer["eigenvalues"]["converged"]
    assert answer["eigenvalues"]["steps"] < 60
    assert "too large" in mistakes(a_plane(layers=layers) | {"include": ["params"]}, library)["/include"]


def test_matrices_are_left_out_where_nothing_is_included(library: Library) -> None:
    assert ask(a_plane() | {"include": []}, library)["exact"] is None
    assert mistakes(a_plane() | {"include": ["nodes"]}, library).keys() == {"/include"}


def test_a_direction_has_the_shapes_of_the_parameters(library: Library) -> None:
    body = a_plane() | {"direction": {"d": {"W": [1, 2], "b": [1]}, "e": {"W": [[1]]}}}
    found = mistakes(body, library)
    assert found.keys() == {"/direction/d/W", "/direction/d/b", "/direction/e/W"}
    assert found["/direction/d/W"] == "must have shape [2, 1], not [2]"


def test_without_targets_or_parameters_nothing_bends(library: Library) -> None:
    body = a_plane(layers=[{"op": "tanh"}]) | {"targets": {"y": [[0, 0]]}}
    assert "no parameters" in mistakes(body, library)["/subject"]
    body = a_plane()
    del body["targets"]
    assert "needs targets" in mistakes(body, library)["/targets"]


def test_an_objective_that_overflows_is_refused(library: Library) -> None:
    found = mistakes(a_plane() | {"inputs": {"x": [[1e200, 1]]}}, library)
    assert "the objective is not finite" in found["/inputs"]


def test_a_curvature_whose_length_overflows_is_refused(library: Library) -> None:
    """x = 1e90 gives second derivatives of 2e180 to an objective near 0."""
    found = mistakes(a_plane() | {"inputs": {"x": [[1e90, 1]]}, "targets": {"y": [[1e90]]}}, library)
    assert "the curvature is not finite" in found["/inputs"]


def test_a_search_that_takes_too_long_is_refused(library: Library) -> None:
    layers = [
        {"op": "dense", "units": 2000},
        {"op": "tanh"},
        {"op": "dense", "units": 1000},
        {"op": "dense", "units": 1},
    ]
    body = a_plane(layers=layers) | {"inputs": {"x": [[1, 2]] * 500}, "targets": {"y": [[0]] * 500}}
    found = mistakes(body, library)
    assert found["/steps"].endswith("ask for 19 at most")
    assert "takes too long" in mistakes(body | {"steps": 19}, library)["/inputs"]
    work = Curvature.model_validate_json(json.dumps(body)).work(library)
    assert work > 2e11
