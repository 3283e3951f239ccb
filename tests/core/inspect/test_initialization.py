"""The initialization question: what theory says of signals before training, and what is refused."""

import json
import math
from typing import Any

import numpy as np
import pytest

from core.errors import Invalid
from core.inspect.initialization import Initialization
from core.inspection.question import Library
from tests.reference_networks import Case, cases, request_of

Body = dict[str, Any]
STANDARD_NORMAL = {"kind": "normal", "std": 1.0}


def ask(library: Library, **body: Any) -> Body:
    question = Initialization.model_validate_json(json.dumps(body))
    answer: Body = json.loads(question.answer(library).model_dump_json())
    return answer


def mistakes(library: Library, **body: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        ask(library, **body)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def a_deep_network(activation: str, *, layers: int = 10, units: int = 100, **more: Any) -> Body:
    """So many hidden layers of one activation, then ten classes."""
    hidden = [layer for _ in range(layers) for layer in ({"op": "dense", "units": units}, {"op": activation})]
    network = {
        "inputs": {"x": {"shape": [units]}},
        "layers": [*hidden, {"op": "dense", "units": 10}],
        "losses": [{"kind": "cross_entropy"}],
    }
    return {"network": network | more}


def verdicts(answer: Body) -> dict[tuple[str | None, str], str]:
    return {(one["activation"], one["initializer"]["kind"]): one["verdict"] for one in answer["starts"]}


def medians(start: Body, measure: str) -> list[float]:
    return [layer[measure]["median"] for layer in start["layers"]]


def test_one_request_shows_what_saturates_what_vanishes_and_what_explodes(library: Library) -> None:
    answer = ask(
        library,
        subject=a_deep_network("sigmoid"),
        activations=["sigmoid", "tanh", "relu", "selu"],
        initializers=[STANDARD_NORMAL, "xavier_uniform", "he_normal", "lecun_normal"],
    )
    found = verdicts(answer)
    assert found["sigmoid", "normal"] == "saturates"
    assert found["sigmoid", "glorot_uniform"] == "vanishes"
    assert found["tanh", "normal"] == "explodes"
    assert found["relu", "normal"] == "explodes"
    assert found["relu", "he_normal"] == found["tanh", "glorot_uniform"] == found["selu", "lecun_normal"] == "healthy"


@pytest.mark.parametrize(
    ("activation", "initializer", "measure", "least", "most"),
    [
        # z is N(0, 100) at first: P(|z| > 4.15) = 0.68 for the sigmoid.
        ("sigmoid", STANDARD_NORMAL, "saturated", 0.6, 0.75),
        # σ' ≤ 1/4, so that q cannot be above 0.25^9 (times what the last layer adds).
        ("sigmoid", "xavier_uniform", "signal_first_over_last", 0.0, 0.25**9),
        ("tanh", STANDARD_NORMAL, "signal_growth_per_layer", 2.0, 3.0),
    ],
)
def test_a_verdict_stands_beside_the_number_that_decided_it(
    library: Library, activation: str, initializer: Any, measure: str, least: float, most: float
) -> None:
    (start,) = ask(library, subject=a_deep_network(activation), initializers=[initializer])["starts"]
    decisive = start["evidence"][0]
    assert decisive["measure"] == measure
    assert least <= decisive["value"] <= most
    low, high = decisive["healthy"]
    assert (low is not None and decisive["value"] < low) or (high is not None and decisive["value"] > high)


def test_he_keeps_the_variance_of_rectified_layers_forward_and_back(library: Library) -> None:
    """Var(z) = 2 E[x²] = 2 in every layer: E[max(0, z)²] = Var(z) / 2 and n weights of variance 2/n.

    A layer of n units draws the factor to the next with a relative deviation of about √(5/n) (the kurtosis of a
    rectified normal), so that after 5 layers of 400 units the logarithm of the mean over 10 seeds is within
    4 · √(5 · 5/400 / 10) = 0.32.
    """
    (start,) = ask(library, subject=a_deep_network("relu", layers=5, units=400), seeds=10)["starts"]
    for layer in start["layers"][:5]:
        variance = np.mean(layer["pre_activation_variance"]["by_seed"])
        assert abs(math.log(variance / 2.0)) < 0.32
    # Backwards the factor is n · 2/n · ½ = 1 from hidden layer to hidden layer.
    signals = medians(start, "signal_rms")[:5]
    assert 0.7 < signals[0] / signals[-1] < 1.4


def test_a_linear_chain_shrinks_as_its_weights_say(library: Library) -> None:
    """Weights of standard deviation s in layers of n units multiply a variance by n s², forward and back."""
    nets = a_deep_network("identity", layers=4, units=200)
    (start,) = ask(library, subject=nets, initializers=[{"kind": "normal", "std": 0.05}], seeds=5)["starts"]
    variances = medians(start, "pre_activation_variance")[:4]
    assert np.allclose(variances, 0.5 ** np.arange(1, 5), rtol=0.2)
    signals = medians(start, "signal_rms")[:4]
    assert np.allclose(np.array(signals[:-1]) / signals[1:], math.sqrt(0.5), rtol=0.1)


def test_a_network_of_zeros_lets_nothing_through(library: Library) -> None:
    (start,) = ask(library, subject=a_deep_network("tanh"), initializers=["zeros"])["starts"]
    assert start["verdict"] == "vanishes"
    assert start["evidence"][0] == {
        "measure": "pre_activation_variance",
        "value": 0.0,
        "healthy": [pytest.approx(2.2e-308, rel=0.1), None],
    }


def test_a_last_layer_that_starts_at_zero_is_no_vanishing_signal(library: Library) -> None:
    """It stops what comes back in the first step only; the service's own default network starts so."""
    layers = [{"op": "dense", "units": 32}, {"op": "relu"}] * 2 + [{"op": "dense", "units": 3, "init": "zeros"}]
    network = {"inputs": {"x": {"shape": [4]}}, "layers": layers, "losses": [{"kind": "cross_entropy"}]}
    (start,) = ask(library, subject={"network": network})["starts"]
    assert start["verdict"] == "healthy"
    assert medians(start, "signal_rms")[:2] == [0.0, 0.0]
    assert start["loss_over_chance"]["median"] == pytest.approx(1.0, rel=0.02)


def test_normalization_makes_up_for_any_scale_of_the_weights(library: Library) -> None:
    hidden = [{"op": "dense", "units": 64}, {"op": "batch_norm"}, {"op": "tanh"}] * 6
    network = {
        "inputs": {"x": {"shape": [64]}},
        "layers": [*hidden, {"op": "dense", "units": 2, "init": "xavier_uniform"}],
        "losses": [{"kind": "cross_entropy"}],
        "init": {"kind": "normal", "std": 0.5},
    }
    (start,) = ask(library, subject={"network": network})["starts"]
    assert medians(start, "output_variance")[:6] == pytest.approx([0.39] * 6, abs=0.03)
    (evaluated,) = ask(library, subject={"network": network}, mode="evaluation")["starts"]
    assert medians(evaluated, "output_variance")[0] > 0.6


def test_dead_units_of_a_rectifier_are_counted(library: Library) -> None:
    """With a bias of −100 no unit is ever above 0; with one of +100 none is below."""
    network = {
        "inputs": {"x": {"shape": [3]}},
        "nodes": [
            {"id": "h", "op": "dense", "inputs": ["x"], "units": 4, "params": {"b": [-100.0, -100.0, -100.0, 100.0]}},
            {"id": "a", "op": "relu", "inputs": ["h"]},
            {"id": "y", "op": "dense", "inputs": ["a"], "units": 1},
        ],
        "losses": [{"kind": "mse"}],
    }
    (start,) = ask(library, subject={"network": network})["starts"]
    assert start["layers"][0]["dead"]["by_seed"] == [0.75] * 3
    assert start["layers"][0]["saturated"] is None


def test_given_values_stay_and_seeds_then_do_not_differ(library: Library, two_two_two: Body) -> None:
    (start,) = ask(library, **two_two_two)["starts"]
    # h = 0.05 + (0.1 · 0.95 + 0.15 · 0.06, 0.03 · 0.95 + 0.08 · 0.06) = (0.154, 0.0833).
    assert start["layers"][0]["pre_activation_mean"]["by_seed"] == pytest.approx([0.11865] * 3, rel=1e-12)
    assert start["layers"][0]["pre_activation_variance"]["median"] == pytest.approx(0.03535**2, rel=1e-12)
    drawn = ask(library, **two_two_two, initializers=["xavier_uniform"])["starts"][0]
    assert len(set(drawn["layers"][0]["pre_activation_mean"]["by_seed"])) == 3


def test_each_seed_is_the_start_of_a_job_with_that_seed(library: Library) -> None:
    several = ask(library, subject=a_deep_network("tanh", layers=2), seed=5, seeds=2)
    assert several["seeds"] == [5, 6]
    with_rows = {"inputs": {"x": np.eye(3, 100).tolist()}, "targets": {"y": [0, 1, 2]}}
    first = ask(library, subject=a_deep_network("tanh", layers=2), seed=5, seeds=2, **with_rows)
    second = ask(library, subject=a_deep_network("tanh", layers=2), seed=6, seeds=1, **with_rows)
    by_seed = first["starts"][0]["layers"][0]["pre_activation_variance"]["by_seed"]
    assert by_seed[1:] == second["starts"][0]["layers"][0]["pre_activation_variance"]["by_seed"]


def test_a_network_without_a_loss_is_judged_by_squared_error(library: Library) -> None:
    network = {"inputs": {"x": {"shape": [3]}}, "layers": [{"op": "dense", "units": 2}]}
    answer = ask(library, subject={"network": network}, random_rows=2000)
    assert answer["loss"] == "mse of dense_1"
    assert answer["chance"] == pytest.approx(1.0, rel=0.1)
    assert answer["rows"] == 2000


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["name"]))
def test_every_kind_of_network_can_be_asked_about(case: Case, library: Library) -> None:
    body = request_of(case)
    if not any("params" in node for node in body["subject"]["network"]["nodes"]):
        assert "draws no weights" in mistakes(library, subject=body["subject"])["/subject"]
        return
    subject = body["subject"]
    for node in subject["network"]["nodes"]:
        node.pop("mask", None)
    answer = ask(library, subject=subject, random_rows=16, seeds=2)
    assert all(layer["non_finite"] == 0 for start in answer["starts"] for layer in start["layers"])
    assert all(layer["signal_rms"]["median"] is not None for start in answer["starts"] for layer in start["layers"])


