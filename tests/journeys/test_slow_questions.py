"""A question that takes long: killed it is asked again from the start, and cancelled it ends at once."""

import os
import signal
import time
from typing import Any

from tests.journeys.running import Service, until

LATER = {"Prefer": "respond-async"}


def a_slow_question(width: int, rows: int) -> dict[str, Any]:
    """A gradient check of some seconds, in which single products of matrices take long."""
    hidden = {"op": "dense", "units": width}
    layers: list[dict[str, Any]] = [hidden, {"op": "tanh"}, hidden, {"op": "tanh"}, {"op": "dense", "units": 1}]
    inputs = [[(row * 7 + column * 3) % 11 / 11 for column in range(4)] for row in range(rows)]
    return {
        "subject": {
            "network": {
                "inputs": {"x": {"shape": [4]}},
                "nodes": [
                    {"id": f"n{index}", "inputs": [f"n{index - 1}" if index else "x"], **layer}
                    for index, layer in enumerate(layers)
                ],
                "losses": [{"kind": "mse", "input": "n4", "target": "t"}],
            }
        },
        "inputs": {"x": inputs},
        "targets": {"t": [[row[0]] for row in inputs]},
    }


def ask(service: Service, question: dict[str, Any]) -> str:
    answer = service.http.post("/v1/inspect/gradient-check", json=question, headers=LATER)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_question_whose_worker_is_killed_is_answered_all_the_same(service: Service) -> None:
    job = ask(service, a_slow_question(300, 150))
    (runner,) = until(lambda: service.runners, "somebody answers")
    service.in_state(job, "running")
    os.kill(runner, signal.SIGKILL)
    over = service.finished(job)
    assert (over["state"], over["attempt"], over["stop_reason"]) == ("succeeded", 2, "answered")
    assert "SIGKILL" in over["state_history"][2]["reason"]
    found = service.get(over["result"]["answer"])
    assert found["passed"] is True
    assert len(service.http.get(over["result"]["answer"]).content) == over["result"]["bytes"]


def test_a_question_is_cancelled_while_it_is_being_answered_and_frees_its_worker(service: Service) -> None:
    job = ask(service, a_slow_question(600, 400))
    (runner,) = until(lambda: service.runners, "somebody answers")
    service.in_state(job, "running")
    asked = time.monotonic()
    service.post(f"/v1/jobs/{job}/cancel")
    over = service.finished(job)
    assert (over["state"], over["stop_reason"], over["result"]) == ("cancelled", "cancelled_by_user", None)
    until(lambda: runner not in service.runners, "the runner is gone")
    # It hears of it within a heartbeat, a quarter of a second; the answer would take longer than this by far.
    assert time.monotonic() - asked < 5
    assert service.http.get(f"/v1/jobs/{job}/answer").status_code == 404
    assert service.finished(ask(service, a_slow_question(8, 4)))["state"] == "succeeded"
