"""The worked 2-2-2 network: every number to 12 digits, through the service, and one step of descent by a job."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

Json = dict[str, Any]

EXAMPLE: Json = json.loads((Path(__file__).parents[1] / "reference" / "worked_examples.json").read_text())[
    "network_2_2_2"
]

INPUT, TARGET = EXAMPLE["input"], EXAMPLE["target"]


def tidy(numbers: Json) -> dict[str, float]:
    """Numbers that are written as strings of 20 digits."""
    return {name: float(number) for name, number in numbers.items()}


def a_network() -> Json:
    """H1 has the weights w1 and w2 in the first column of W, Y1 has w5 and w6."""
    w = EXAMPLE["parameters"]
    hidden = {"W": [[w["w1"], w["w3"]], [w["w2"], w["w4"]]], "b": [w["b1"]] * 2}
    output = {"W": [[w["w5"], w["w7"]], [w["w6"], w["w8"]]], "b": [w["b2"]] * 2}
    return {
        "nodes": [
            {"id": "h", "op": "dense", "inputs": ["x"], "units": 2, "params": hidden},
            {"id": "a", "op": "sigmoid", "inputs": ["h"]},
            {"id": "o", "op": "dense", "inputs": ["a"], "units": 2, "params": output},
            {"id": "y", "op": "sigmoid", "inputs": ["o"]},
        ],
        "losses": [{"kind": "half_sse", "input": "y", "target": "t"}],
    }


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The numbers are the same whatever the database."""
    return sqlite_url


def close(number: float) -> Any:
    return pytest.approx(number, rel=1e-12)


def test_forward_and_backward_pass_have_the_numbers_of_the_example(client: TestClient) -> None:
    body = {"subject": {"network": a_network()}, "inputs": {"x": [INPUT]}, "targets": {"t": [TARGET]}}
    answer = client.post("/v1/inspect/gradients", json=body).json()
    forward, grad, delta = tidy(EXAMPLE["forward"]), tidy(EXAMPLE["grad"]), tidy(EXAMPLE["deltas"])
    per_unit, of_input = tidy(EXAMPLE["grad_bias_per_unit"]), tidy(EXAMPLE["grad_input"])
    assert answer["loss"] == close(forward["E"])
    values, gradients = answer["values"], answer["gradients"]
    assert values["h"] == [[close(forward["H1_pre"]), close(forward["H2_pre"])]]
    assert values["a"] == [[close(forward["H1"]), close(forward["H2"])]]
    assert values["o"] == [[close(forward["Y1_pre"]), close(forward["Y2_pre"])]]
    assert values["y"] == [[close(forward["Y1"]), close(forward["Y2"])]]
    assert gradients["nodes"]["o"] == [[close(delta["dE/dY1_pre"]), close(delta["dE/dY2_pre"])]]
    assert gradients["nodes"]["a"] == [[close(delta["dE/dH1"]), close(delta["dE/dH2"])]]
    assert gradients["nodes"]["h"] == [[close(delta["dE/dH1_pre"]), close(delta["dE/dH2_pre"])]]
    assert gradients["params"]["h"] == {
        "W": [[close(grad["w1"]), close(grad["w3"])], [close(grad["w2"]), close(grad["w4"])]],
        "b": [close(per_unit["b1_H1"]), close(per_unit["b1_H2"])],
    }
    assert gradients["params"]["o"] == {
        "W": [[close(grad["w5"]), close(grad["w7"])], [close(grad["w6"]), close(grad["w8"])]],
        "b": [close(per_unit["b2_Y1"]), close(per_unit["b2_Y2"])],
    }
    assert gradients["inputs"]["x"] == [[close(of_input["x1"]), close(of_input["x2"])]]


def test_each_output_has_the_error_and_the_slope_of_the_example(client: TestClient) -> None:
    network = a_network()
    for unit in (0, 1):
        network["nodes"].append({"id": f"y{unit}", "op": "select", "inputs": ["y"], "axis": 1, "index": unit})
    network["losses"] = [{"kind": "half_sse", "input": f"y{unit}", "target": f"t{unit}"} for unit in (0, 1)]
    targets = {f"t{unit}": [TARGET[unit]] for unit in (0, 1)}
    body = {"subject": {"network": network}, "inputs": {"x": [INPUT]}, "targets": targets}
    answer = client.post("/v1/inspect/gradients", json=body).json()
    forward = tidy(EXAMPLE["forward"])
    assert answer["loss_terms"] == [close(forward["E1"]), close(forward["E2"])]
    slopes = [float(EXAMPLE["chain_for_w5"]["dE/dY1"]), float(EXAMPLE["deltas"]["dE/dY2"])]
    assert answer["gradients"]["nodes"]["y"] == [[close(slope) for slope in slopes]]


