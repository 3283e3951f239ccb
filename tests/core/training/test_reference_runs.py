"""Whole runs of training_runs.json: every step's loss, both curves and the final parameters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.graph.build import Surroundings, build
from core.network import InputSpec, Network
from core.training.events import Ended, EpochEnded
from core.training.examples import Examples
from core.training.run import Run
from core.training.spec import TrainingSpec
from core.weights import named_tensors

REFERENCE = json.loads((Path(__file__).parents[2] / "reference" / "training_runs.json").read_text())
RUNS = REFERENCE["runs"]


def a_run(case: dict[str, Any], dtype: str) -> Run:
    nodes = [
        {name: value for name, value in node.items() if name != "attrs"} | node.get("attrs", {})
        for node in case["nodes"]
    ]
    network = Network.model_validate({"nodes": nodes, "losses": case["loss"]["terms"]})
    graph = build(network, Surroundings(inputs={"x": InputSpec(shape=[2])}))
    optimizer = {name: value for name, value in case["optimizer"].items() if name not in ("name", "lr")}
    spec = TrainingSpec.model_validate(
        {
            "optimizer": {"kind": case["optimizer"]["name"], "learning_rate": case["optimizer"]["lr"], **optimizer},
            "batch_size": case["batch_size"],
            "epochs": case["epochs"],
            "shuffle": False,
            "dtype": dtype,
        }
    )
    training, validation = (
        Examples({"x": np.array(case[f"x_{part}"])}, {"y": np.array(case[f"y_{part}"])}) for part in ("train", "val")
    )
    return Run(graph, spec, training, validation)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 5e-5)])
@pytest.mark.parametrize("case", RUNS, ids=[f"{run['name']}-batch{run['batch_size']}" for run in RUNS])
def test_a_whole_run_gives_the_reference_curves_and_parameters(
    case: dict[str, Any], dtype: str, tolerance: float
) -> None:
    run = a_run(case, dtype)
    *epochs, end = run.events()
    assert isinstance(end, Ended) and end.reason == "max_epochs"
    for expected, epoch in zip(case["history"], epochs, strict=True):
        assert isinstance(epoch, EpochEnded)
        assert epoch.training["loss"] == pytest.approx(expected["mean_of_samples_during_epoch"], rel=tolerance)
        assert epoch.validation["loss"] == pytest.approx(expected["validation_loss_after_epoch"], rel=tolerance)
    tensors = named_tensors(run.graph, run.parameters)
    expected = {f"{node}.{name}": values for node, named in case["final"].items() for name, values in named.items()}
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(tensors[name], values, rtol=0, atol=tolerance * np.abs(values).max())


def test_the_reference_has_four_runs() -> None:
    assert len(RUNS) == 4
