"""Each rule on numbers worked by hand: where it begins to fire, what it names, and what it must not be taken for."""

from math import inf, nan

import pytest

from core.diagnosis.course import Course
from core.diagnosis.judge import judge
from core.diagnosis.rules import RULES
from core.diagnosis.verdict import is_healthy
from core.training.statistics import Probe, StepStatistics
from tests.core.diagnosis.courses import Failure, a_course, a_look, a_network, a_step, codes, verdict_of

DEEP = a_network("tanh", "tanh", "tanh")
"""Four layers: L − 1 = 3."""

RELU = a_network("relu", "relu")


def looks_with_slopes(*slopes: float, epochs: tuple[int, ...] = (0, 1, 2, 3), loss: float = 0.9) -> list[Probe]:
    nodes = {f"dense_{place}": {"slope_rms": slope} for place, slope in enumerate(slopes, 1)}
    return [a_look(DEEP, epoch, loss, **nodes) for epoch in epochs]


def test_a_run_with_nothing_wrong_has_no_verdict_and_is_healthy() -> None:
    course = a_course(DEEP, [a_look(DEEP, epoch, 0.8) for epoch in (0, 1, 2, 3)])
    assert judge(course) == []
    assert is_healthy([])


def test_every_rule_names_its_source_and_every_code_of_the_contract_has_a_rule() -> None:
    assert all(rule.source for rule in RULES.values())
    assert set(RULES) == {
        "non_finite", "initial_loss_high", "input_scale", "exploding", "vanishing", "saturated", "dead_units",
        "symmetric", "update_too_small", "update_too_large", "gradient_spike", "weights_collapse", "diverging",
        "not_learning_yet", "overfitting", "generalisation_gap", "converged",
    }  # fmt: skip


@pytest.mark.parametrize(("first", "fires"), [(0.99e-3, True), (1.01e-3, False)])
def test_a_signal_that_reaches_the_first_layer_a_thousand_times_smaller_vanishes(first: float, *, fires: bool) -> None:
    course = a_course(DEEP, looks_with_slopes(first, 0.01, 0.1, 1.0))
    assert ("vanishing" in codes(course)) == fires


def test_vanishing_names_the_first_layer_the_epochs_and_q() -> None:
    verdict = verdict_of(a_course(DEEP, looks_with_slopes(2e-7, 0.01, 0.1, 1.0)), "vanishing")
    assert verdict is not None
    assert (verdict.node, verdict.epochs, verdict.severity) == ("dense_1", (0, 3), "critical")
    assert verdict.evidence.value == pytest.approx(2e-7, rel=1e-12)
    assert verdict.evidence.healthy == (1e-3, None)


def test_under_an_optimizer_that_rescales_vanishing_is_only_a_warning() -> None:
    course = a_course(DEEP, looks_with_slopes(2e-7, 0.01, 0.1, 1.0), rescales=True)
    verdict = verdict_of(course, "vanishing")
    assert verdict is not None and verdict.severity == "warning"


def test_a_run_whose_layers_all_shrink_together_converges_and_does_not_vanish() -> None:
    looks = [a_look(DEEP, 0, 1.1)]
    looks += [
        a_look(DEEP, epoch, 0.5, **{f"dense_{place}": {"slope_rms": 1e-9} for place in (1, 2, 3, 4)})
        for epoch in (5, 9)
    ]
    found = codes(a_course(DEEP, looks, losses=[0.9, 0.7, 0.6, *[0.5] * 6]))
    assert "converged" in found and "vanishing" not in found


def test_a_network_that_has_learned_nearly_all_is_not_said_to_vanish() -> None:
    course = a_course(DEEP, looks_with_slopes(1e-6, 0.01, 0.1, 1.0, loss=0.09), losses=[0.2, 0.1, 0.09])
    assert "vanishing" not in codes(course)


def test_a_last_layer_that_starts_at_zero_is_no_vanishing_and_no_symmetry() -> None:
    """Its input hears nothing before the first step, and its units are all 0: both pass by themselves."""
    last = {"identical": 1.0}
    start = a_look(DEEP, 0, 1.1, dense_1={"slope_rms": 0.0}, dense_2={"slope_rms": 0.0}, dense_4=last)
    assert codes(a_course(DEEP, [start], losses=[0.9])) == set()