def test_numbers_that_leave_float64_are_counted_and_said(library: Library) -> None:
    (start,) = ask(library, subject=a_deep_network("relu"), initializers=[{"kind": "normal", "std": 1e60}])["starts"]
    assert start["verdict"] == "explodes"
    assert start["evidence"][0]["measure"] == "non_finite"
    assert start["layers"][-1]["pre_activation_variance"]["median"] is None


def test_what_cannot_be_answered_is_refused_by_its_place(library: Library) -> None:
    subject = a_deep_network("tanh", layers=2)
    assert "/random_rows" in mistakes(library, subject=subject, random_rows=9, inputs={"x": [[0.0] * 100]})
    assert "/targets" in mistakes(library, subject=subject, inputs={"x": [[0.0] * 100]})
    assert "/targets" in mistakes(library, subject=subject, targets={"y": [1]})
    assert "/include" in mistakes(library, subject=subject, include=["values"])
    assert "/summary" in mistakes(library, subject=subject, summary=True)
    nothing = {"network": {"inputs": {"x": {"shape": [2]}}, "layers": [{"op": "tanh"}]}}
    assert "/subject" in mistakes(library, subject=nothing)
    assert "9950 at most" in mistakes(library, subject=a_deep_network("tanh"), random_rows=10_000)["/random_rows"]
    large = a_deep_network("tanh", layers=10, units=1000)
    assert "/random_rows" in mistakes(library, subject=large, random_rows=500, initializers=["zeros"] * 8, seeds=10)
    with pytest.raises(ValueError, match="there are"):
        Initialization.model_validate({"subject": subject, "activations": ["softmax"]})


def test_work_grows_with_rows_and_starts(library: Library) -> None:
    def work(**body: Any) -> float:
        return Initialization.model_validate({"subject": a_deep_network("tanh"), **body}).work(library)

    assert work(seeds=6) == pytest.approx(2 * work(seeds=3))
    assert work(initializers=["zeros", "he_normal"]) == pytest.approx(2 * work())
    # Forward and back: 3 passes of 2 · 100 · 100 operations a layer at least.
    assert work(random_rows=9_000) > 3 * 3 * 9_000 * 10 * 20_000
