"""A range test measures the loss at growing rates, can be resumed bit for bit, and says what rate to take."""

import math
from typing import Any

import numpy as np
import pytest

from core.graph.build import Surroundings, build
from core.graph.evaluator import Evaluator
from core.graph.randomness import permutation
from core.network import InputSpec, Network
from core.training.checkpoint import Checkpoint
from core.training.events import Ended, EpochEnded
from core.training.examples import Examples
from core.training.range_test import LearningRateRange, RangeCurve, RangeTest
from core.training.run import Run
from core.training.spec import TrainingSpec

PLAIN: list[dict[str, Any]] = [{"op": "dense", "units": 8}, {"op": "tanh"}, {"op": "dense", "units": 3}]
RANDOM = [PLAIN[0], {"op": "dropout", "p": 0.3}, *PLAIN[1:]]


def examples() -> Examples:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((50, 4))
    return Examples({"x": x}, {"y": (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)})


def a_run(layers: list[dict[str, Any]] = PLAIN, *, in_steps: bool = True, **spec: Any) -> Run:
    penalties = [{"kind": "l2", "strength": 1e-3}]
    network = {"layers": layers, "losses": [{"kind": "cross_entropy"}], "penalties": penalties}
    graph = build(Network.model_validate(network), Surroundings(inputs={"x": InputSpec(shape=[4])}))
    told = TrainingSpec.model_validate({"batch_size": 7, "dtype": "float64"} | spec)
    return Run(graph, told, examples(), losses_in_steps=in_steps)


def a_range(**members: Any) -> LearningRateRange:
    return LearningRateRange.model_validate(members)


def a_test(layers: list[dict[str, Any]] = PLAIN, *, asked: dict[str, Any] | None = None, **spec: Any) -> RangeTest:
    return RangeTest(a_run(layers, **spec), a_range(**(asked or {})))


def measured(test: RangeTest) -> tuple[list[EpochEnded], Ended]:
    *points, end = test.events()
    assert isinstance(end, Ended)
    return [point for point in points if isinstance(point, EpochEnded)], end


def test_the_rate_grows_by_the_same_factor_from_one_end_to_the_other() -> None:
    points, _ = measured(a_test(asked={"from": 1e-4, "to": 1e-1, "steps": 31}))
    rates = [point.learning_rate for point in points]
    assert (rates[0], rates[-1], len(rates)) == (1e-4, 1e-1, 31)
    np.testing.assert_allclose(np.diff(np.log(rates)), math.log(1000) / 30, rtol=1e-12)
    assert [(point.epoch, point.step) for point in points] == [(n, n) for n in range(1, 32)]


def test_a_point_is_the_loss_of_its_batch_before_the_weights_move() -> None:
    test = a_test(seed=5)
    rows = permutation(5, 0, 50)[:7]
    batch = examples().take(rows).typed(test._run.graph, np.float64)
    expected = Evaluator(test._run.graph, test._run.parameters).losses(batch.inputs, batch.targets, {})
    first = next(test.events())
    assert isinstance(first, EpochEnded)
    assert first.training["loss"] == pytest.approx(expected, rel=1e-12)


def test_with_the_whole_split_in_a_batch_it_is_a_run_whose_rate_grows_from_epoch_to_epoch() -> None:
    asked = {"from": 0.001, "to": 0.1, "steps": 12}
    backwards = {"kind": "exponential", "gamma": 1.0}
    points, _ = measured(a_test(asked=asked, batch_size="full", optimizer={"kind": "adam"}, clip={"norm": 0.5}))
    run = a_run(in_steps=False, batch_size="full", clip={"norm": 0.5}, epochs=12, schedule=backwards)
    # A schedule that grows is no schedule one can ask for.
    run._schedule = run._schedule.model_copy(update={"gamma": 100 ** (1 / 11)})
    epochs = [event for event in run.events() if isinstance(event, EpochEnded)]
    for point, epoch in zip(points, epochs, strict=True):
        assert point.learning_rate == pytest.approx(epoch.learning_rate, rel=1e-12)
        assert point.training["loss"] == pytest.approx(epoch.training["loss"], rel=1e-9)
        assert point.training["penalty"] == pytest.approx(epoch.training["penalty"], rel=1e-9)
        assert point.gradient_norm == pytest.approx(epoch.gradient_norm, rel=1e-8)


