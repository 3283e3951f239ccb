"""`POST /v1/networks/validate`."""

from typing import Any

import pytest
from starlette.testclient import TestClient

PATH = "/v1/networks/validate"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Nothing is stored here."""
    return sqlite_url


def mistakes(client: TestClient, network: dict[str, Any]) -> dict[str, str]:
    answer = client.post(PATH, json=network)
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_a_network_of_layers_comes_back_as_nodes_with_shapes_and_sizes(client: TestClient) -> None:
    network = {
        "inputs": {"x": {"shape": [4]}},
        "layers": [{"op": "dense", "units": 3}, {"op": "relu"}, {"op": "softmax"}],
    }
    checked = client.post(PATH, json=network).json()
    assert [node["id"] for node in checked["network"]["nodes"]] == ["dense_1", "relu_1", "softmax_1"]
    assert checked["network"]["nodes"][0]["bias"] is True
    assert checked["network"]["nodes"][0]["init"]["kind"] == "he_normal"
    assert checked["network"]["inputs"] == {"x": {"shape": [4], "dtype": "float"}}
    dense = checked["nodes"][0]
    assert dense["shape"] == [3]
    assert dense["parameters"] == [
        {"name": "W", "shape": [4, 3], "count": 12},
        {"name": "b", "shape": [3], "count": 3},
    ]
    assert checked["totals"]["parameters"] == 15
    assert checked["totals"]["parameter_bytes"] == 60
    assert checked["totals"]["flops"] == sum(node["flops"] for node in checked["nodes"])
    assert checked["output"] == "softmax_1"


def test_the_normalized_network_can_be_posted_again_and_stays_as_it_is(client: TestClient) -> None:
    network = {
        "inputs": {"x": {"shape": [2]}},
        "layers": [{"op": "dense", "units": 2, "params": {"b": [0.1, 0.2]}}, {"op": "leaky_relu"}, {"op": "dropout"}],
        "losses": [{"kind": "huber"}],
        "penalties": [{"kind": "l1", "strength": 0.1}],
    }
    once = client.post(PATH, json=network).json()
    again = client.post(PATH, json=once["network"])
    assert again.status_code == 200, again.text
    assert again.json() == once


def test_shared_parameters_count_once(client: TestClient) -> None:
    nodes = [
        {"id": "a", "op": "dense", "inputs": ["x"], "units": 4},
        {"id": "b", "op": "dense", "inputs": ["a"], "share": "a"},
    ]
    checked = client.post(PATH, json={"inputs": {"x": {"shape": [4]}}, "nodes": nodes}).json()
    assert checked["totals"]["parameters"] == 20
    assert [(node["parameter_count"], node["shares"]) for node in checked["nodes"]] == [(20, None), (0, "a")]


def test_the_width_of_a_last_dense_can_come_from_the_target(client: TestClient) -> None:
    network = {
        "inputs": {"x": {"shape": [4]}},
        "layers": [{"op": "dense", "units": 32}, {"op": "relu"}, {"op": "dense"}],
        "loss": {"kind": "cross_entropy"},
    }
    assert mistakes(client, network).keys() == {"/layers/2"}
    checked = client.post(PATH, json=network | {"targets": {"y": 3}}).json()
    assert checked["nodes"][2]["shape"] == [3]
    assert checked["targets"] == {"y": {"shape": [], "holds": "class"}}


def test_all_mistakes_are_named_at_once(client: TestClient) -> None:
    nodes = [
        {"id": "a", "op": "dense", "inputs": ["nowhere"], "units": 0},
        {"id": "b", "op": "densse", "inputs": ["x"]},
        {"id": "c", "op": "relu", "inputs": ["x"], "slope": 0.1},
        {"id": "d", "op": "dropout", "inputs": ["x"], "p": "0.5"},
    ]
    network = {"inputs": {"x": {"shape": [True]}}, "nodes": nodes}
    assert mistakes(client, network).keys() == {
        "/inputs/x/shape/0",
        "/nodes/0/units",
        "/nodes/1/op",
        "/nodes/2/slope",
        "/nodes/3/p",
    }


def test_what_only_the_whole_graph_shows_is_named_too(client: TestClient) -> None:
    nodes = [
        {"id": "a", "op": "relu", "inputs": ["nowhere"]},
        {"id": "a", "op": "tanh", "inputs": ["x"]},
        {"id": "b", "op": "tanh", "inputs": ["x", "x"]},
    ]
    found = mistakes(client, {"inputs": {"x": {"shape": [2]}}, "nodes": nodes})
    assert found.keys() == {"/nodes/0/id", "/nodes/1/id", "/nodes/0/inputs/0", "/nodes/2/inputs"}


def test_a_cycle_is_named_by_its_nodes(client: TestClient) -> None:
    nodes = [
        {"id": "a", "op": "add", "inputs": ["x", "b"]},
        {"id": "b", "op": "tanh", "inputs": ["a"]},
    ]
    found = mistakes(client, {"inputs": {"x": {"shape": [2]}}, "nodes": nodes})
    (detail,) = found.values()
    assert "cycle" in detail
    assert "a" in detail and "b" in detail


def test_a_network_without_the_shape_of_its_input_says_how_to_give_it(client: TestClient) -> None:
    assert '"inputs"' in mistakes(client, {"layers": [{"op": "dense", "units": 3}]})["/inputs"]


def test_a_loss_beside_the_losses_of_the_network_is_refused(client: TestClient) -> None:
    network = {
        "inputs": {"x": {"shape": [1]}},
        "layers": [{"op": "tanh"}],
        "losses": [{"kind": "mse"}],
        "loss": {"kind": "mae"},
    }
    assert mistakes(client, network).keys() == {"/loss"}


def test_ten_thousand_nodes_in_a_chain_are_checked(client: TestClient) -> None:
    network = {"inputs": {"x": {"shape": [2]}}, "layers": [{"op": "tanh"}] * 10_000}
    answer = client.post(PATH, json=network)
    assert answer.status_code == 200
    assert answer.json()["totals"]["nodes"] == 10_000


def test_sixty_stacked_diamonds_are_checked(client: TestClient) -> None:
    """They have 2^60 paths."""
    nodes: list[dict[str, Any]] = []
    top = "x"
    for level in range(60):
        nodes += [{"id": f"{side}{level}", "op": "tanh", "inputs": [top]} for side in ("left", "right")]
        nodes.append({"id": f"sum{level}", "op": "add", "inputs": [f"left{level}", f"right{level}"]})
        top = f"sum{level}"
    answer = client.post(PATH, json={"inputs": {"x": {"shape": [2]}}, "nodes": nodes})
    assert answer.status_code == 200
    assert answer.json()["totals"]["nodes"] == 180


@pytest.mark.parametrize("units", [10**9, 20_000_000])
def test_more_parameters_than_the_server_takes_are_refused_by_the_largest_node(client: TestClient, units: int) -> None:
    network = {
        "inputs": {"x": {"shape": [4]}},
        "layers": [{"op": "dense", "units": 2}, {"op": "dense", "units": units}],
    }
    assert "50,000,000" in mistakes(client, network)["/layers/1"]


def test_more_values_than_an_example_may_have_are_refused(client: TestClient) -> None:
    network = {"inputs": {"x": {"shape": [2**31, 2**31]}}, "layers": [{"op": "flatten"}, {"op": "tanh"}]}
    assert "values for each example" in mistakes(client, network)["/layers/0"]


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"null",
        b'{"layers": []}',
        b'{"layers": null, "nodes": null}',
        b'{"layers": [{}]}',
        b'{"nodes": [[]]}',
    ],
)
def test_bodies_that_are_no_network_are_refused(client: TestClient, body: bytes) -> None:
    answer = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_the_memory_of_a_run_is_told_on_request(client: TestClient) -> None:
    network: dict[str, Any] = {
        "inputs": {"x": {"shape": [784]}},
        "layers": [{"op": "dense", "units": 512}, {"op": "relu"}, {"op": "dense", "units": 10}],
        "loss": {"kind": "cross_entropy"},
        "training": {"rows": 20_000, "batch_size": 128},
    }
    memory = client.post(PATH, json=network).json()["memory"]
    assert memory["total"] == sum(memory[part] for part in ("examples", "parameters", "buffers"))
    assert memory["examples"] > 20_000 * 784 * 4
    network["training"]["optimizer"] = {"kind": "sgd"}
    assert client.post(PATH, json=network).json()["memory"]["parameters"] < memory["parameters"]
    del network["training"]
    assert client.post(PATH, json=network).json()["memory"] is None


def test_memory_is_told_of_what_can_be_trained_only(client: TestClient) -> None:
    network: dict[str, Any] = {
        "inputs": {"x": {"shape": [2]}},
        "layers": [{"op": "relu"}] * 3000,
        "training": {"rows": 10},
    }
    assert "give `loss`" in mistakes(client, network)["/training"]
    assert "3000" in mistakes(client, network | {"loss": {"kind": "mse"}})["/training"]


def test_advice_stands_beside_a_network_and_refuses_nothing(client: TestClient) -> None:
    network: dict[str, Any] = {
        "inputs": {"x": {"shape": [4]}},
        "layers": [
            {"op": "dense", "units": 300},
            {"op": "dense", "units": 300},
            {"op": "relu"},
            {"op": "dense", "units": 3},
        ],
        "loss": {"kind": "cross_entropy"},
        "training": {"rows": 100, "optimizer": {"kind": "adam", "learning_rate": 0.5}},
    }
    answer = client.post(PATH, json=network).json()
    assert [(one["code"], one["pointer"]) for one in answer["advice"]] == [
        ("consecutive_linear", "/network/nodes/1"),
        ("parameters_exceed_rows", "/training/rows"),
        ("unusual_learning_rate", "/training/optimizer/learning_rate"),
    ]
    assert answer["network"]["nodes"][1]["id"] == answer["advice"][0]["node"] == "dense_2"
    assert answer["advice"][2]["evidence"] == {"measure": "learning_rate", "value": 0.5, "healthy": [1e-6, 0.1]}
    healthy = network | {"layers": [network["layers"][0], network["layers"][2], network["layers"][3]]}
    del healthy["training"]
    assert client.post(PATH, json=healthy).json()["advice"] == []