def test_dead_layers_are_said_to_be_dead_and_not_to_vanish() -> None:
    graph = a_network("relu", "relu", "relu")
    nodes = {"relu_2": {"dead": 1.0}, "dense_1": {"slope_rms": 0.0}, "dense_3": {"identical": 1.0}}
    found = codes(a_course(graph, [a_look(graph, epoch, 1.1, **nodes) for epoch in (0, 1, 2, 3)]))
    assert found == {"dead_units"}


@pytest.mark.parametrize(("first", "fires"), [(8.1, True), (7.9, False)])
def test_a_signal_that_more_than_doubles_with_each_of_three_layers_explodes(first: float, *, fires: bool) -> None:
    """2³ = 8."""
    verdict = verdict_of(a_course(DEEP, looks_with_slopes(first, 1.0, 1.0, 1.0)), "exploding")
    assert (verdict is not None) == fires
    if verdict is not None:
        assert verdict.evidence.value == pytest.approx(8.1 ** (1 / 3), rel=1e-12)


def test_two_layers_are_too_few_to_vanish_or_explode() -> None:
    graph = a_network("tanh")
    for slope in (1e-9, 1e9):
        look = a_look(graph, 0, 1.1, dense_1={"slope_rms": slope})
        assert not codes(a_course(graph, [look])) & {"vanishing", "exploding"}


def test_a_rate_beyond_the_curvature_is_never_called_exploding() -> None:
    """Before training the signal keeps its size; it grows once an update was larger than its weights."""
    looks = [a_look(DEEP, 0, 1.1), *looks_with_slopes(1e6, 1e4, 1e2, 1.0, epochs=(1, 2, 3), loss=50.0)]
    steps = {1: [a_step(DEEP, 0, update=3.0)], 2: [a_step(DEEP, 1, update=4.0)], 3: [a_step(DEEP, 2, update=2.0)]}
    found = codes(a_course(DEEP, looks, losses=[20.0, 40.0, 60.0], steps=steps))
    assert {"update_too_large", "diverging"} <= found and "exploding" not in found


def test_a_mean_over_positions_is_no_vanishing() -> None:
    """Behind a mean over 32 × 32 pixels the slope of each is 1,024 times smaller, and there are 1,024 of them."""
    from_pixels = [{"op": "conv2d", "filters": 4, "kernel": 3, "padding": 1}, {"op": "relu"}] * 2
    layers = [*from_pixels, {"op": "global_avg_pool"}, {"op": "dense", "units": 3}]
    graph = a_network(inputs={"x": {"shape": [1, 32, 32]}}, layers=layers)
    slopes = {
        "conv2d_1": {"slope_rms": 1.0 / 1024},
        "conv2d_2": {"slope_rms": 1.0 / 1024},
        "dense_1": {"slope_rms": 1.2},
    }
    looks = [a_look(graph, epoch, 1.1, **slopes) for epoch in (0, 1, 2, 3)]
    course = a_course(graph, looks)
    assert course.quotient(looks[0]) == pytest.approx(1.0 / 32 / 1.2)
    assert "vanishing" not in codes(course)


@pytest.mark.parametrize(
    ("start", "later", "fires"), [(0.26, 0.3, True), (0.26, 0.2, False), (0.1, 0.45, False), (0.1, 0.51, True)]
)
def test_a_flat_layer_is_saturated_above_a_quarter_from_the_start_or_half_later(
    start: float, later: float, *, fires: bool
) -> None:
    looks = [
        a_look(DEEP, epoch, 1.1, tanh_2={"saturated": share})
        for epoch, share in enumerate([start, later, later, later])
    ]
    verdict = verdict_of(a_course(DEEP, looks), "saturated")
    assert (verdict is not None) == fires
    if verdict is not None:
        assert (verdict.node, verdict.evidence.value) == ("tanh_2", later)