def test_the_smoothed_loss_is_the_average_that_forgets_with_its_bias_taken_out() -> None:
    points, _ = measured(a_test())
    losses = [point.training["loss"] for point in points]
    for number, point in enumerate(points, start=1):
        weights = 0.98 ** np.arange(number)[::-1]
        average = np.dot(weights, losses[:number]) / weights.sum()
        assert point.training["smoothed_loss"] == pytest.approx(average, rel=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rprop"])
@pytest.mark.parametrize("stop", [3, 8, 20])
def test_stop_and_resume_gives_the_bits_of_the_undisturbed_test(optimizer: str, stop: int) -> None:
    """50 rows are 4 updates of up to 14: it stops within an epoch, at its end, and epochs later."""
    spec: dict[str, Any] = {"optimizer": {"kind": optimizer}, "batches_per_update": 2, "dtype": "float32", "seed": 9}
    asked = {"from": 1e-4, "to": 1.0, "steps": 30}
    undisturbed = a_test(RANDOM, asked=asked, **spec)
    points, end = measured(undisturbed)
    first = a_test(RANDOM, asked=asked, **spec)
    stored = stored_after(first, stop)
    resumed = a_test(RANDOM, asked=asked, **spec)
    resumed.restore(stored)
    again, same_end = measured(resumed)
    assert [point.training for point in again] == [point.training for point in points[stop:]]
    assert [point.gradient_norm for point in again] == [point.gradient_norm for point in points[stop:]]
    assert resumed.checkpoint() == undisturbed.checkpoint()
    assert (same_end, resumed.result()) == (end, undisturbed.result())


def stored_after(test: RangeTest, point: int) -> Checkpoint:
    for event in test.events():
        if isinstance(event, EpochEnded) and event.epoch == point:
            return test.checkpoint()
    raise AssertionError("it ended before")


def test_who_asks_for_a_stop_gets_one_before_the_next_update() -> None:
    test = a_test()
    events = list(test.events(lambda: len(test.curve.smoothed) == 12))
    end = events[-1]
    assert isinstance(end, Ended)
    assert (end.reason, end.epoch, len(events)) == ("interrupted", 12, 13)


def test_it_ends_when_the_loss_has_exploded_also_if_it_is_asked_to_go_on() -> None:
    test = a_test(optimizer={"kind": "sgd"}, asked={"to": 1e4})
    points, end = measured(test)
    smoothed = [point.training["smoothed_loss"] for point in points]
    assert end.reason == test.result().stopped_because == "loss_exploded"
    assert smoothed[-1] > 4 * min(smoothed[10:])
    assert all(now <= 4 * min(smoothed[10 : number + 1]) for number, now in enumerate(smoothed[10:-1], 10))
    resumed = a_test(optimizer={"kind": "sgd"}, asked={"to": 1e4})
    resumed.restore(test.checkpoint())
    assert list(resumed.events()) == [end]


def test_a_loss_that_overflows_is_a_normal_end_and_no_point() -> None:
    layers: list[dict[str, Any]] = [{"op": "dense", "units": 4}, {"op": "square"}, {"op": "dense", "units": 3}]
    asked = {"from": 1e8, "to": 1e9, "steps": 100}
    test = a_test(layers, asked=asked, optimizer={"kind": "sgd"}, dtype="float32")
    points, end = measured(test)
    assert end.reason == "loss_not_finite"
    assert all(np.isfinite([*point.training.values(), point.gradient_norm]).all() for point in points)
    assert f"ended at {a_range(**asked).rate(len(points) + 1):.3g}" in test.result().explanation


def test_the_suggestion_is_where_the_loss_falls_most_steeply() -> None:
    test = a_test(optimizer={"kind": "sgd"}, asked={"from": 1e-4, "to": 100.0})
    points, _ = measured(test)
    result = test.result()
    assert result.steepest is not None and result.minimum is not None
    smoothed = np.array([point.training["smoothed_loss"] for point in points])
    rates = np.array([point.learning_rate for point in points])
    lowest = 10 + int(smoothed[10:].argmin())
    slopes = np.gradient(smoothed, np.log(rates))
    steepest = 10 + int(slopes[10 : lowest + 1].argmin())
    assert (result.minimum.point, result.steepest.point) == (lowest + 1, steepest + 1)
    assert result.suggested_learning_rate == rates[steepest]
    assert result.steepest.slope == pytest.approx(slopes[steepest], rel=1e-9)
    assert result.minimum.smoothed_loss == smoothed[lowest]


def a_curve(*smoothed: float, steps: int = 10) -> RangeCurve:
    return RangeCurve(a_range(**{"from": 1.0, "to": math.exp(steps - 1), "steps": steps}), smoothed)


def test_a_curve_worked_by_hand() -> None:
    """The points are 1 apart in ln(rate); slopes −0.5, −0.5, −1, −2, −1.5, 1, 3."""
    curve = a_curve(9.0, 8.5, 8.0, 6.5, 4.0, 5.0, 6.0)
    assert (curve.minimum(), curve.steepest()) == (5, 4)
    steepest = curve.at(4)
    assert steepest is not None
    assert steepest.smoothed_loss == 6.5
    assert steepest.slope == pytest.approx(-2.0)
    assert steepest.learning_rate == pytest.approx(math.exp(3))


def test_the_first_tenth_is_neither_lowest_nor_steepest_nor_exploded() -> None:
    assert not a_curve(0.001, steps=20).has_exploded()
    assert not a_curve(0.001, 1.0, steps=20).has_exploded()
    noisy = a_curve(0.001, 5.0, 1.0, 0.9, 0.7, 0.8, steps=20)
    assert (noisy.minimum(), noisy.has_exploded()) == (5, False)
    assert a_curve(0.001, 5.0, 1.0, 0.9, 0.7, 2.9, steps=20).has_exploded()


def test_losses_below_zero_explode_upwards_only() -> None:
    assert not a_curve(-1.0, -1.0, -1.5, -2.0, -1.9).has_exploded()
    assert a_curve(-1.0, -1.0, -1.5, -2.0, 4.1).has_exploded()


def test_where_the_loss_never_fell_nothing_is_suggested() -> None:
    test = a_test(asked={"from": 1e-30, "to": 1e-29, "steps": 10}, batch_size="full")
    _, end = measured(test)
    result = test.result()
    assert (end.reason, result.suggested_learning_rate, result.steepest) == ("last_step", None, None)
    assert "never fell" in result.explanation
