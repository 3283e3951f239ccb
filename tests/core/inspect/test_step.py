"""The step question: what an update does to the loss, beside what was to be expected."""

import json
from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.graph.build import build
from core.inspect.step import Step
from core.inspection.answers import answered
from core.inspection.question import Library
from core.network import Network
from core.optimizers import OPTIMIZERS
from core.training.examples import Examples
from core.training.run import Run
from core.training.spec import TrainingSpec

Body = dict[str, Any]


def ask(body: Body, library: Library) -> dict[str, Any]:
    question = Step.model_validate_json(json.dumps(body))
    answer: dict[str, Any] = json.loads(answered(question, library).model_dump_json())
    return answer


def mistakes(body: Body, library: Library) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        ask(body, library)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def a_parabola(**changes: Any) -> Body:
    """½ (2 w − 6)² at w = 0: slope −12, curvature 4, least at w = 3."""
    layers = [{"op": "dense", "id": "d", "params": {"W": [[0.0]]}}]
    network = {"layers": layers, "losses": [{"kind": "half_sse"}]}
    return {"subject": {"network": network}, "inputs": {"x": [[2]]}, "targets": {"y": [[6]]}} | changes


def a_bend(**changes: Any) -> Body:
    """Three examples through tanh and two dense layers, with a penalty."""
    generator = np.random.default_rng(1)
    network = {
        "inputs": {"x": {"shape": [3]}},
        "layers": [{"op": "dense", "units": 4}, {"op": "tanh"}, {"op": "dense", "units": 2}],
        "losses": [{"kind": "mse"}],
        "penalties": [{"kind": "l2", "strength": 0.3}],
    }
    x, y = generator.normal(size=(3, 3)), generator.normal(size=(3, 2))
    return {"subject": {"network": network}, "inputs": {"x": x.tolist()}, "targets": {"y": y.tolist()}} | changes


def test_on_a_parabola_the_second_order_prediction_is_what_comes(library: Library) -> None:
    answer = ask(a_parabola(learning_rates=[0.1, 0.25, 1]), library)
    assert answer["loss"] == 18
    assert answer["gradient_norm"] == 12
    for step, rate in zip(answer["steps"], (0.1, 0.25, 1), strict=True):
        w = 12 * rate
        assert step["update_norm"] == pytest.approx(w, rel=1e-15)
        assert step["predicted_decrease"] == pytest.approx(144 * rate, rel=1e-15)
        assert step["loss"] == pytest.approx((2 * w - 6) ** 2 / 2, rel=1e-14, abs=1e-28)
        assert step["decrease"] == pytest.approx(18 - step["loss"], rel=1e-15)
        assert step["second_order_decrease"] == pytest.approx(step["decrease"], rel=1e-14)
    assert (answer["best_learning_rate"], answer["best_loss"]) == (0.25, pytest.approx(0, abs=1e-28))


def test_rates_above_two_over_the_curvature_climb(library: Library) -> None:
    answer = ask(a_parabola(sweep={"from": 0.1, "to": 1.6, "points": 5}), library)
    sweep = answer["sweep"]
    assert sweep["learning_rates"] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6], rel=1e-15)
    assert sweep["learning_rates"][0] == 0.1 and sweep["learning_rates"][-1] == 1.6
    assert sweep["losses"] == pytest.approx([18 * (1 - 4 * rate) ** 2 for rate in (0.1, 0.2, 0.4, 0.8, 1.6)])
    assert sweep["diverges_at"] == pytest.approx(0.8)
    assert answer["best_learning_rate"] == pytest.approx(0.2)


def test_a_sweep_that_never_climbs_has_no_point_of_divergence(library: Library) -> None:
    answer = ask(a_parabola(sweep={"from": 0.01, "to": 0.4}), library)
    assert answer["sweep"]["diverges_at"] is None


def test_rates_that_all_climb_have_no_best(library: Library) -> None:
    answer = ask(a_parabola(learning_rates=3, sweep={"from": 0.6, "to": 1e200, "points": 30}), library)
    assert answer["sweep"]["diverges_at"] == 0.6
    assert answer["sweep"]["losses"][-1] is None
    assert answer["best_learning_rate"] is None
    assert answer["best_loss"] is None


def test_a_rate_that_overflows_has_no_loss_and_is_marked(library: Library) -> None:
    answer = ask(a_parabola(learning_rates=1e308, include=["params"]), library)
    (step,) = answer["steps"]
    assert step["loss"] is step["decrease"] is step["update_norm"] is None
    assert step["params"] == {"d": {"W": [[None]]}}
    assert answer["non_finite"] == [{"pointer": "/steps/0/params/d/W", "count": 1}]