def a_chain(client: TestClient, param: str) -> Json:
    body = {"subject": {"network": a_network()}, "inputs": {"x": [INPUT]}, "targets": {"t": [TARGET]}, "param": param}
    chain: Json = client.post("/v1/inspect/trace", json=body).json()["chain"]
    assert chain["agrees"] is True
    return chain


def test_the_gradient_of_w5_is_the_product_of_three_factors(client: TestClient) -> None:
    wanted = tidy(EXAMPLE["chain_for_w5"])
    chain = a_chain(client, "o.W[0][0]")
    (term,) = chain["terms"]
    assert term["path"] == ["o"]
    assert [factor["of"] for factor in term["factors"]] == ["dL/dy", "dy/do", "do/do.W"]
    assert [factor["entry"] for factor in term["factors"]] == ["dL/dy[0]", "dy[0]/do[0]", "do[0]/do.W[0][0]"]
    values = [factor["value"] for factor in term["factors"]]
    assert values == [close(wanted[name]) for name in ("dE/dY1", "dY1/dY1_pre", "dY1_pre/dw5")]
    assert term["product"] == close(wanted["dE/dw5"])
    assert chain["sum"] == chain["gradient"] == close(wanted["dE/dw5"])


def test_the_gradient_of_w1_is_a_sum_over_both_outputs(client: TestClient) -> None:
    delta, forward, w = tidy(EXAMPLE["deltas"]), tidy(EXAMPLE["forward"]), EXAMPLE["parameters"]
    chain = a_chain(client, "h.W[0][0]")
    first, second = chain["terms"]
    for term, back, weight in ((first, "dE/dY1_pre", w["w5"]), (second, "dE/dY2_pre", w["w7"])):
        assert term["path"] == ["o", "a", "h"]
        slope, squash, through, bend, feed = (factor["value"] for factor in term["factors"])
        assert slope * squash == close(delta[back])
        assert through == weight
        assert bend == close(forward["H1"] * (1 - forward["H1"]))
        assert feed == INPUT[0]
    assert first["product"] + second["product"] == close(float(EXAMPLE["grad"]["w1"]))
    assert chain["gradient"] == close(float(EXAMPLE["grad"]["w1"]))


@pytest.mark.parametrize(
    ("name", "param"),
    [
        ("w1", "h.W[0][0]"), ("w2", "h.W[1][0]"), ("w3", "h.W[0][1]"), ("w4", "h.W[1][1]"),
        ("w5", "o.W[0][0]"), ("w6", "o.W[1][0]"), ("w7", "o.W[0][1]"), ("w8", "o.W[1][1]"),
    ],
)  # fmt: skip
def test_the_paths_of_every_weight_add_up_to_its_gradient(client: TestClient, name: str, param: str) -> None:
    chain = a_chain(client, param)
    assert chain["sum"] == close(float(EXAMPLE["grad"][name]))
    assert len(chain["terms"]) == (2 if param.startswith("h") else 1)


def test_one_step_tried_out_has_the_loss_of_the_example(client: TestClient) -> None:
    body = {"subject": {"network": a_network()}, "inputs": {"x": [INPUT]}, "targets": {"t": [TARGET]}}
    body |= {"learning_rates": EXAMPLE["learning_rate"], "include": ["params"]}
    (step,) = client.post("/v1/inspect/step", json=body).json()["steps"]
    assert step["loss"] == close(float(EXAMPLE["loss_after_one_descent_step"]["bias_per_unit"]))
    after = tidy(EXAMPLE["after_one_descent_step"])
    assert step["params"]["h"]["W"] == [
        [close(after["w1"]), close(after["w3"])],
        [close(after["w2"]), close(after["w4"])],
    ]
    assert step["params"]["o"]["W"] == [
        [close(after["w5"]), close(after["w7"])],
        [close(after["w6"]), close(after["w8"])],
    ]
    before = float(EXAMPLE["forward"]["E"])
    assert step["decrease"] == pytest.approx(before - step["loss"], rel=1e-12)


def test_the_step_as_it_is_printed_climbs(client: TestClient) -> None:
    printed = EXAMPLE["w5_doc"]
    network = a_network()
    network["nodes"][2]["params"]["W"][0][0] = 0.18 + 0.01 * float(EXAMPLE["grad"]["w5"])
    body = {"subject": {"network": network}, "inputs": {"x": [INPUT]}, "targets": {"t": [TARGET]}}
    loss = client.post("/v1/inspect/gradients", json=body).json()["loss"]
    assert loss == close(float(printed["loss_if_only_w5_moves_as_printed"]))
    assert loss > float(EXAMPLE["forward"]["E"])


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ({"kind": "mse", "reduction": "sum"}, "gradient_w5_if_no_half"),
        ({"kind": "mse"}, "gradient_w5_if_mean_over_2_outputs"),
    ],
)
def test_other_readings_of_the_loss_have_the_gradients_they_would_have(
    client: TestClient, loss: Json, name: str
) -> None:
    network = a_network() | {"losses": [{"input": "y", "target": "t"} | loss]}
    body = {"subject": {"network": network}, "inputs": {"x": [INPUT]}, "targets": {"t": [TARGET]}}
    gradients = client.post("/v1/inspect/gradients", json=body).json()["gradients"]
    assert gradients["params"]["o"]["W"][0][0] == close(float(EXAMPLE["loss_function_doc"][name]))


