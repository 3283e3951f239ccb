"""The worked 2-2-2 network with one bias for each layer, as its document has it: every number through the service.

A tied bias is a weight that an input of 1 is multiplied by, added to both units of its layer.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

Json = dict[str, Any]

EXAMPLE: Json = json.loads((Path(__file__).parents[1] / "reference" / "worked_examples.json").read_text())[
    "network_2_2_2"
]
W: dict[str, float] = EXAMPLE["parameters"]
RATE: float = EXAMPLE["learning_rate"]
WEIGHTS = {"h1": ("w1", "w2"), "h2": ("w3", "w4"), "o1": ("w5", "w6"), "o2": ("w7", "w8")}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The numbers are the same whatever the database."""
    return sqlite_url


def close(number: float | str) -> Any:
    return pytest.approx(float(number), rel=1e-12)


def tied() -> Json:
    """One dense node for each unit, and one for each bias."""

    def unit(name: str, source: str) -> Json:
        weights = [[W[weight]] for weight in WEIGHTS[name]]
        return {"id": name, "op": "dense", "inputs": [source], "bias": False, "params": {"W": weights}}

    def bias(name: str) -> Json:
        return {"id": name, "op": "dense", "inputs": ["one"], "bias": False, "params": {"W": [[W[name]]]}}

    def layer(units: list[str], source: str, offset: str, squashed: str) -> list[Json]:
        return [
            *(unit(name, source) for name in units),
            bias(offset),
            *({"id": f"{name}_pre", "op": "add", "inputs": [name, offset]} for name in units),
            {"id": f"{squashed}_pre", "op": "concat", "inputs": [f"{name}_pre" for name in units]},
            {"id": squashed, "op": "sigmoid", "inputs": [f"{squashed}_pre"]},
        ]

    return {
        "inputs": {"x": {"shape": [2]}, "one": {"shape": [1]}},
        "nodes": [*layer(["h1", "h2"], "x", "b1", "a"), *layer(["o1", "o2"], "a", "b2", "y")],
        "losses": [{"kind": "half_sse", "input": "y", "target": "t"}],
    }


def question(**more: Any) -> Json:
    inputs = {"x": [EXAMPLE["input"]], "one": [[1.0]]}
    return {"subject": {"network": tied()}, "inputs": inputs, "targets": {"t": [EXAMPLE["target"]]}} | more


def test_a_tied_bias_has_the_gradient_of_the_example(client: TestClient) -> None:
    answer = client.post("/v1/inspect/gradients", json=question()).json()
    params = answer["gradients"]["params"]
    assert answer["loss"] == close(EXAMPLE["forward"]["E"])
    for bias in ("b1", "b2"):
        assert params[bias]["W"] == [[close(EXAMPLE["grad"][bias])]]
    for node, names in WEIGHTS.items():
        assert params[node]["W"] == [[close(EXAMPLE["grad"][name])] for name in names]


def test_the_gradient_of_a_tied_bias_is_the_sum_over_its_units(client: TestClient) -> None:
    chain = client.post("/v1/inspect/trace", json=question(param="b2.W[0][0]")).json()["chain"]
    per_unit = EXAMPLE["grad_bias_per_unit"]
    assert [term["product"] for term in chain["terms"]] == [close(per_unit["b2_Y1"]), close(per_unit["b2_Y2"])]
    assert chain["sum"] == close(EXAMPLE["grad"]["b2"])
    first = client.post("/v1/inspect/trace", json=question(param="b1.W[0][0]")).json()["chain"]
    assert len(first["terms"]) == 4
    assert first["agrees"]
    assert first["sum"] == close(EXAMPLE["grad"]["b1"])


def test_one_step_leads_where_the_example_says(client: TestClient) -> None:
    body = question(learning_rates=RATE, include=["params"])
    (step,) = client.post("/v1/inspect/step", json=body).json()["steps"]
    after = EXAMPLE["after_one_descent_step"]
    assert step["loss"] == close(EXAMPLE["loss_after_one_descent_step"]["tied_bias"])
    for bias in ("b1", "b2"):
        assert step["params"][bias]["W"] == [[close(after[bias])]]
    for node, names in WEIGHTS.items():
        assert step["params"][node]["W"] == [[close(after[name])] for name in names]