def test_an_output_that_a_loss_looks_at_may_be_sure() -> None:
    layers = [{"op": "dense", "units": 4}, {"op": "tanh"}, {"op": "dense", "units": 1}, {"op": "sigmoid"}]
    graph = a_network(layers=layers, loss="bce")
    looks = [a_look(graph, epoch, 1.1, sigmoid_1={"saturated": 0.99}) for epoch in (0, 1, 2, 3)]
    assert "saturated" not in codes(a_course(graph, looks))


@pytest.mark.parametrize(("dead", "severity"), [(0.49, None), (0.51, "warning"), (0.91, "critical")])
def test_units_above_zero_for_no_row_are_dead(dead: float, severity: str | None) -> None:
    looks = [a_look(RELU, epoch, 1.1, relu_2={"dead": dead}) for epoch in (0, 1, 2, 3)]
    verdict = verdict_of(a_course(RELU, looks), "dead_units")
    assert (verdict.severity if verdict else None) == severity


def test_dead_units_of_a_run_that_has_learned_nearly_all_are_only_told() -> None:
    looks = [a_look(RELU, epoch, 0.05, relu_2={"dead": 0.95}) for epoch in (0, 1, 2, 3)]
    verdict = verdict_of(a_course(RELU, looks, losses=[0.3, 0.1, 0.05]), "dead_units")
    assert verdict is not None and verdict.severity == "information"
    assert is_healthy([verdict])


def test_units_that_start_alike_and_stay_alike_are_symmetric() -> None:
    looks = [a_look(RELU, epoch, 1.1, dense_1={"identical": 0.6}) for epoch in (0, 1, 2, 3)]
    verdict = verdict_of(a_course(RELU, looks), "symmetric")
    assert verdict is not None and (verdict.node, verdict.epochs) == ("dense_1", (0, 3))


def test_units_that_training_has_told_apart_are_not_symmetric() -> None:
    """As behind a branch that starts at zero."""
    looks = [a_look(RELU, 0, 1.1, dense_1={"identical": 1.0}), a_look(RELU, 1, 1.0)]
    assert "symmetric" not in codes(a_course(RELU, looks))


@pytest.mark.parametrize(("std", "severity"), [(4.9, None), (5.1, "warning"), (51.0, "critical")])
def test_pre_activations_that_start_wide_are_of_unscaled_inputs(std: float, severity: str | None) -> None:
    verdict = verdict_of(a_course(RELU, [a_look(RELU, 0, 1.1, dense_1={"std": std})]), "input_scale")
    assert (verdict.severity if verdict else None) == severity


@pytest.mark.parametrize(
    ("classes", "loss", "fires"), [(True, 4.1, True), (True, 3.9, False), (False, 9.9, False), (False, 10.1, True)]
)
def test_a_first_loss_far_above_chance_is_high(loss: float, *, classes: bool, fires: bool) -> None:
    course = a_course(RELU, [a_look(RELU, 0, loss)], classes=classes)
    assert ("initial_loss_high" in codes(course)) == fires


def test_where_one_class_is_rare_an_undecided_start_is_only_told() -> None:
    """1 % of rows in a class: chance is 0.056 nats, and saying nothing costs log 3 = 1.0986."""
    verdict = verdict_of(a_course(RELU, [a_look(RELU, 0, 1.0986)], losses=[0.05], chance=0.056), "initial_loss_high")
    assert verdict is not None and verdict.severity == "information"


def every_step(update: float, epochs: int = 3) -> dict[int, list[StepStatistics]]:
    return {
        epoch: [a_step(RELU, 10 * epoch + one, update=update) for one in range(3)] for epoch in range(1, epochs + 1)
    }


@pytest.mark.parametrize(
    ("update", "loss", "fires"), [(2.9e-5, 0.9, True), (3.1e-5, 0.9, False), (2.9e-5, 0.19, False)]
)
def test_steps_that_move_nothing_while_much_is_to_be_learned_are_too_small(
    update: float, loss: float, *, fires: bool
) -> None:
    course = a_course(RELU, [a_look(RELU, 0, 1.1)], losses=[loss] * 3, steps=every_step(update))
    assert ("update_too_small" in codes(course)) == fires


