"""`/v1/inspect/attribution`: the reference numbers over REST, and what the methods promise."""

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.inspection_network import REFERENCE, a_body, close

Json = dict[str, Any]

WANTED: Json = REFERENCE["attribution"]
OUTPUT = WANTED["target_class"]
SAMPLE = [WANTED["sample"]]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Questions read models, which are tested on both databases elsewhere."""
    return sqlite_url


def ask(client: TestClient, body: Json, question: str = "attribution") -> Json:
    answer = client.post(f"/v1/inspect/{question}", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def mistakes(client: TestClient, body: Json) -> dict[str, str]:
    answer = client.post("/v1/inspect/attribution", json=body)
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def attributed(client: TestClient, method: str, **fields: Any) -> Json:
    """The answer of one method for the sample and output of the reference."""
    answer = ask(client, a_body(SAMPLE, methods=[method], output=OUTPUT, **fields))
    assert close(answer["output"]["values"], [WANTED["f_x"]])
    found: Json = answer["methods"][method]
    return found


def test_gradients_of_an_output_have_the_reference_numbers(client: TestClient) -> None:
    saliency = attributed(client, "saliency")
    assert close(saliency["attributions"]["x"], [WANTED["saliency_abs"]])
    assert close(saliency["gradient"]["x"], [WANTED["gradient"]])
    product = attributed(client, "gradient_times_input")
    assert close(product["attributions"]["x"], [WANTED["gradient_times_input"]])
    for index, gradient in enumerate(WANTED["jacobian_logits_by_input"]):
        answer = ask(client, a_body(SAMPLE, of={"index": [index]}, include=["inputs"]), "gradients")
        assert close(answer["gradients"]["inputs"]["x"], [gradient])
    loss = ask(client, a_body(SAMPLE), "gradients")
    assert close(loss["gradients"]["inputs"]["x"], [WANTED["gradient_of_loss_by_input_sample_0"]])


RULES = {
    "exact": ("gauss_legendre", 200),
    "gauss_legendre_50": ("gauss_legendre", 50),
    "trapezoid_20_intervals": ("trapezoid", 20),
    "midpoint_20": ("midpoint", 20),
    "left_20": ("left", 20),
    "right_20": ("right", 20),
}


def test_integrated_gradients_have_the_reference_numbers_by_every_rule(client: TestClient) -> None:
    wanted = WANTED["integrated_gradients"]
    for name, (rule, steps) in RULES.items():
        asked = {"baseline": {"x": wanted["baseline"]}, "rule": rule, "steps": steps}
        found = attributed(client, "integrated_gradients", **asked)
        assert close(found["attributions"]["x"], [wanted[name]])
        completeness = found["completeness"]
        assert close(completeness["difference"], [WANTED["f_x"] - wanted["f_baseline"]])
        gap = wanted["completeness_delta"].get(name.removesuffix("_intervals"), 0.0)
        assert completeness["gap"][0] == pytest.approx(gap, abs=1e-12)
        assert found["baseline"] == "given"


def test_steps_are_doubled_until_the_gap_is_small(client: TestClient) -> None:
    baseline = {"x": WANTED["integrated_gradients"]["baseline"]}
    slow = attributed(client, "integrated_gradients", baseline=baseline, rule="left")
    assert slow["steps"] > 8
    half = attributed(client, "integrated_gradients", baseline=baseline, rule="left", steps=slow["steps"] // 2)
    assert abs(half["completeness"]["gap"][0]) > 0.01 * abs(half["completeness"]["difference"][0])
    assert slow["converged"]
    assert abs(slow["completeness"]["gap"][0]) <= 0.01 * abs(slow["completeness"]["difference"][0])
    quick = attributed(client, "integrated_gradients", baseline=baseline)
    assert quick["steps"] == 8


def test_each_example_is_explained_as_if_it_were_alone(client: TestClient) -> None:
    """The network predicts other classes for other rows."""
    methods = ["integrated_gradients", "deeplift", "occlusion", "saliency"]
    together = ask(client, a_body(methods=methods, steps=8))
    assert len({index for (index,) in together["output"]["index"]}) > 1
    for row in range(8):
        alone = ask(client, a_body([row], methods=methods, steps=8))
        assert alone["output"]["index"] == [together["output"]["index"][row]]
        for method in methods:
            found = together["methods"][method]["attributions"]["x"][row]
            assert close(alone["methods"][method]["attributions"]["x"][0], found, 1e-13)


def test_smoothgrad_has_the_reference_numbers(client: TestClient) -> None:
    wanted = WANTED["smoothgrad_given_noise"]
    found = attributed(client, "smoothgrad", noise={"x": wanted["noise"]})
    assert close(found["attributions"]["x"], [wanted["mean_gradient"]])
    assert close(found["mean_square"]["x"], [wanted["mean_squared_gradient"]])


def test_drawn_noise_is_that_of_the_seed(client: TestClient) -> None:
    first, same, other = (attributed(client, "smoothgrad", samples=3, seed=seed) for seed in (0, 0, 1))
    assert first == same != other
    assert first["samples"] == 3


def test_expected_gradients_have_the_reference_numbers(client: TestClient) -> None:
    wanted = WANTED["expected_gradients"]
    found = attributed(client, "expected_gradients", baselines={"x": wanted["baselines"]}, steps=50)
    assert close(found["attributions"]["x"], [wanted["value"]])
    assert close(found["completeness"]["sum"], [wanted["sum_equals_f_x_minus_mean_f_baselines"]])
    assert found["completeness"]["gap"][0] == pytest.approx(0, abs=1e-12)


def rescaled(hidden: list[Json]) -> Json:
    wanted = REFERENCE["deeplift_rescale"]
    layers = [
        {"op": "dense", "id": "first", "params": {"W": wanted["R1"], "b": wanted["c1"]}},
        *hidden,
        {"op": "dense", "id": "last", "params": {"W": wanted["R2"]}},
    ]
    network = {"inputs": {"x": {"shape": [3]}}, "layers": layers}
    return {
        "subject": {"network": network},
        "inputs": {"x": [wanted["x"]]},
        "baseline": {"x": [wanted["baseline"]]},
        "methods": ["deeplift"],
    }


def test_the_rescale_rule_has_the_reference_numbers(client: TestClient) -> None:
    wanted = REFERENCE["deeplift_rescale"]
    found = ask(client, rescaled([{"op": "relu", "id": "relu"}]))["methods"]["deeplift"]
    assert close(found["attributions"]["x"], [wanted["contributions"]])
    assert close(found["completeness"]["difference"], [wanted["output_difference"]])
    assert found["completeness"]["gap"][0] == pytest.approx(0, abs=1e-12)


def test_the_rescale_rule_is_refused_where_there_is_none(client: TestClient) -> None:
    body = rescaled([{"op": "softmax", "id": "inside"}])
    assert "'inside' (softmax)" in mistakes(client, body)["/methods/0"]
    del body["methods"]
    answer = ask(client, body)
    assert "'inside' (softmax)" in answer["left_out"]["deeplift"]
    assert "deeplift" not in answer["methods"]


def test_occlusion_is_the_difference_without_each_entry(client: TestClient) -> None:
    found = attributed(client, "occlusion", baseline={"x": [0.5, -0.5, 0.25]})
    (x,) = a_body(SAMPLE)["inputs"]["x"]
    for entry, value in enumerate([0.5, -0.5, 0.25]):
        hidden = [*x[:entry], value, *x[entry + 1 :]]
        body = a_body(SAMPLE, inputs={"x": [hidden]}, include=["values"])
        left = ask(client, body, "gradients")["values"]["last"][0][OUTPUT]
        assert found["attributions"]["x"][0][entry] == pytest.approx(WANTED["f_x"] - left, rel=1e-12)


def an_image(**fields: Any) -> Json:
    """The sum of an image of two channels, 4 × 4, each cell of it told apart by its weight."""
    weights = np.arange(32.0)[:, None].tolist()
    layers = [{"op": "flatten"}, {"op": "dense", "params": {"W": weights}}]
    network = {"inputs": {"x": {"shape": [2, 4, 4]}}, "layers": layers}
    return {"subject": {"network": network}, "inputs": {"x": np.ones((1, 2, 4, 4)).tolist()}} | fields


def test_a_patch_hides_all_channels_at_once_and_cells_share_their_patches(client: TestClient) -> None:
    weights = np.arange(32.0).reshape(2, 4, 4)
    body = an_image(methods=["occlusion"], patch=[2, 2])
    found = np.array(ask(client, body)["methods"]["occlusion"]["attributions"]["x"])[0]
    assert (found[:, :2, 2:] == weights[:, :2, 2:].sum()).all()
    moved = np.array(ask(client, body | {"stride": [1, 2]})["methods"]["occlusion"]["attributions"]["x"])[0]
    windows = [weights[:, row : row + 2, :2].sum() for row in range(4)]
    assert moved[1, :, 0].tolist() == [windows[0], *((windows[i] + windows[i + 1]) / 2 for i in range(3))]


def test_the_predicted_class_is_explained_unless_another_is_named(client: TestClient) -> None:
    body = a_body(methods=["saliency"])
    output = ask(client, body)["output"]
    logits = np.array(ask(client, a_body(include=["values"]), "gradients")["values"]["last"])
    assert output["taken"] == "largest"
    assert output["index"] == logits.argmax(axis=1)[:, None].tolist()
    assert output["values"] == logits.max(axis=1).tolist()
    assert output["scale"] == "logits"
    hidden = ask(client, body | {"output": {"node": "tanh", "index": [1]}})["output"]
    assert (hidden["node"], hidden["taken"], hidden["scale"]) == ("tanh", "named", None)
    assert ask(client, rescaled([{"op": "relu"}]))["output"]["taken"] == "only"


def test_the_gradient_of_an_output_by_parameters_is_summed_and_without_penalties(client: TestClient) -> None:
    body = a_body(of={"node": "last", "index": [1]}, include=["params", "nodes"])
    body["subject"]["network"]["penalties"] = [{"kind": "l2", "strength": 1.0}]
    del body["targets"]
    answer = ask(client, body, "gradients")
    tanh = np.array(ask(client, a_body(include=["values"]), "gradients")["values"]["tanh"])
    wanted = np.zeros((4, 3))
    wanted[:, 1] = tanh.sum(axis=0)
    assert close(answer["gradients"]["params"]["last"]["W"], wanted, 1e-14)
    assert answer["gradients"]["nodes"]["last"] == [[0.0, 1.0, 0.0]] * 8
    assert answer["of"]["taken"] == "named"


def words(**fields: Any) -> Json:
    layers = [
        {"op": "embedding", "id": "e", "params": {"table": [[0.0, 0.0], [3.0, 4.0], [5.0, 7.0]]}},
        {"op": "flatten"},
        {"op": "dense", "id": "d", "params": {"W": [[1.0], [2.0], [3.0], [4.0]]}},
    ]
    network = {"inputs": {"x": {"shape": [2], "dtype": "int"}}, "layers": layers}
    return {"subject": {"network": network}, "inputs": {"x": [[1, 2]]}} | fields


def test_whole_numbers_are_explained_at_their_embedding(client: TestClient) -> None:
    answer = client.post("/v1/inspect/attribution", json=words())
    (error,) = answer.json()["errors"]
    assert answer.status_code == 422
    assert (error["pointer"], error["allowed"]) == ("/at", ["e"])
    found = ask(client, words(at="e"))
    assert found["at"] == ["e"]
    for method in ("integrated_gradients", "deeplift", "occlusion", "gradient_times_input"):
        assert close(found["methods"][method]["attributions"]["e"], [[[3.0, 8.0], [15.0, 28.0]]], 1e-14)
    other = ask(client, words(at="e", baseline={"e": [[1.0, 1.0], [1.0, 1.0]]}))["methods"]["integrated_gradients"]
    assert close(other["attributions"]["e"], [[[2.0, 6.0], [12.0, 24.0]]], 1e-14)


def test_a_model_is_explained_by_its_columns_and_training_rows(client: TestClient, iris: Json) -> None:
    body = {"subject": {"model": "iris"}, "batch": {"split": "test", "rows": [0, 5]}, "baseline": "mean"}
    answer = ask(client, body)
    assert answer["left_out"] == {}
    assert len(answer["methods"]) == 7
    assert set(answer["output"]["labels"]) <= {"setosa", "versicolor", "virginica"}
    gradients = answer["methods"]["integrated_gradients"]
    assert gradients["baseline"] == "mean"
    # The mean of standardized training rows is 0.
    zeros = ask(client, body | {"baseline": "zeros"})["methods"]["integrated_gradients"]
    assert close(gradients["attributions"]["x"], zeros["attributions"]["x"], 1e-6)
    assert gradients["by_column"].keys() == {
        f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width")
    }
    for method in ("integrated_gradients", "expected_gradients"):
        completeness = answer["methods"][method]["completeness"]
        difference = np.array(completeness["difference"])
        assert (np.abs(completeness["gap"]) <= 0.01 * np.abs(difference)).all()
    hidden = body | {"at": "tanh_1", "methods": ["integrated_gradients"], "steps": 8}
    everything = {"subject": {"model": "iris"}, "batch": {"split": "training", "rows": [0, 90]}, "include": ["values"]}
    values = np.array(ask(client, everything, "gradients")["values"]["tanh_1"])
    given = ask(client, hidden | {"baseline": {"tanh_1": values.mean(axis=0).tolist()}})
    found, wanted = (
        one["methods"]["integrated_gradients"]["attributions"]["tanh_1"] for one in (ask(client, hidden), given)
    )
    assert close(found, wanted, 1e-12)
    columns = np.sum(list(gradients["by_column"].values()), axis=0)
    assert close(columns, gradients["completeness"]["sum"], 1e-12)
    drawn = answer["methods"]["expected_gradients"]
    assert (drawn["samples"], drawn["baseline"]) == (20, "rows of the training split, drawn from the seed")


MISTAKES: list[tuple[Json, str]] = [
    ({"mode": "training"}, "/mode"),
    ({"include": ["values"]}, "/include"),
    ({"output": 3}, "/output/index"),
    ({"output": {"node": "nowhere"}}, "/output/node"),
    ({"at": "nowhere"}, "/at"),
    ({"methods": ["guessing"]}, "/methods/0"),
    ({"methods": ["expected_gradients"]}, "/baselines"),
    ({"baseline": "mean"}, "/baseline"),
    ({"baseline": "median"}, "/baseline"),
    ({"baseline": {"z": [1.0]}}, "/baseline/z"),
    ({"baseline": {"x": [1.0, 2.0]}}, "/baseline/x"),
    ({"noise": {"x": [1.0, 2.0, 3.0]}}, "/noise/x"),
    ({"baselines": {"x": [[1.0]]}, "methods": ["expected_gradients"]}, "/baselines/x"),
    ({"patch": [4]}, "/patch"),
    ({"patch": [2], "stride": [3]}, "/stride"),
    ({"stride": [1]}, "/stride"),
    ({"methods": ["saliency"], "steps": 5}, "/steps"),
    ({"methods": ["smoothgrad"], "baseline": "zeros"}, "/baseline"),
    ({"at": "last", "output": {"node": "tanh", "index": [0]}}, "/at"),
    ({"steps": 0}, "/steps"),
    ({"steps": 100_000}, "/steps"),
    ({"output": {"node": "last", "index": [0], "unit": 1}}, "/output/unit"),
]


def test_mistakes_are_named_by_their_place(client: TestClient) -> None:
    """In one test, since a server for each mistake would take longer than its answer."""
    unnamed = [
        (change, found)
        for change, pointer in MISTAKES
        if pointer not in (found := mistakes(client, a_body(SAMPLE) | change))
    ]
    assert unnamed == []


def test_one_of_several_numbers_to_predict_must_be_named(client: TestClient) -> None:
    body = a_body(SAMPLE, targets={"y": [[0.0, 0.0, 0.0]]})
    body["subject"]["network"]["losses"] = [{"kind": "mse"}]
    assert "say which one" in mistakes(client, body)["/output/index"]


def test_more_passes_than_anybody_would_wait_for_are_refused(client: TestClient) -> None:
    layers = [{"op": "dense", "units": 4000}, {"op": "dense", "units": 1}]
    network = {"inputs": {"x": {"shape": [2000]}}, "layers": layers}
    body = {"subject": {"network": network}, "inputs": {"x": np.ones((40, 2000)).tolist()}, "methods": ["occlusion"]}
    assert "fewer examples" in mistakes(client, body)["/methods/0"]
