"""Runs over all kinds there are, and the digests of what they end with, which have to be the same in every process.

`python -m tests.determinism FOLDER` trains, keeps the state after the second epoch of each run in the folder, and
prints the digests at the end as JSON; with `--resume` it goes on from the states in the folder instead.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Array, Shape
from core.data.samples import draw_sample
from core.experiment import Experiment, ExperimentSpec, resolve
from core.graph.build import build
from core.graph.graph import Graph
from core.initializers import INITIALIZERS
from core.loss import Loss
from core.losses import LOSSES
from core.network import Network
from core.op import Op
from core.ops import OPS
from core.optimizers import OPTIMIZERS
from core.training.checkpoint import Checkpoint
from core.training.events import EpochEnded
from core.training.examples import Examples
from core.training.range_test import RangeTest
from core.training.run import Run
from core.training.spec import TrainingSpec
from tests.reference_networks import cases, request_of

STOP = 2
Case = dict[str, Any]


def runs() -> Iterator[tuple[str, Run | RangeTest]]:
    """A run for every reference network, and for every op, loss, optimizer and initializer that none of them has; and
    a range test."""
    for case in cases():
        yield f"network {case['name']}", _of_case(case)
    for kind in sorted(OPS.keys() - {node["op"] for case in cases() for node in case["nodes"]}):
        yield f"op {kind}", _of_op(*OPS[kind].examples()[0])
    for kind in sorted(LOSSES.keys() - {term["kind"] for case in cases() for term in case["loss"]["terms"]}):
        yield f"loss {kind}", _of_loss(*LOSSES[kind].examples(np.random.default_rng(5))[0])
    for kind in OPTIMIZERS:
        yield f"optimizer {kind}", _of_spec(optimizer={"kind": kind}).run()
    for kind, initializer in INITIALIZERS.items():
        if not any(field.is_required() for field in initializer.model_fields.values()):
            yield f"initializer {kind}", _of_spec(init={"kind": kind}).run()
    yield "range test", _of_spec(learning_rate_range={"steps": 12}, epochs=None).range_test()


def _of_case(case: Case) -> Run:
    asked = request_of(case)
    graph = build(Network.model_validate(asked["subject"]["network"]))
    inputs = {name: np.asarray(value) for name, value in asked["inputs"].items()}
    targets = {name: np.asarray(value) for name, value in asked["targets"].items()}
    return _of_network(graph, inputs, targets)


def _of_op(op: Op, shapes: Sequence[Shape]) -> Run:
    """Its first example, and a dense layer on its output."""
    generator = np.random.default_rng(5)
    inputs = {f"x{index}": generator.normal(size=(6, *shape)) for index, shape in enumerate(shapes)}
    nodes = [
        {**op.model_dump(exclude_unset=True), "op": op.op, "id": "op", "inputs": [*inputs]},
        {"id": "flat", "op": "flatten", "inputs": ["op"]},
        {"id": "y", "op": "dense", "units": 2, "inputs": ["flat"]},
    ]
    losses = [{"kind": "mse", "input": "y", "target": "t"}]
    return _of_network(_graph(inputs, nodes, losses), inputs, {"t": generator.normal(size=(6, 2))})


def _of_loss(loss: Loss, outputs: Array, targets: Array) -> Run:
    """Its first example, on the output of a dense layer."""
    nodes = [{"id": "y", "op": "dense", "units": outputs.shape[-1], "inputs": ["x"]}]
    losses = [{**loss.model_dump(exclude_unset=True), "kind": loss.kind, "input": "y", "target": "t"}]
    return _of_network(_graph({"x": outputs}, nodes, losses), {"x": outputs}, {"t": targets})


def _graph(inputs: dict[str, Array], nodes: list[Case], losses: list[Case]) -> Graph:
    shapes = {name: {"shape": list(values.shape[1:])} for name, values in inputs.items()}
    return build(Network.model_validate({"inputs": shapes, "nodes": nodes, "losses": losses}))


def _of_network(graph: Graph, inputs: dict[str, Array], targets: dict[str, Array]) -> Run:
    weights = {
        index: np.asarray(loss.sample_weight)
        for index, loss in enumerate(graph.losses)
        if loss.sample_weight is not None
    }
    # A rate so small that no reference network leaves the numbers.
    optimizer = {"kind": "adam", "learning_rate": 1e-5}
    spec = TrainingSpec.model_validate({"batch_size": "full", "epochs": 4, "seed": 5, "optimizer": optimizer})
    return Run(graph, spec, Examples(inputs, targets, weights))


def _of_spec(init: dict[str, Any] | None = None, **members: Any) -> Experiment:
    layers = [{"op": "dense", "units": 6, **({"init": init} if init else {})}, {"op": "dropout", "p": 0.3}]
    asked = {
        "target": "class",
        "network": {"layers": [*layers, {"op": "tanh"}, {"op": "dense"}]},
        "epochs": 4,
        **members,
    }
    return resolve(ExperimentSpec.model_validate(asked), draw_sample("moons", rows=100))


def digest_of(run: Run | RangeTest, file: Path, *, resume: bool) -> str:
    """Train to the end, or from the state in the file on; the digest of all that the run then is."""
    if resume:
        with np.load(file) as kept:
            weights, memory = kept["weights"].tobytes(), kept["memory"].tobytes()
            run.restore(Checkpoint(STOP, int(kept["step"]), weights, memory))
    for event in run.events():
        if isinstance(event, EpochEnded) and event.epoch == STOP:
            _keep(run.checkpoint(), file)
    end = run.checkpoint()
    return hashlib.sha256(end.weights + end.memory).hexdigest()


def _keep(checkpoint: Checkpoint, file: Path) -> None:
    tensors = {name: np.frombuffer(getattr(checkpoint, name), np.uint8) for name in ("weights", "memory")}
    np.savez(file, allow_pickle=False, step=checkpoint.step, **tensors)


def main(folder: Path, *, resume: bool) -> None:
    """Print the digests of all runs."""
    found = {name: digest_of(run, folder / f"{index}.npz", resume=resume) for index, (name, run) in enumerate(runs())}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), resume="--resume" in sys.argv)
