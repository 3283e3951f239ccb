"""The memory of a run is told before it runs, and is what is then measured."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from core.graph.build import Surroundings, build
from core.network import InputSpec, Network
from core.training.examples import Examples
from core.training.memory import memory_of
from core.training.run import Run
from core.training.spec import TrainingSpec

WIDE: list[dict[str, Any]] = [{"op": "dense", "units": 300}, {"op": "relu"}, {"op": "dense", "units": 10}]
DEEP = [*([{"op": "dense", "units": 40}, {"op": "gelu"}, {"op": "dropout"}] * 12), WIDE[-1]]


@pytest.mark.parametrize(
    ("layers", "rows", "spec"),
    [
        (WIDE, 20_000, {"batch_size": 128}),
        (WIDE, 3_000, {"batch_size": "full", "optimizer": {"kind": "sgd"}}),
        (WIDE, 500, {"batch_size": 32, "dtype": "float64"}),
        (DEEP, 2_000, {"batch_size": 512}),
        (DEEP, 40_000, {"batch_size": 64, "optimizer": {"kind": "adam", "amsgrad": True}}),
    ],
)
@pytest.mark.parametrize("validation_rows", [0, 400])
def test_a_run_takes_the_memory_that_was_told(
    layers: list[dict[str, Any]], rows: int, spec: dict[str, Any], validation_rows: int
) -> None:
    network = Network.model_validate({"layers": layers, "losses": [{"kind": "cross_entropy"}]})
    graph = build(network, Surroundings(inputs={"x": InputSpec(shape=[120])}))
    training = TrainingSpec.model_validate({"epochs": 2, **spec})
    told = memory_of(
        graph,
        training.optimizer,
        rows=rows,
        validation_rows=validation_rows,
        batch_size=training.batch_size,
        dtype=training.dtype,
    )
    tracemalloc.start()
    try:
        splits = [examples(count, training.dtype) for count in (rows, validation_rows)]
        list(Run(graph, training, splits[0], splits[1] if validation_rows else None).events())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak == pytest.approx(told.total, rel=0.1)


def examples(rows: int, dtype: str) -> Examples:
    return Examples({"x": np.zeros((rows, 120), dtype)}, {"y": np.zeros(rows, np.int64)})
