"""What a job says about its training is what its run does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load
from starlette.testclient import TestClient

Json = dict[str, Any]


def test_a_job_counts_updates_and_keeps_its_weights_within_their_bound(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    """Of 120 irises in batches of 16, three together: updates of 48, 48 and 24 rows, so 3 an epoch."""
    job = train(
        name="bounded",
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        network={"layers": [{"op": "dense", "id": "h", "units": 8}, {"op": "relu"}, {"op": "dense", "id": "o"}]},
        optimizer={"kind": "adam", "learning_rate": 0.1},
        batch_size=16,
        batches_per_update=3,
        max_norm=0.5,
        epochs=12,
    )
    assert (job["state"], job["progress"]["epoch"], job["progress"]["step"]) == ("succeeded", 12, 36)
    assert (job["spec"]["batches_per_update"], job["spec"]["max_norm"]) == (3, 0.5)
    weights = load(client.get("/v1/models/bounded/export?format=safetensors").content)
    lengths = np.concatenate([np.linalg.norm(weights[name], axis=0) for name in ("h.W", "o.W")])
    assert lengths.max() == pytest.approx(0.5, rel=1e-6)


def test_a_job_shows_the_curve_its_schedule_watches_and_the_rates_that_came_of_it(
    client: TestClient, a_dataset: Callable[[Json], str], train: Callable[..., Json]
) -> None:
    job = train(
        dataset=a_dataset({"sample": "iris"}),
        target="species",
        optimizer={"kind": "lbfgs", "learning_rate": 0.5},
        schedule={"kind": "reduce_on_plateau", "patience": 1, "factor": 0.5, "threshold": 0.3},
        batch_size="full",
        epochs=20,
    )
    assert job["spec"]["schedule"]["monitor"] == "validation.loss"
    epochs = client.get(f"/v1/jobs/{job['id']}/epochs").json()
    best, waited, rate = float("inf"), 0, 0.5
    for loss, shown in zip(epochs["validation"]["loss"], epochs["learning_rate"], strict=True):
        assert shown == rate
        best, waited = (loss, 0) if loss < 0.7 * best else (best, waited + 1)
        rate, waited = (rate / 2, 0) if waited > 1 else (rate, waited)
    assert rate < 0.5
