"""`/v1/inspect/influence`: the reference numbers over REST, and a really trained model traced by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from core.arrays import Array
from service.kit.database import Base, Database
from tests.inspection_network import REFERENCE, a_body, close, examples, parameters_of
from tests.trained import Train

Json = dict[str, Any]

TRACIN: Json = REFERENCE["influence"]["tracin"]
LOGISTIC: Json = REFERENCE["influence"]["influence_function"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Questions read models, which are tested on both databases elsewhere."""
    return sqlite_url


def ask(client: TestClient, body: Json, question: str = "influence") -> Json:
    answer = client.post(f"/v1/inspect/{question}", json=body)
    assert answer.status_code == 200, answer.text
    answered: Json = answer.json()
    return answered


def mistakes(client: TestClient, body: Json) -> dict[str, str]:
    answer = client.post("/v1/inspect/influence", json=body)
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def traced(**fields: Any) -> Json:
    """TracIn of the reference: its training and test rows and its three checkpoints."""
    checkpoints = [parameters_of(flat) for flat in TRACIN["checkpoints_flat"]]
    return a_body(
        TRACIN["train_samples"],
        checkpoints=checkpoints,
        learning_rates=TRACIN["learning_rates"],
        explain=examples(TRACIN["test_samples"]),
        **fields,
    )


def test_tracin_has_the_reference_numbers(client: TestClient) -> None:
    answer = ask(client, traced())
    assert close(answer["scores"], TRACIN["scores"])
    assert [one["learning_rate"] for one in answer["checkpoints"]] == TRACIN["learning_rates"]
    first, second = answer["explained"]
    assert [one["row"] for one in first["harmful"]] == [1, 3, 0, 2]
    assert first["helpful"] == []
    assert [one["row"] for one in second["helpful"]] == [0, 2, 3, 1]
    assert second["helpful"][0]["score"] == pytest.approx(TRACIN["scores"][0][1])


def test_a_row_explains_itself_by_its_self_influence(client: TestClient) -> None:
    rows = TRACIN["train_samples"]
    scores = np.diag(ask(client, traced() | {"explain": examples(rows)})["scores"])
    body = traced(method="self_influence")
    del body["explain"]
    answer = ask(client, body)
    assert close(answer["self_influence"], scores, 1e-14)
    assert [one["row"] for one in answer["highest"]] == np.argsort(-scores).tolist()


def logistic(**fields: Any) -> Json:
    """Logistic regression without a bias, at its optimum, its penalty on all weights."""
    weights = [[weight] for weight in LOGISTIC["w_optimal"]]
    network = {
        "layers": [{"op": "dense", "id": "d", "params": {"W": weights}}],
        "losses": [{"kind": "bce_with_logits"}],
        "penalties": [{"kind": "l2", "strength": LOGISTIC["lambda"]}],
    }
    return {
        "subject": {"network": network},
        "inputs": {"x": LOGISTIC["x_with_one"]},
        "targets": {"y": [[y] for y in LOGISTIC["y"]]},
        "explain": {"inputs": {"x": [LOGISTIC["test_x"]]}, "targets": {"y": [[LOGISTIC["test_y"]]]}},
        "method": "influence_function",
        "damping": 0,
    } | fields


def test_the_influence_function_has_the_reference_numbers(client: TestClient) -> None:
    answer = ask(client, logistic())
    assert close(np.array(answer["scores"])[:, 0], LOGISTIC["influence"])
    assert close(np.array(answer["predicted_change_on_removal"])[:, 0], LOGISTIC["predicted_change_on_removal"])
    assert answer["gradient_norm"] < 1e-12
    assert answer["smallest_eigenvalue"] >= LOGISTIC["lambda"]
    (explained,) = answer["explained"]
    assert explained["helpful"][0] == {"row": 4, "dataset_row": None, "score": pytest.approx(LOGISTIC["influence"][4])}
    assert explained["harmful"][0]["row"] == 1


