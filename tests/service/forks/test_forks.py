"""`/v1/jobs/{id}/fork`: what a run takes along when it leaves another one."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.kit import blobs
from service.kit.database import Database
from service.kit.features import load_tables

Json = dict[str, Any]
RunNext = Callable[[], None]

LAYERS: list[Json] = [
    {"op": "dense", "id": "h", "units": 8},
    {"op": "tanh"},
    {"op": "dropout", "id": "drop", "p": 0.2},
    {"op": "dense", "id": "o"},
]


@pytest.fixture
def parent(a_dataset: Callable[[Json], str], train: Callable[..., Json]) -> Json:
    """A run of 12 epochs with all that has a memory, whose best epoch is the last and whose checkpoints are kept."""
    return train(
        name="parent",
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        network={"layers": LAYERS},
        optimizer={"kind": "adam", "learning_rate": 0.02},
        schedule={"kind": "reduce_on_plateau", "patience": 1, "threshold": 0.2},
        early_stopping={"monitor": "validation.loss", "patience": 8},
        batch_size=16,
        epochs=12,
        seed=3,
        checkpoints={"every_epochs": 1, "keep": 20},
    )


def fork(client: TestClient, job: Json, epoch: int | str, **changes: Any) -> Json:
    answer = client.post(f"/v1/jobs/{job['id']}/fork", json={"epoch": epoch, "changes": changes})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{made['id']}"
    return made


def refused(client: TestClient, job: Json, epoch: int | str, **changes: Any) -> list[Json]:
    answer = client.post(f"/v1/jobs/{job['id']}/fork", json={"epoch": epoch, "changes": changes})
    assert answer.status_code == 422, answer.text
    errors: list[Json] = answer.json()["errors"]
    return errors


def digests(client: TestClient, job: str) -> dict[int, tuple[str, str]]:
    kept = client.get(f"/v1/jobs/{job}/checkpoints").json()["data"]
    return {row["epoch"]: (row["weights_sha256"], row["memory_sha256"]) for row in kept}


def parts(forked: Json, kind: str) -> dict[str, str]:
    return {part["what"]: part["reason"] for part in forked["fork"][kind]}


def test_a_fork_without_changes_has_the_bits_of_its_parent(client: TestClient, parent: Json, run_next: RunNext) -> None:
    made = fork(client, parent, 5)
    assert made["fork"]["from"] == f"{parent['id']}@5"
    assert (made["fork"]["changes"], made["fork"]["reset"]) == ([], [])
    assert (made["state"], made["progress"]["epoch"], made["progress"]["epochs"]) == ("queued", 5, 12)
    assert made["spec"] == parent["spec"]
    assert made["notes"][-1] == f"Goes on from {parent['id']}@5."
    told = client.get(f"/v1/jobs/{made['id']}/events", headers={"Accept": "application/json"}).json()["data"]
    assert [(event["event"], event["data"].get("epoch")) for event in told] == [("state", None), ("checkpoint", 5)]
    run_next()
    over = client.get(f"/v1/jobs/{made['id']}").json()
    assert (over["state"], over["stop_reason"], over["progress"]["step"]) == (
        "succeeded",
        parent["stop_reason"],
        parent["progress"]["step"],
    )
    expected = {epoch: both for epoch, both in digests(client, parent["id"]).items() if epoch >= 5}
    assert digests(client, made["id"]) == expected
    assert len(expected) == 8
    was, curves = (client.get(f"/v1/jobs/{job}/epochs").json() for job in (parent["id"], made["id"]))
    assert curves["epoch"] == list(range(6, 13))
    assert all(curves["validation"][name] == was["validation"][name][5:] for name in ("loss", "accuracy"))
    assert (curves["learning_rate"], curves["step"]) == (was["learning_rate"][5:], was["step"][5:])
    models = [client.get(f"/v1/models/parent@{version}").json()["weights_sha256"] for version in (1, 2)]
    assert models[0] == models[1]


def test_a_fork_lives_on_when_its_parent_is_deleted(
    client: TestClient, parent: Json, run_next: RunNext, database: Database
) -> None:
    load_tables()
    made = fork(client, parent, 3)
    expected = digests(client, parent["id"])[12]
    assert client.delete(f"/v1/jobs/{parent['id']}").status_code == 204
    with database.writing() as session:
        assert blobs.collect_unreferenced(session) > 0
    run_next()
    assert digests(client, made["id"])[12] == expected
    assert client.get(f"/v1/jobs/{made['id']}/fork").json() == made["fork"]


def test_where_a_job_was_forked_is_told_later_and_of_another_job_is_not(client: TestClient, parent: Json) -> None:
    made = fork(client, parent, "best", epochs=20)
    best = parent["progress"]["best_epoch"]
    assert client.get(f"/v1/jobs/{made['id']}/fork").json()["from"] == f"{parent['id']}@{best}"
    assert client.get(f"/v1/jobs/{parent['id']}/fork").json()["code"] == "fork_not_found"
    assert "fork" not in client.get(f"/v1/jobs/{made['id']}").json()


EVERYTHING = {"weights", "optimizer", "schedule", "early_stopping", "randomness", "split", "preparation"}

CHANGES: list[tuple[Json, set[str]]] = [
    ({"epochs": 20}, set()),
    ({"optimizer": {"kind": "adam", "learning_rate": 1e-4}}, set()),
    ({"optimizer": {"kind": "sgd", "momentum": 0.9, "learning_rate": 0.01}}, {"optimizer"}),
    ({"optimizer": {"kind": "sgd", "learning_rate": 0.01}}, {"optimizer"}),
    ({"schedule": {"kind": "constant"}}, {"schedule"}),
    ({"early_stopping": {"patience": 3}}, {"early_stopping"}),
    ({"early_stopping": None}, {"early_stopping"}),
    ({"seed": 9}, {"randomness"}),
    ({"batch_size": 8}, {"randomness"}),
    ({"dtype": "float64"}, {"optimizer", "schedule", "early_stopping"}),
    ({"split": {"validation": 0.3}}, {"split", "randomness", "schedule", "early_stopping", "preparation"}),
    ({"preparation": "none"}, {"schedule", "early_stopping", "preparation"}),
    ({"penalties": [{"kind": "l2", "strength": 0.01}]}, set()),
    ({"labels": {"a": "b"}, "priority": 1, "name": "other"}, set()),
    ({"checkpoints": {"every_epochs": 5, "keep": 1}}, set()),
]


def test_every_change_is_declared_with_what_it_resets_and_the_run_goes_on(
    client: TestClient, parent: Json, run_next: RunNext
) -> None:
    """In one test, since a parent for each change would take longer than its forks."""
    before = digests(client, parent["id"])[6]
    for changes, reset in CHANGES:
        made = fork(client, parent, 6, **changes)
        assert {change["field"] for change in made["fork"]["changes"]} == changes.keys()
        assert set(parts(made, "reset")) == reset, changes
        assert set(parts(made, "kept")) == EVERYTHING - reset
        weights, memory = digests(client, made["id"])[6]
        assert (before[0] == weights) == ("dtype" not in changes)
        assert (before[1] == memory) == (not reset & {"optimizer", "schedule", "early_stopping"})
        assert made["progress"]["step"] == (0 if "optimizer" in reset else parent["progress"]["step"] // 2)
        assert (made["progress"]["best_epoch"] is None) == ("early_stopping" in reset)
        run_next()
        over = client.get(f"/v1/jobs/{made['id']}").json()
        assert (over["state"], over["progress"]["epoch"] > 6) == ("succeeded", True), changes
        # The start stays, as epoch 0 does of a run from the very start.
        assert 6 in digests(client, made["id"])


def test_a_changed_dropout_is_taken_and_other_tensors_are_named(client: TestClient, parent: Json) -> None:
    softer = [layer | {"p": 0.1} if layer["op"] == "dropout" else layer for layer in LAYERS]
    made = fork(client, parent, 6, network={"layers": softer})
    assert parts(made, "reset").keys() == {"schedule", "early_stopping"}
    wider = [layer | {"units": 9} if layer.get("id") == "h" else layer for layer in LAYERS]
    errors = refused(client, parent, 6, network={"layers": wider})
    assert {error["pointer"] for error in errors} == {"/changes/network"}
    assert [error["detail"].split()[0] for error in errors] == ["h.W", "h.b", "o.W"]
    assert "[4, 8]" in errors[0]["detail"] and "[4, 9]" in errors[0]["detail"]
    renamed = [layer | {"id": "g"} if layer.get("id") == "h" else layer for layer in LAYERS]
    details = [error["detail"] for error in refused(client, parent, 6, network={"layers": renamed})]
    assert [detail.split()[0] for detail in details] == ["g.W", "g.b", "h.W", "h.b"]


def test_mistakes_are_named_by_their_place(client: TestClient, parent: Json) -> None:
    (error,) = refused(client, parent, 99)
    assert (error["pointer"], error["allowed"], error["got"]) == ("/epoch", list(range(13)), 99)
    assert refused(client, parent, "last")[0]["pointer"] == "/changes/epochs"
    assert refused(client, parent, 6, epochs=6)[0]["pointer"] == "/changes/epochs"
    assert refused(client, parent, 6, colour="red")[0]["pointer"] == "/changes/colour"
    assert refused(client, parent, 6, target="kind")[0]["pointer"] == "/changes/target"
    assert refused(client, parent, 6, kind="learning_rate_range")[0]["pointer"].startswith("/changes/")
    assert refused(client, parent, 6, limits={"seconds": 10**8})[0]["pointer"] == "/changes/limits/seconds"
    assert refused(client, parent, "first")[0]["pointer"].startswith("/epoch")
    assert client.delete(f"/v1/datasets/{parent['dataset']}").status_code == 204
    assert refused(client, parent, 6)[0]["pointer"] == "/changes/dataset"


def test_a_run_that_had_stopped_early_goes_on_only_with_another_rule(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json], run_next: RunNext
) -> None:
    job = train(
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        optimizer={"kind": "sgd", "learning_rate": 0.5},
        early_stopping={"patience": 2},
        epochs=500,
        batch_size=8,
        checkpoints={"every_epochs": 1, "keep": 1},
    )
    assert job["stop_reason"] == "early_stopping"
    (error,) = refused(client, job, "last")
    assert error["pointer"] == "/changes/early_stopping"
    made = fork(client, job, "last", early_stopping=None, epochs=job["progress"]["epoch"] + 2)
    run_next()
    over = client.get(f"/v1/jobs/{made['id']}").json()
    assert (over["state"], over["progress"]["epoch"]) == ("succeeded", job["progress"]["epoch"] + 2)
    assert over["progress"]["best_epoch"] > job["progress"]["epoch"]


def test_the_best_epoch_is_forgotten_where_its_weights_are_not_kept(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json], run_next: RunNext
) -> None:
    """With a rate of 4 the loss goes up and down: the best epoch up to the 9th is none of those that are kept."""
    job = train(
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        network={"layers": LAYERS},
        optimizer={"kind": "sgd", "learning_rate": 4.0},
        early_stopping={"patience": 100},
        epochs=30,
        batch_size=8,
        checkpoints={"every_epochs": 9, "keep": 9},
    )
    losses = client.get(f"/v1/jobs/{job['id']}/epochs").json()["validation"]["loss"]
    epoch = next(one for one in (9, 18, 27) if losses.index(min(losses[:one])) + 1 not in digests(client, job["id"]))
    unchanged, made = fork(client, job, epoch), fork(client, job, epoch, seed=5)
    assert unchanged["fork"]["reset"] == []
    assert parts(made, "reset").keys() == {"early_stopping", "randomness"}
    assert "no longer kept" in parts(made, "reset")["early_stopping"]
    run_next()
    later = {one: both for one, both in digests(client, job["id"]).items() if one > epoch}
    assert later.items() <= digests(client, unchanged["id"]).items()


def test_only_a_job_that_trains_is_forked_and_a_retry_forks_once(client: TestClient, parent: Json) -> None:
    asked = {"dataset": parent["dataset"], "target": "species", "kind": "learning_rate_range"}
    test = client.post("/v1/jobs", json=asked).json()
    answer = client.post(f"/v1/jobs/{test['id']}/fork", json={"epoch": 0})
    assert (answer.status_code, answer.json()["kind"]) == (409, "learning_rate_range")
    headers = {"Idempotency-Key": "k"}
    first, second = (client.post(f"/v1/jobs/{parent['id']}/fork", json={"epoch": 2}, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert first.json()["state"] == "queued"
