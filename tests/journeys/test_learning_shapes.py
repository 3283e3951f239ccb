"""Images and sequences over REST: a convolutional network and an LSTM reach the scores that the README states."""

from tests.journeys.running import Service

CONVOLUTIONS = [
    {"op": "conv2d", "filters": 16, "kernel": 3, "padding": 1},
    {"op": "relu"},
    {"op": "max_pool2d", "kernel": 2},
    {"op": "conv2d", "filters": 32, "kernel": 3, "padding": 1},
    {"op": "relu"},
    {"op": "max_pool2d", "kernel": 2},
    {"op": "flatten"},
    {"op": "dense"},
]
RECURRENT = [{"op": "lstm", "units": 32}, {"op": "select", "axis": 1, "index": -1}, {"op": "dense"}]

VARIANCE_OF_SUMS = 1 / 6
"""What always guessing the mean of two uniform numbers' sum costs."""


def test_a_convolutional_network_learns_the_digits(service: Service) -> None:
    job = service.post(
        "/v1/jobs",
        {
            "dataset": service.post("/v1/datasets", {"sample": "digits"})["id"],
            "target": "digit",
            "features": ["image"],
            "network": {"layers": CONVOLUTIONS},
            "optimizer": {"kind": "adam", "learning_rate": 0.003},
            "epochs": 15,
            "split": {"validation": 0.1, "test": 0.2},
        },
    )
    over = service.finished(str(job["id"]))
    assert over["state"] == "succeeded"
    score = service.post(f"/v1/models/{over['model']}/evaluate", {"split": "test"})
    assert score["metrics"]["accuracy"] >= 0.97


def test_an_lstm_learns_to_add_two_marked_numbers(service: Service) -> None:
    job = service.post(
        "/v1/jobs",
        {
            "dataset": service.post("/v1/datasets", {"sample": "adding", "rows": 4000})["id"],
            "target": "sum",
            "features": ["sequence"],
            "network": {"layers": RECURRENT},
            "optimizer": {"kind": "adam", "learning_rate": 0.01},
            "clip": {"norm": 1.0},
            "batch_size": 32,
            "epochs": 15,
        },
    )
    over = service.finished(str(job["id"]))
    assert over["state"] == "succeeded"
    score = service.post(f"/v1/models/{over['model']}/evaluate", {"split": "validation"})
    assert score["metrics"]["rmse"] ** 2 < 0.01 < VARIANCE_OF_SUMS / 10
