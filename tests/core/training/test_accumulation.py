"""Gradient accumulation: several batches before an update are one batch of all their rows."""

from typing import Any

import numpy as np
import pytest

from core.graph.build import Surroundings, build
from core.network import InputSpec, Network
from core.training.events import EpochEnded
from core.training.examples import Examples
from core.training.run import Run
from core.training.spec import TrainingSpec

ROWS = 50
LOSSES: dict[str, Any] = {
    "cross_entropy": {"kind": "cross_entropy", "label_smoothing": 0.1},
    "multi_margin": {"kind": "multi_margin"},
    "mse": {"kind": "mse", "sample_weight": "w"},
    "gaussian_nll": {"kind": "gaussian_nll"},
}


def a_run(loss: str = "cross_entropy", dropout: float = 0.0, **spec: Any) -> Run:
    """50 rows, three outputs or as many as the loss needs for two targets."""
    description = LOSSES[loss]
    is_class = loss in {"cross_entropy", "multi_margin"}
    units = 3 if is_class else {"mse": 2, "gaussian_nll": 4}[loss]
    layers = [
        {"op": "dense", "units": 5},
        {"op": "tanh"},
        *([{"op": "dropout", "p": dropout}] if dropout else []),
        {"op": "dense", "units": units},
    ]
    penalties = [{"kind": "l2", "strength": 0.01}, {"kind": "l1", "strength": 0.001}]
    network = Network.model_validate({"layers": layers, "losses": [description], "penalties": penalties})
    graph = build(network, Surroundings(inputs={"x": InputSpec(shape=[4])}))
    generator = np.random.default_rng(0)
    x = generator.normal(size=(ROWS, 4))
    y = generator.integers(0, 3, ROWS) if is_class else generator.normal(size=(ROWS, 2))
    weights = {0: generator.uniform(0.5, 2, ROWS)} if "sample_weight" in description else {}
    settings = {"optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9}, "epochs": 4, "dtype": "float64"}
    return Run(graph, TrainingSpec.model_validate(settings | spec), Examples({"x": x}, {"y": y}, weights))


def epochs_of(run: Run) -> list[EpochEnded]:
    return [event for event in run.events() if isinstance(event, EpochEnded)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"clip": {"norm": 0.05}},
        {"clip": {"value": 0.01}},
        {"shuffle": False},
        {"optimizer": {"kind": "adam", "learning_rate": 0.01}},
    ],
    ids=str,
)
@pytest.mark.parametrize(("size", "together"), [(7, 3), (1, 21)])
def test_several_batches_are_one_large_batch(loss: str, changes: dict[str, Any], size: int, together: int) -> None:
    """Of 50 rows in groups of 21 the last group has 8, which with batches of 7 are 7 and 1."""
    large = a_run(loss, batch_size=21, **changes)
    small = a_run(loss, batch_size=size, batches_per_update=together, **changes)
    for wanted, found in zip(epochs_of(large), epochs_of(small), strict=True):
        assert found.step == wanted.step == 3 * found.epoch
        assert found.training["loss"] == pytest.approx(wanted.training["loss"], rel=1e-12)
        assert found.training["penalty"] == pytest.approx(wanted.training["penalty"], rel=1e-12)
        assert found.gradient_norm == pytest.approx(wanted.gradient_norm, rel=1e-12)
    np.testing.assert_allclose(small.parameters, large.parameters, rtol=1e-10, atol=1e-13)


def test_more_batches_than_there_are_make_one_update_an_epoch() -> None:
    full, small = a_run(batch_size="full"), a_run(batch_size=7, batches_per_update=100)
    assert [epoch.step for epoch in epochs_of(small)] == [epoch.step for epoch in epochs_of(full)] == [1, 2, 3, 4]
    np.testing.assert_allclose(small.parameters, full.parameters, rtol=1e-10)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_run_that_accumulates_resumes_to_the_same_bits(optimizer: str) -> None:
    spec: dict[str, Any] = {
        "batch_size": 7, "batches_per_update": 3, "dtype": "float32", "dropout": 0.3,
        "optimizer": {"kind": optimizer, "learning_rate": 0.01}, "clip": {"norm": 0.3}, "max_norm": 0.9,
    }  # fmt: skip
    undisturbed, first, resumed = a_run(**spec), a_run(**spec), a_run(**spec)
    events = epochs_of(undisturbed)
    beginning = first.events()
    next(beginning), next(beginning)
    resumed.restore(first.checkpoint())
    again = epochs_of(resumed)
    assert resumed.checkpoint() == undisturbed.checkpoint()
    assert [(one.training, one.step) for one in again] == [(one.training, one.step) for one in events[2:]]


def test_a_run_that_diverges_names_the_update_it_was_in() -> None:
    """The first update of a huge rate spoils the weights, which the second sees."""
    run = a_run("mse", batch_size=7, batches_per_update=3, optimizer={"kind": "sgd", "learning_rate": 1e200})
    *_, end = run.events()
    assert (end.reason, end.step) == ("diverged", 2)  # type: ignore[union-attr]  # the last event is the end