def test_what_is_predicted_has_the_sign_and_order_of_true_removals(client: TestClient) -> None:
    predicted = np.array(ask(client, logistic())["predicted_change_on_removal"])[:, 0]
    true = np.array(LOGISTIC["true_change_on_removal"])
    assert (np.sign(predicted) == np.sign(true)).all()
    assert np.corrcoef(predicted, true)[0, 1] > 0.99


def test_a_summed_loss_predicts_the_same_removal_as_a_mean_one(client: TestClient) -> None:
    """n times the loss and n times the penalty have the same optimum, at which one row counts for as much."""
    count = len(LOGISTIC["y"])
    body = logistic()
    body["subject"]["network"]["losses"][0]["reduction"] = "sum"
    body["subject"]["network"]["penalties"][0]["strength"] *= count
    predicted = np.array(ask(client, body)["predicted_change_on_removal"])[:, 0]
    assert close(predicted, LOGISTIC["predicted_change_on_removal"])


def test_damping_is_asked_for_where_the_hessian_is_not_positive_definite(client: TestClient) -> None:
    body = a_body(method="influence_function", explain=examples([0]), damping=0)
    detail = mistakes(client, body)["/damping"]
    least = float(detail.split()[-1])
    assert ask(client, body | {"damping": least * 1.01})["smallest_eigenvalue"] == pytest.approx(-least, rel=1e-2)
    assert "/damping" in mistakes(client, body | {"damping": least * 0.99})


def gradients_by_hand(client: TestClient, model: str, split: str, rows: range) -> Array:
    """The gradient of each row's own loss, asked one by one: (n, p)."""

    def flat(row: int) -> Array:
        batch = {"split": split, "rows": [row, row + 1]}
        body = {"subject": {"model": model}, "batch": batch, "include": ["params"]}
        params = ask(client, body, "gradients")["gradients"]["params"]
        return np.concatenate([np.ravel(tensor) for node in params.values() for tensor in node.values()])

    return np.array([flat(row) for row in rows])


def test_a_trained_model_is_traced_over_its_own_checkpoints(client: TestClient, iris: Json) -> None:
    body = {
        "subject": {"model": "iris"},
        "batch": {"split": "training", "rows": [10, 14]},
        "explain": {"batch": {"split": "test", "rows": [3, 5]}},
    }
    answer = ask(client, body)
    kept = [one["epoch"] for one in answer["checkpoints"]]
    assert len(kept) > 2
    wanted = np.zeros((4, 2))
    for one in answer["checkpoints"]:
        model = f"{iris['id']}@{one['epoch']}"
        trained = gradients_by_hand(client, model, "training", range(10, 14))
        tested = gradients_by_hand(client, model, "test", range(3, 5))
        wanted += one["learning_rate"] * trained @ tested.T
    assert close(answer["scores"], wanted, 1e-12)
    assert {one["learning_rate"] for one in answer["checkpoints"]} == {0.1}
    assert [one["row"] for one in answer["explained"]] == [3, 4]
    ranked = answer["explained"][0]["helpful"] + answer["explained"][0]["harmful"]
    assert {one["row"] for one in ranked} == set(range(10, 14))
    some = ask(client, body | {"epochs": kept[:2]})
    assert [one["epoch"] for one in some["checkpoints"]] == kept[:2]
    until = ask(client, body | {"subject": {"model": f"{iris['id']}@{kept[1]}"}})
    assert until["scores"] == some["scores"]


