"""Jobs that are worth watching: epochs of some 20 to 50 ms, with everything random in them."""

from typing import Any

from tests.journeys.running import Service


def a_dataset(service: Service) -> str:
    """Two moons with noise."""
    made = service.post("/v1/datasets", {"sample": "moons", "rows": 4000, "noise": 0.2, "seed": 1})
    return str(made["id"])


def a_job(service: Service, dataset: str, *, epochs: int, **changes: Any) -> str:
    """Post a job with dropout, momentum, shuffling and a best epoch; its id."""
    asked = {
        "dataset": dataset,
        "target": "class",
        "network": {
            "layers": [
                {"op": "dense", "units": 32},
                {"op": "relu"},
                {"op": "dropout", "p": 0.2},
                {"op": "dense", "units": 32},
                {"op": "tanh"},
                {"op": "dense"},
            ]
        },
        "optimizer": {"kind": "adam", "learning_rate": 0.003},
        "schedule": {"kind": "cosine", "total_epochs": epochs},
        "batch_size": 2,
        "epochs": epochs,
        "seed": 7,
        "checkpoints": {"every_epochs": 1, "keep": 3},
        **changes,
    }
    return str(service.post("/v1/jobs", asked)["id"])
