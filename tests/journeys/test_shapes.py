"""A job on images in their shape, with two targets, from the upload of its arrays to its predictions."""

import io
from typing import Any

import numpy as np

from tests.journeys.running import Service, until

NETWORK: dict[str, Any] = {
    "inputs": {"image": {"shape": [1, 6, 6]}, "ids": {"shape": [3]}},
    "nodes": [
        {"id": "flat", "op": "flatten", "inputs": ["image"]},
        {"id": "both", "op": "concat", "inputs": ["flat", "ids"]},
        {"id": "h", "op": "dense", "inputs": ["both"], "units": 16},
        {"id": "a", "op": "tanh", "inputs": ["h"]},
        {"id": "side", "op": "dense", "inputs": ["a"]},
        {"id": "light", "op": "dense", "inputs": ["a"]},
    ],
    "losses": [
        {"kind": "cross_entropy", "input": "side", "target": "side"},
        {"kind": "mse", "input": "light", "target": "light"},
    ],
}


def arrays() -> dict[str, Any]:
    """Images of 6 × 6 of which one half is brighter; whether it is the left one; and how bright the image is."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 100, (400, 6, 6)).astype(np.uint8)
    is_left = generator.integers(0, 2, 400)
    images[is_left == 1, :, :3] += 100
    images[is_left == 0, :, 3:] += 100
    light = images.mean(axis=(1, 2))
    return {"image": images, "ids": generator.integers(0, 9, (400, 3)), "side": is_left, "light": light}


def test_images_and_two_targets_are_uploaded_learned_paused_resumed_and_predicted(service: Service) -> None:
    packed, given = io.BytesIO(), arrays()
    np.savez(packed, allow_pickle=False, **given)
    answer = service.http.post("/v1/datasets", files={"file": ("halves.npz", packed.getvalue())})
    assert answer.status_code == 201, answer.text
    dataset = answer.json()
    assert [(group["name"], group["shape"]) for group in dataset["groups"]] == [("image", [6, 6]), ("ids", [3])]
    asked = {
        "name": "halves", "dataset": dataset["id"], "target": {"side": "side", "light": "light"},
        "features": {"image": ["image"], "ids": ["ids"]}, "network": NETWORK, "epochs": 60, "batch_size": 20,
    }  # fmt: skip
    undisturbed = service.post("/v1/jobs", asked)["id"]
    assert service.finished(undisturbed)["state"] == "succeeded"

    job = service.post("/v1/jobs", {**asked, "epochs": 100_000})["id"]
    service.reached(job, 3)
    service.post(f"/v1/jobs/{job}/pause")
    service.in_state(job, "paused")
    until(lambda: not service.runners, "the runner of the paused job is gone")
    service.post(f"/v1/jobs/{job}/resume")
    service.reached(job, 60)
    service.post(f"/v1/jobs/{job}/cancel")
    service.finished(job)
    curves = [service.get(f"/v1/jobs/{one}/epochs")["training"] for one in (undisturbed, job)]
    assert curves[0]["loss"] == curves[1]["loss"][:60]
    assert curves[0]["light.rmse"] == curves[1]["light.rmse"][:60]

    inputs = {"image": given["image"][:5, None].tolist(), "ids": given["ids"][:5].tolist()}
    found = service.post("/v1/models/halves/predict", {"inputs": inputs})["predictions"]
    assert [one["side"] for one in found] == given["side"][:5].tolist()
    assert np.abs(np.array([one["light"] for one in found]) - given["light"][:5]).max() < 10
    measured = service.post("/v1/models/halves/evaluate", {"split": "validation"})["metrics"]
    assert measured["accuracy"] > 0.95
    assert measured["light.rmse"] < 5