def test_a_step_up_the_gradient_as_it_is_printed_climbs(client: TestClient) -> None:
    gradients = client.post("/v1/inspect/gradients", json=question()).json()["gradients"]["params"]
    network = tied()
    for node in network["nodes"]:
        if "params" in node:
            pairs = zip(node["params"]["W"], gradients[node["id"]]["W"], strict=True)
            node["params"]["W"] = [[weight + RATE * slope] for [weight], [slope] in pairs]
    loss = client.post("/v1/inspect/gradients", json=question(subject={"network": network})).json()["loss"]
    assert loss == close(EXAMPLE["w5_doc"]["loss_if_all_move_with_plus"])


def test_a_step_of_the_weights_alone_has_the_loss_of_the_example(client: TestClient) -> None:
    """Biases that come as inputs do not learn."""
    network = tied()
    network["inputs"] |= {"b1": {"shape": [1]}, "b2": {"shape": [1]}}
    del network["inputs"]["one"]
    network["nodes"] = [node for node in network["nodes"] if node["id"] not in {"b1", "b2"}]
    inputs = {"x": [EXAMPLE["input"]], "b1": [[W["b1"]]], "b2": [[W["b2"]]]}
    body = question(subject={"network": network}, inputs=inputs, learning_rates=RATE)
    (step,) = client.post("/v1/inspect/step", json=body).json()["steps"]
    assert step["loss"] == close(EXAMPLE["loss_after_one_descent_step"]["weights_only"])


def test_a_step_of_w5_alone_has_the_loss_of_the_example(client: TestClient) -> None:
    """What else makes up the two outputs comes as inputs."""
    forward = {name: float(value) for name, value in EXAMPLE["forward"].items()}
    network = {
        "inputs": {name: {"shape": [1]} for name in ("H1", "rest", "Y2_pre")},
        "nodes": [
            {"id": "w5", "op": "dense", "inputs": ["H1"], "bias": False, "params": {"W": [[W["w5"]]]}},
            {"id": "Y1_pre", "op": "add", "inputs": ["w5", "rest"]},
            {"id": "Y1", "op": "sigmoid", "inputs": ["Y1_pre"]},
            {"id": "Y2", "op": "sigmoid", "inputs": ["Y2_pre"]},
        ],
        "losses": [{"kind": "half_sse", "input": f"Y{unit}", "target": f"t{unit}"} for unit in (1, 2)],
    }
    rest = forward["Y1_pre"] - W["w5"] * forward["H1"]
    body = {
        "subject": {"network": network},
        "inputs": {"H1": [[forward["H1"]]], "rest": [[rest]], "Y2_pre": [[forward["Y2_pre"]]]},
        "targets": {"t1": [EXAMPLE["target"][:1]], "t2": [EXAMPLE["target"][1:]]},
        "learning_rates": RATE,
    }
    (step,) = client.post("/v1/inspect/step", json=body).json()["steps"]
    assert step["loss"] == close(EXAMPLE["loss_after_one_descent_step"]["only_w5"])


@pytest.mark.parametrize(
    "run", [one for one in EXAMPLE["training"] if one["tied_bias"]], ids=lambda run: str(run["learning_rate"])
)
def test_training_has_the_losses_of_the_example(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json], run: Json
) -> None:
    columns = ["x1", "x2", "one", "t1", "t2"]
    rows = [[*EXAMPLE["input"], 1.0, *EXAMPLE["target"]]]
    job = train(
        dataset=a_dataset({"name": "example", "columns": columns, "data": rows}),
        target={"t": ["t1", "t2"]},
        features={"x": ["x1", "x2"], "one": ["one"]},
        preparation="none",
        split={"validation": 0.0},
        network=tied(),
        optimizer={"kind": "sgd", "learning_rate": run["learning_rate"]},
        batch_size="full",
        shuffle=False,
        epochs=1001,
        dtype="float64",
        checkpoints={"every_epochs": 500, "keep": 1},
    )
    losses = client.get(f"/v1/jobs/{job['id']}/epochs").json()["training"]["loss"]
    wanted = {int(step): loss for step, loss in run["loss_after_k_updates"].items()}
    assert {step: losses[step] for step in wanted} == {step: close(loss) for step, loss in wanted.items()}