def test_the_gradients_of_the_example_pass_the_check(client: TestClient) -> None:
    body = {"subject": {"network": a_network()}, "inputs": {"x": [INPUT]}, "targets": {"t": [TARGET]}}
    answer = client.post("/v1/inspect/gradient-check", json=body).json()
    assert answer["passed"]
    assert answer["max_relative_error"] < 1e-9


@pytest.fixture
def a_step(a_dataset: Callable[[Json], str], train: Callable[..., Json]) -> Callable[..., Json]:
    """Trains the example for some steps of gradient descent, with nothing between the numbers and the network."""

    def run(steps: int, rate: float = EXAMPLE["learning_rate"]) -> Json:
        dataset = a_dataset({"name": "example", "columns": ["x1", "x2", "t1", "t2"], "data": [[*INPUT, *TARGET]]})
        return train(
            name="example",
            dataset=dataset,
            target=["t1", "t2"],
            features=["x1", "x2"],
            preparation="none",
            split={"validation": 0.0},
            network=a_network(),
            optimizer={"kind": "sgd", "learning_rate": rate},
            batch_size="full",
            shuffle=False,
            epochs=steps,
            dtype="float64",
            checkpoints={"every_epochs": max(1, steps // 10), "keep": 10},
        )

    return run


def test_one_step_of_descent_moves_every_weight_to_where_the_example_says(
    client: TestClient, a_step: Callable[..., Json]
) -> None:
    job = a_step(1)
    exported = client.get("/v1/models/example/export?format=json").json()
    params = {node["id"]: node["params"] for node in exported["nodes"] if "params" in node}
    after = tidy(EXAMPLE["after_one_descent_step"])
    assert after["w5"] == close(0.17927048002799)
    assert params["h"]["W"] == [[close(after["w1"]), close(after["w3"])], [close(after["w2"]), close(after["w4"])]]
    assert params["o"]["W"] == [[close(after["w5"]), close(after["w7"])], [close(after["w6"]), close(after["w8"])]]
    curves = client.get(f"/v1/jobs/{job['id']}/epochs").json()
    assert curves["training"]["loss"] == [close(float(EXAMPLE["forward"]["E"]))]


def test_the_loss_after_several_steps_is_that_of_the_example(client: TestClient, a_step: Callable[..., Json]) -> None:
    job = a_step(10)
    (per_unit,) = [run for run in EXAMPLE["training"] if run["learning_rate"] == 0.01 and not run["tied_bias"]]
    wanted = per_unit["loss_after_k_updates"]
    losses = client.get(f"/v1/jobs/{job['id']}/epochs").json()["training"]["loss"]
    assert [losses[k] for k in (0, 1, 2, 5)] == [close(wanted[str(k)]) for k in (0, 1, 2, 5)]
    row = {"x1": INPUT[0], "x2": INPUT[1], "t1": TARGET[0], "t2": TARGET[1]}
    at_start = {"subject": {"model": f"{job['id']}@0"}, "rows": [row]}
    assert client.post("/v1/inspect/gradients", json=at_start).json()["loss"] == close(wanted["0"])
    at_end = {"subject": {"model": f"{job['id']}@10"}, "rows": [row]}
    assert client.post("/v1/inspect/gradients", json=at_end).json()["loss"] == close(wanted["10"])
    predicted = client.post("/v1/models/example/predict", json={"inputs": [INPUT]}).json()["predictions"]
    assert 0.5 * np.sum(np.square(np.array(predicted) - TARGET)) == close(wanted["10"])


@pytest.mark.parametrize("rate", [0.01, 0.5])
def test_a_thousand_steps_have_the_losses_of_the_example(
    client: TestClient, a_step: Callable[..., Json], rate: float
) -> None:
    job = a_step(1001, rate)
    (run,) = [one for one in EXAMPLE["training"] if one["learning_rate"] == rate and not one["tied_bias"]]
    losses = client.get(f"/v1/jobs/{job['id']}/epochs").json()["training"]["loss"]
    wanted = {int(step): loss for step, loss in run["loss_after_k_updates"].items()}
    assert {step: losses[step] for step in wanted} == {step: close(loss) for step, loss in wanted.items()}