def test_weights_that_no_gradient_reaches_are_not_blamed_on_the_rate() -> None:
    course = a_course(RELU, [a_look(RELU, 0, 1.1)], losses=[1.0] * 3, steps=every_step(0.0))
    assert "update_too_small" not in codes(course)


@pytest.mark.parametrize(("update", "fires"), [(0.19, False), (0.21, True)])
def test_steps_of_a_fifth_of_the_weights_are_too_large(update: float, *, fires: bool) -> None:
    course = a_course(RELU, [a_look(RELU, 0, 1.1)], steps=every_step(update))
    assert ("update_too_large" in codes(course)) == fires


def test_one_step_longer_than_its_weights_is_too_large_and_is_named() -> None:
    steps = every_step(1e-3) | {2: [a_step(RELU, 20, update=1.5)]}
    verdict = verdict_of(a_course(RELU, [a_look(RELU, 0, 1.1)], steps=steps), "update_too_large")
    assert verdict is not None and (verdict.epochs, verdict.evidence.value) == ((2, 2), 1.5)


def test_weights_that_start_at_zero_may_double_in_their_first_steps() -> None:
    steps = {1: [a_step(RELU, 0, weights=0.0, update=0.1), a_step(RELU, 1, weights=0.1, update=0.11)]}
    assert "update_too_large" not in codes(a_course(RELU, [a_look(RELU, 0, 1.1)], losses=[0.9], steps=steps))


def spiking(loss_after: float) -> Course:
    steps = {epoch: [a_step(RELU, 20 * epoch + one) for one in range(5)] for epoch in range(1, 6)}
    steps[4][2] = a_step(RELU, 82, gradient=1.1)
    return a_course(RELU, [a_look(RELU, 0, 1.1)], losses=[0.9, 0.8, 0.7, 0.7, loss_after], steps=steps)


def test_a_gradient_eleven_times_the_usual_is_a_spike_and_a_warning_if_the_loss_rose() -> None:
    quiet, loud = (verdict_of(spiking(loss), "gradient_spike") for loss in (0.6, 0.8))
    assert quiet is not None and (quiet.severity, quiet.epochs) == ("information", (4, 4))
    assert quiet.evidence.value == pytest.approx(11.0)
    assert loud is not None and loud.severity == "warning"


def test_weights_that_a_penalty_has_shrunk_away_are_named() -> None:
    steps = {1: [a_step(RELU, 0)], 3: [a_step(RELU, 40, weights=0.04)]}
    looks = [a_look(RELU, 0, 1.1)]
    assert verdict_of(a_course(RELU, looks, losses=[1.0] * 3, steps=steps), "weights_collapse") is not None
    assert verdict_of(a_course(RELU, looks, losses=[1.0, 0.6, 0.4], steps=steps), "weights_collapse") is None


@pytest.mark.parametrize(
    ("losses", "severity"), [([0.9, 1.9], "warning"), ([0.9, 4.0], "critical"), ([0.9, 1.7], None), ([0.1, 0.3], None)]
)
def test_a_loss_that_has_doubled_and_is_worse_than_at_the_start_diverges(
    losses: list[float], severity: str | None
) -> None:
    verdict = verdict_of(a_course(RELU, [a_look(RELU, 0, 1.1)], losses=losses), "diverging")
    assert (verdict.severity if verdict else None) == severity


@pytest.mark.parametrize(("epochs", "severity"), [(4, None), (5, "information"), (20, "warning")])
def test_no_better_than_a_constant_is_told_softly_first(epochs: int, severity: str | None) -> None:
    verdict = verdict_of(a_course(RELU, [a_look(RELU, 0, 1.1)], losses=[1.01] * epochs), "not_learning_yet")
    assert (verdict.severity if verdict else None) == severity


@pytest.mark.parametrize(("rise", "severity"), [(0.05, None), (0.15, "information"), (0.3, "warning")])
def test_validation_that_rises_from_its_lowest_while_training_falls_overfits(rise: float, severity: str | None) -> None:
    losses, late = [0.9, 0.7, 0.5, 0.4, 0.3, 0.2], 0.6 * (1 + rise)
    course = a_course(RELU, losses=losses, validation=[0.9, 0.7, 0.6, late, late, late])
    verdict = verdict_of(course, "overfitting")
    assert (verdict.severity if verdict else None) == severity
    assert verdict is None or verdict.epochs == (4, 6)