def test_the_second_order_prediction_is_off_by_the_third_power_of_the_rate(library: Library) -> None:
    first, second = ask(a_bend(learning_rates=[0.002, 0.001]), library)["steps"]
    errors = [abs(step["second_order_decrease"] - step["decrease"]) for step in (first, second)]
    assert 7.5 < errors[0] / errors[1] < 8.5
    coarse = [abs(step["predicted_decrease"] - step["decrease"]) for step in (first, second)]
    assert 3.7 < coarse[0] / coarse[1] < 4.3


def test_penalties_are_part_of_what_is_lowered(library: Library) -> None:
    body = a_bend(learning_rates=1e-4)
    answer = ask(body, library)
    assert answer["loss"] == pytest.approx(answer["loss_terms"][0] + answer["penalties"][0], rel=1e-15)
    assert answer["penalties"][0] > 0
    (step,) = answer["steps"]
    assert step["predicted_decrease"] == pytest.approx(1e-4 * answer["gradient_norm"] ** 2, rel=1e-12)
    assert step["predicted_decrease"] == pytest.approx(step["decrease"], rel=1e-3)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_steps_to_where_a_job_is_after_its_first_update(kind: str, library: Library) -> None:
    body = a_bend(optimizer={"kind": kind}, include=["params"])
    (step,) = ask(body, library)["steps"]
    graph = build(Network.model_validate(body["subject"]["network"]))
    examples = Examples({"x": np.array(body["inputs"]["x"])}, {"y": np.array(body["targets"]["y"])})
    spec = TrainingSpec.model_validate(
        {"optimizer": {"kind": kind}, "batch_size": "full", "epochs": 1, "seed": 0, "dtype": "float64"}
    )
    run = Run(graph, spec, examples)
    list(run.events())
    for node, tensors in graph.views(run.parameters).items():
        for name, expected in tensors.items():
            np.testing.assert_allclose(step["params"][node][name], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss_by_about_what_is_predicted(kind: str, library: Library) -> None:
    answer = ask(a_bend(optimizer={"kind": kind}, learning_rates=1e-5), library)
    (step,) = answer["steps"]
    assert answer["optimizer"]["kind"] == kind
    assert step["decrease"] > 0
    assert step["predicted_decrease"] == pytest.approx(step["decrease"], rel=0.05)


def test_the_rate_is_that_of_the_optimizer_if_none_is_named(library: Library) -> None:
    answer = ask(a_parabola(optimizer={"kind": "sgd", "learning_rate": 0.125}), library)
    assert [step["learning_rate"] for step in answer["steps"]] == [0.125]


def test_a_summary_of_the_parameters_is_given_instead(library: Library) -> None:
    (step,) = ask(a_parabola(include=["params"], summary=True), library)["steps"]
    assert step["params"]["d"]["W"]["max_abs"] == pytest.approx(0.12)


def test_a_step_without_a_loss_or_without_parameters_is_refused(library: Library) -> None:
    body = a_parabola()
    del body["targets"]
    assert mistakes(body, library).keys() == {"/targets"}
    bare = {"layers": [{"op": "tanh"}], "losses": [{"kind": "mse"}]}
    assert mistakes(a_parabola(subject={"network": bare}), library).keys() == {"/subject"}
    assert mistakes(a_parabola(include=["nodes", "params"]), library).keys() == {"/include"}


def test_a_step_from_where_the_loss_is_not_finite_is_refused(library: Library) -> None:
    assert "not finite" in mistakes(a_parabola(targets={"y": [[1e200]]}), library)["/inputs"]


def test_a_step_that_nobody_would_wait_for_is_refused(library: Library) -> None:
    network = {"layers": [{"op": "dense", "units": 2000}, {"op": "dense", "units": 1}], "losses": [{"kind": "mse"}]}
    zeros = np.zeros((1000, 2000)).tolist()
    body = a_parabola(subject={"network": network}, inputs={"x": zeros}, targets={"y": np.zeros((1000, 1)).tolist()})
    question = Step.model_validate_json(json.dumps(body | {"sweep": {"points": 200}}))
    assert question.work(library) > 2e11
    with pytest.raises(Invalid, match="takes too long"):
        question.answer(library)


def test_an_optimizer_that_would_remember_too_much_is_refused(library: Library) -> None:
    network = {"layers": [{"op": "dense", "units": 1_000_000}, {"op": "select"}], "losses": [{"kind": "mse"}]}
    body = a_parabola(subject={"network": network}, targets={"y": [0.0]})
    assert "remember" in mistakes(body | {"optimizer": {"kind": "lbfgs", "history_size": 100}}, library)["/optimizer"]
    assert ask(body | {"optimizer": {"kind": "adam"}}, library)["steps"][0]["loss"] is not None
