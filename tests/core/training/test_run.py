"""A run can be stopped, stored and resumed with the bits of the undisturbed run, and says why it ends."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.graph.build import Surroundings, build
from core.network import InputSpec, Network
from core.optimizers import OPTIMIZERS
from core.training.events import Ended, EpochEnded
from core.training.examples import Examples
from core.training.run import Run
from core.training.spec import TrainingSpec
from core.weights import weights_from_bytes

LAYERS: list[dict[str, Any]] = [
    {"op": "dense", "units": 8},
    {"op": "batch_norm", "id": "norm"},
    {"op": "relu"},
    {"op": "dropout", "p": 0.3},
    {"op": "dense", "units": 3},
]


def examples(rows: int, seed: int) -> Examples:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((rows, 4))
    return Examples({"x": x}, {"y": (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)})


def a_run(layers: list[dict[str, Any]] | None = None, *, losses_in_steps: bool = False, **spec: Any) -> Run:
    losses = [{"kind": "cross_entropy"}]
    network = Network.model_validate(
        {"layers": layers or LAYERS, "losses": losses, "penalties": [{"kind": "l2", "strength": 1e-3}]}
    )
    graph = build(network, Surroundings(inputs={"x": InputSpec(shape=[4])}))
    settings = {"optimizer": {"kind": "adam", "learning_rate": 0.01}, "batch_size": 7, "epochs": 6} | spec
    told = TrainingSpec.model_validate(settings)
    return Run(graph, told, examples(50, 0), examples(20, 1), losses_in_steps=losses_in_steps)


def in_the_middle_after(run: Run, epoch: int) -> Callable[[], bool]:
    """Asks for a stop at the second question of the epoch after this one, which comes after its first update."""
    questions = [0]

    def should_stop() -> bool:
        questions[0] += run.epoch == epoch
        return questions[0] == 2

    return should_stop


def test_the_same_seed_gives_the_same_bits() -> None:
    runs = [a_run(seed=3), a_run(seed=3), a_run(seed=4)]
    weights = [(list(run.events()), run.final_weights())[1] for run in runs]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_stop_and_resume_gives_the_bits_of_the_undisturbed_run(kind: str) -> None:
    """Stopped in the middle of an epoch: that epoch is run again from its checkpoint, dropout and all."""
    spec: dict[str, Any] = {"optimizer": {"kind": kind, "learning_rate": 0.01}, "early_stopping": {"patience": 2}}
    undisturbed = a_run(**spec)
    events = list(undisturbed.events())
    stopped = a_run(**spec)
    interrupted = list(stopped.events(in_the_middle_after(stopped, 2)))
    assert isinstance(interrupted[-1], Ended) and interrupted[-1].reason == "interrupted"
    assert interrupted[-1].epoch == 2
    first = a_run(**spec)
    stored, best = None, None
    for event in first.events():
        if isinstance(event, EpochEnded) and event.is_best:
            best = first.checkpoint().weights
        if isinstance(event, EpochEnded) and event.epoch == 2:
            stored = first.checkpoint()
            break
    assert stored is not None
    resumed = a_run(**spec)
    resumed.restore(stored, best)
    again = list(resumed.events())
    assert resumed.final_weights() == undisturbed.final_weights()
    assert resumed.checkpoint() == undisturbed.checkpoint()
    for theirs, ours in zip(events[2:], again, strict=True):
        if isinstance(theirs, EpochEnded) and isinstance(ours, EpochEnded):
            assert (theirs.training, theirs.validation, theirs.step) == (ours.training, ours.validation, ours.step)


PLATEAU: dict[str, Any] = {"kind": "reduce_on_plateau", "factor": 0.5, "patience": 0, "threshold": 0.05}


def rates_of(run: Run) -> list[float]:
    return [event.learning_rate for event in run.events() if isinstance(event, EpochEnded)]


@pytest.mark.parametrize("monitor", [None, "validation.loss", "training.loss"])
def test_the_rate_falls_after_each_epoch_without_enough_improvement(monitor: str | None) -> None:
    run = a_run(epochs=12, schedule={**PLATEAU, "monitor": monitor})
    epochs = [event for event in run.events() if isinstance(event, EpochEnded)]
    losses = [(epoch.training if monitor == "training.loss" else epoch.validation)["loss"] for epoch in epochs]
    best, rate = math.inf, 0.01
    for epoch, loss in zip(epochs, losses, strict=True):
        assert epoch.learning_rate == rate
        rate, best = (rate, loss) if loss < 0.95 * best else (rate / 2, best)
    assert rate < 0.01 / 2


def test_without_validation_the_training_loss_is_watched() -> None:
    run = a_run(epochs=12, schedule=PLATEAU)
    graph, spec = run.graph, run.spec
    alone = Run(graph, spec, examples(50, 0))
    watching = Run(
        graph,
        spec.model_copy(update={"schedule": spec.schedule.model_copy(update={"monitor": "training.loss"})}),
        examples(50, 0),
    )
    assert rates_of(alone) == rates_of(watching)
    assert alone.checkpoint() == watching.checkpoint()


@pytest.mark.parametrize("epoch", [3, 6, 9])
def test_a_schedule_that_watches_goes_on_where_it_was(epoch: int) -> None:
    spec: dict[str, Any] = {
        "epochs": 12,
        "schedule": {"kind": "warmup", "epochs": 2, "then": {**PLATEAU, "cooldown": 1}},
    }
    undisturbed, first, resumed = a_run(**spec), a_run(**spec), a_run(**spec)
    rates = rates_of(undisturbed)
    events = first.events()
    for _ in range(epoch):
        next(events)
    resumed.restore(first.checkpoint())
    assert rates_of(resumed) == rates[epoch:]
    assert resumed.checkpoint() == undisturbed.checkpoint()
    assert len(set(rates[2:])) > 2


def test_a_run_whose_best_weights_are_not_at_hand_ends_with_trained_ones() -> None:
    """It goes on after its last epoch, so that nothing can be better: never with the weights before training."""
    spec: dict[str, Any] = {"early_stopping": {"patience": 5}, "epochs": 2}
    first, resumed = a_run(**spec), a_run(**spec)
    list(first.events())
    resumed.restore(first.checkpoint())
    assert resumed.best_epoch is not None
    assert resumed.final_weights() == first.checkpoint().weights


def test_early_stopping_restores_the_weights_of_the_best_epoch() -> None:
    run = a_run(epochs=200, optimizer={"kind": "sgd", "learning_rate": 1.5}, early_stopping={"patience": 3})
    best = None
    for event in run.events():
        if isinstance(event, EpochEnded) and event.is_best:
            best = run.checkpoint().weights
    assert isinstance(event, Ended) and event.reason == "early_stopping"
    assert run.final_weights() == best != run.checkpoint().weights


def test_without_early_stopping_the_last_weights_are_the_model() -> None:
    run = a_run()
    list(run.events())
    assert run.final_weights() == run.checkpoint().weights


def test_a_run_that_diverges_names_the_first_node_that_overflowed() -> None:
    layers: list[dict[str, Any]] = [
        {"op": "dense", "units": 4, "id": "a"},
        {"op": "square", "id": "b"},
        {"op": "dense", "units": 3},
    ]
    run = a_run(layers, optimizer={"kind": "sgd", "learning_rate": 1e30})
    *epochs, end = run.events()
    assert isinstance(end, Ended) and end.reason == "diverged"
    assert end.node in {"a", "b"} and end.step > end.epoch * 8
    assert all(np.isfinite(list(epoch.training.values())).all() for epoch in epochs if isinstance(epoch, EpochEnded))


def test_statistics_that_overflow_end_the_run_although_the_outputs_are_finite() -> None:
    """Divided by an infinite deviation everything is 0, which would look like a run that learns nothing."""
    layers: list[dict[str, Any]] = [
        {"op": "dense", "units": 3, "params": {"W": [[1e25] * 3] * 4}},
        {"op": "batch_norm", "id": "norm"},
    ]
    *epochs, end = a_run(layers).events()
    assert isinstance(end, Ended) and (end.reason, end.node, epochs) == ("diverged", "norm", [])


def test_the_statistics_of_the_best_epoch_are_restored_with_its_weights() -> None:
    run = a_run(epochs=40, optimizer={"kind": "sgd", "learning_rate": 1.5}, early_stopping={"patience": 3})
    after = {}
    for event in run.events():
        after[event.epoch] = run.graph.states(run.parameters.copy())["norm"]
    final = weights_from_bytes(run.graph, run.final_weights(), np.float32)
    restored = run.graph.states(final)["norm"]
    assert isinstance(event, Ended) and event.best_epoch is not None and event.best_epoch < event.epoch
    for name, expected in after[event.best_epoch].items():
        np.testing.assert_array_equal(restored[name], expected)
        assert not np.array_equal(restored[name], after[event.epoch][name])


def test_a_short_last_batch_of_one_row_does_not_spoil_the_statistics() -> None:
    """50 rows in batches of 7 leave one, whose variance says nothing."""
    run = a_run()
    *_, end = run.events()
    assert isinstance(end, Ended) and end.reason == "max_epochs"
    assert run.graph.states(run.parameters)["norm"]["running_var"].min() > 0.01


def test_the_penalty_is_reported_apart_from_the_loss() -> None:
    first = next(a_run().events())
    assert isinstance(first, EpochEnded) and first.training["penalty"] > 0


def test_full_batch_takes_one_step_an_epoch() -> None:
    *_, last, _ = a_run(batch_size="full").events()
    assert isinstance(last, EpochEnded) and last.step == last.epoch == 6


def test_clipping_bounds_what_the_optimizer_sees_but_not_what_is_reported() -> None:
    free, clipped = (
        a_run(epochs=1),
        a_run(epochs=1, clip={"norm": 1e-9}, optimizer={"kind": "sgd", "learning_rate": 0.1}),
    )
    before = clipped.parameters.copy()
    first = next(iter(clipped.events()))
    assert isinstance(first, EpochEnded) and first.gradient_norm > 1e-3
    learned = slice(clipped.graph.parameter_count)
    assert np.abs(clipped.parameters[learned] - before[learned]).max() < 1e-8
    assert next(iter(free.events())) is not None


def test_statistics_and_validation_do_not_change_the_bits() -> None:
    with_validation, without = a_run(), a_run()
    without._validation = None
    without._watch = without._watch.model_copy(update={"monitor": "training.loss"})
    list(with_validation.events()), list(without.events())
    assert with_validation.checkpoint().weights == without.checkpoint().weights


def test_losses_that_are_taken_in_every_step_do_not_change_the_bits() -> None:
    once, always = a_run(), a_run(losses_in_steps=True)
    for after, within in zip(once.events(), always.events(), strict=True):
        if isinstance(after, EpochEnded) and isinstance(within, EpochEnded):
            assert after.training["loss"] == pytest.approx(within.training["loss"], rel=1e-6)
    assert once.checkpoint().weights == always.checkpoint().weights