def test_mislabeled_rows_have_the_highest_self_influence(
    client: TestClient, a_dataset: Callable[[Json], str], train: Train
) -> None:
    """Two clouds of points, of whose 80 labels five are exchanged."""
    generator = np.random.default_rng(0)
    labels = np.arange(80) % 2
    points = generator.normal(size=(80, 2)) + 4.0 * labels[:, None]
    wrong = sorted(generator.choice(80, 5, replace=False).tolist())
    labels[wrong] = 1 - labels[wrong]
    rows = [
        {"a": float(a), "b": float(b), "label": "yes" if label else "no"}
        for (a, b), label in zip(points, labels, strict=True)
    ]
    train(
        name="clouds",
        dataset=a_dataset({"name": "clouds", "rows": rows}),
        target="label",
        split={"validation": 0.0},
        network={"layers": [{"op": "dense", "units": 4}, {"op": "tanh"}, {"op": "dense"}]},
        optimizer={"kind": "sgd", "learning_rate": 0.1},
        epochs=10,
        batch_size=8,
    )
    body = {
        "subject": {"model": "clouds"},
        "batch": {"split": "training", "rows": [0, 80]},
        "method": "self_influence",
        "most": 5,
    }
    answer = ask(client, body)
    assert sorted(one["dataset_row"] for one in answer["highest"]) == wrong
    assert len(answer["self_influence"]) == 80


MISTAKES: list[tuple[Json, str]] = [
    ({"mode": "training"}, "/mode"),
    ({"include": ["params"]}, "/include"),
    ({"explain": None}, "/explain"),
    ({"explain": {"inputs": {"x": [[1.0, 2.0]]}}}, "/explain/inputs/x"),
    ({"explain": {"inputs": {"x": [[1.0, 2.0, 3.0]]}}}, "/explain"),
    ({"explain": {"batch": {"split": "test", "rows": [0, 1]}}}, "/explain/batch"),
    ({"method": "self_influence"}, "/explain"),
    ({"method": "influence_function"}, "/checkpoints"),
    ({"learning_rates": [0.1]}, "/learning_rates"),
    ({"epochs": [1]}, "/epochs"),
    ({"targets": None}, "/targets"),
    ({"checkpoints": [{"first": {"W": [[1.0]]}}], "learning_rates": [1.0]}, "/checkpoints/0/first/W"),
    ({"checkpoints": [{"first": {"V": [[1.0]]}}], "learning_rates": [1.0]}, "/checkpoints/0/first/V"),
    ({"damping": -1}, "/damping"),
    ({"damping": 0.1}, "/damping"),
    ({"most": 0}, "/most"),
]


def test_mistakes_are_named_by_their_place(client: TestClient, iris: Json) -> None:
    """In one test, since a server for each mistake would take longer than its answer."""
    unnamed = [
        (change, found) for change, pointer in MISTAKES if pointer not in (found := mistakes(client, traced() | change))
    ]
    assert unnamed == []
    batch = {"split": "training", "rows": [0, 2]}
    of_model: Json = {"subject": {"model": "iris"}, "batch": batch, "method": "self_influence"}
    assert "/epochs" in mistakes(client, of_model | {"epochs": [1000]})
    assert "/learning_rates" in mistakes(client, of_model | {"learning_rates": [1.0]})
    assert client.delete(f"/v1/jobs/{iris['id']}").status_code == 204
    assert "no checkpoint" in mistakes(client, of_model)["/subject/model"]


def test_a_hessian_too_large_to_be_made_is_refused(client: TestClient) -> None:
    network = {"layers": [{"op": "dense", "units": 700}, {"op": "dense", "units": 1}], "losses": [{"kind": "mse"}]}
    example = {"inputs": {"x": [[1.0, 2.0]]}, "targets": {"y": [[1.0]]}}
    body = {"subject": {"network": network}, **example, "explain": example, "method": "influence_function"}
    assert "2,801" in mistakes(client, body)["/method"]


def test_asking_for_reasons_changes_no_stored_byte(client: TestClient, iris: Json, database: Database) -> None:
    def everything() -> dict[str, list[Any]]:
        with database.reading() as session:
            return {
                table.name: sorted(map(repr, session.execute(table.select()))) for table in Base.metadata.sorted_tables
            }

    before = everything()
    body: Json = {"subject": {"model": "iris"}, "batch": {"split": "training", "rows": [0, 5]}}
    ask(client, body | {"method": "self_influence"})
    ask(client, body, "attribution")
    ask(client, body | {"along": {"kind": "plane", "directions": "trajectory"}}, "landscape")
    assert everything() == before