def test_validation_that_rises_together_with_training_does_not_overfit() -> None:
    course = a_course(RELU, losses=[0.5, 0.4, 0.6, 0.7, 0.8], validation=[0.5, 0.4, 0.7, 0.8, 0.9])
    assert "overfitting" not in codes(course)


@pytest.mark.parametrize(("validation", "severity"), [(0.39, None), (0.41, "information"), (0.75, "warning")])
def test_a_gap_of_a_fifth_of_chance_between_the_splits_is_told(validation: float, severity: str | None) -> None:
    verdict = verdict_of(a_course(RELU, losses=[0.2], validation=[validation]), "generalisation_gap")
    assert (verdict.severity if verdict else None) == severity


def test_a_curve_that_was_always_flat_has_not_converged() -> None:
    course = a_course(RELU, [a_look(RELU, 0, 0.8)], losses=[0.8] * 8)
    assert "converged" not in codes(course)


def test_a_run_that_overflowed_names_the_node_and_the_epoch() -> None:
    verdict = verdict_of(a_course(RELU, [a_look(RELU, 0, 1.1)], failure=Failure("dense_2", 31, 3)), "non_finite")
    assert verdict is not None and (verdict.node, verdict.epochs, verdict.severity) == ("dense_2", (4, 4), "critical")
    assert "step 31" in verdict.advice


def test_a_node_with_numbers_that_are_not_finite_is_named_while_the_run_goes_on() -> None:
    verdict = verdict_of(
        a_course(RELU, [a_look(RELU, 0, 1.1), a_look(RELU, 2, 1.1, relu_1={"non_finite": 7})]), "non_finite"
    )
    assert verdict is not None and (verdict.node, verdict.evidence.value) == ("relu_1", 7.0)


def test_without_a_chance_the_rules_that_compare_with_it_are_silent() -> None:
    course = a_course(RELU, [a_look(RELU, 0, 50.0)], losses=[50.0] * 8, steps=every_step(1e-7, 8), chance=None)
    assert codes(course) == set()


@pytest.mark.parametrize("value", [nan, inf])
def test_numbers_that_are_not_finite_anywhere_break_no_rule(value: float) -> None:
    """They are what a diagnosis is for; it has to survive them."""
    node = {"std": value, "slope_rms": value, "mean": value}
    looks = [a_look(DEEP, epoch, value, dense_1=node, dense_4=node) for epoch in (0, 1, 2, 3)]
    steps = {epoch: [a_step(DEEP, epoch, update=value, weights=value, gradient=value)] for epoch in (1, 2, 3)}
    for verdict in judge(a_course(DEEP, looks, losses=[value] * 3, steps=steps)):
        verdict.model_dump_json()


def test_a_run_of_which_nothing_is_known_yet_has_no_verdict() -> None:
    assert judge(a_course(DEEP, losses=[])) == []


def test_the_layers_that_are_compared_lie_on_the_path_with_most_of_them() -> None:
    """A shortcut around two of four layers does not count."""
    nodes = [
        {"id": "a", "op": "dense", "inputs": ["x"], "units": 4},
        {"id": "b", "op": "dense", "inputs": ["a"], "units": 4},
        {"id": "c", "op": "dense", "inputs": ["b"], "units": 4},
        {"id": "sum", "op": "add", "inputs": ["a", "c"]},
        {"id": "d", "op": "dense", "inputs": ["sum"], "units": 3},
    ]
    assert list(a_course(a_network(layers=None, nodes=nodes)).path) == ["a", "b", "c", "d"]


def test_a_chain_of_thousands_of_layers_is_judged_in_a_moment() -> None:
    layers = [{"op": "dense", "units": 1}] * 3000
    graph = a_network(layers=[*layers, {"op": "dense", "units": 3}])
    course = a_course(graph, [a_look(graph)], losses=[0.9])
    assert len(course.path) == 3001
    assert judge(course) == []
