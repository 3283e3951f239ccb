"""What holds of every schedule, and the reference values."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from core.schedule import Schedule, Watched
from core.schedules import SCHEDULES, AnySchedule, spread_over, watching

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "lr_schedules.json").read_text())

COMPOSED = {
    "linear_warmup_then_cosine": {
        "kind": "warmup", "epochs": 5, "start_factor": 0.1, "then": {"kind": "cosine", "total_epochs": 25},
    }
}  # fmt: skip
"""What the reference calls by one name and we compose of two."""

CASES = {
    case["name"]: COMPOSED.get(case["name"], {"kind": case["name"], **case["hyperparameters"]})
    for case in REFERENCE["schedules"]
}

every_case = pytest.mark.parametrize("name", CASES)


def schedule_from(spec: dict[str, Any]) -> Schedule:
    schedule: Schedule = TypeAdapter(AnySchedule).validate_python(spec)
    return schedule


def rates_while(schedule: Schedule, values: list[float], base: float = 0.1) -> list[float]:
    """The rate of each epoch of a run whose watched curve has these values."""
    watched, rates = Watched(), []
    for epoch, value in enumerate(values):
        rates.append(schedule.rate_after(watched, base, epoch))
        schedule.observe(watched, epoch, value)
    return rates


@every_case
def test_the_rates_of_the_reference_are_met(name: str) -> None:
    (case,) = [case for case in REFERENCE["schedules"] if case["name"] == name]
    values = case.get("metrics_in_order", [1.0] * len(case["values"]))
    rates = rates_while(schedule_from(CASES[name]), values, REFERENCE["base_lr"])
    np.testing.assert_allclose(rates, case["values"], rtol=1e-12, atol=0)


def test_there_are_thirteen_schedules_in_the_reference() -> None:
    assert len(CASES) == 13


def plateau(**fields: Any) -> Schedule:
    return schedule_from(
        {"kind": "reduce_on_plateau", "factor": 0.5, "patience": 1, "monitor": "training.loss", **fields}
    )


def test_epochs_of_a_cooldown_do_not_count() -> None:
    rates = rates_while(plateau(cooldown=2), [1.0] * 9)
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025])


def test_a_rate_is_not_reduced_below_its_minimum_nor_raised_to_it() -> None:
    assert rates_while(plateau(min_lr=0.04), [1.0] * 20)[-1] == 0.04
    assert rates_while(plateau(minimum_learning_rate=0.3), [1.0] * 20) == [0.1] * 20


def test_an_accuracy_should_rise() -> None:
    rising = [0.5, 0.6, 0.7, 0.8, 0.9]
    assert rates_while(plateau(monitor="validation.accuracy"), rising)[-1] == 0.1
    assert rates_while(plateau(monitor="validation.loss"), rising)[-1] == 0.05


def test_an_improvement_below_zero_is_a_fall_by_a_share_of_the_size() -> None:
    """Of -1 by more than 0.1: -1.05 is none. Multiplied by 1 - threshold the bar would be -0.9, and -0.95 one."""
    assert rates_while(plateau(threshold=0.1), [-1.0, -1.05, -0.95, -0.95])[-1] == 0.05
    assert rates_while(plateau(threshold=0.1), [-1.0, -1.2, -1.4, -1.6])[-1] == 0.1


def test_a_value_that_is_not_finite_is_no_improvement() -> None:
    assert rates_while(plateau(), [math.nan, math.nan, math.nan])[-1] == 0.05
    assert rates_while(plateau(), [1.0, math.nan, math.nan, 0.5])[-1] == 0.05


def test_a_curve_is_not_watched_while_the_rate_rises() -> None:
    warmup = schedule_from({"kind": "warmup", "epochs": 3, "start_factor": 0.25, "then": plateau().model_dump()})
    assert warmup.watches == "training.loss"
    rates = rates_while(warmup, [0.1] * 3 + [1.0] * 5)
    np.testing.assert_allclose(rates, [0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.05, 0.05])


def test_a_curve_left_open_is_the_usual_one_of_the_run() -> None:
    opened = {"kind": "reduce_on_plateau"}
    assert watching(schedule_from(opened), "training.loss").watches == "training.loss"
    assert watching(schedule_from({"kind": "warmup", "then": opened}), "validation.loss").watches == "validation.loss"
    assert watching(plateau(), "validation.rmse").watches == "training.loss"
    assert watching(schedule_from({"kind": "constant"}), "training.loss").watches is None


def test_every_schedule_has_a_reference_case() -> None:
    assert {spec["kind"] for spec in CASES.values()} == set(SCHEDULES)


@every_case
def test_a_spec_comes_back_from_its_json_under_our_own_names(name: str) -> None:
    schedule = schedule_from(CASES[name])
    written = schedule.model_dump(mode="json")
    assert schedule_from(written) == schedule
    assert not {"T_max", "T_0", "T_mult", "eta_min", "total_iters", "total_steps", "max_lr", "base_lr"} & set(written)


@every_case
def test_a_rate_is_finite_and_not_negative_however_long_the_run(name: str) -> None:
    schedule = schedule_from(CASES[name])
    for epoch in (0, 1, 29, 30, 31, 1000, 999_999):
        rate = schedule.learning_rate(0.1, epoch)
        assert type(rate) is float
        assert math.isfinite(rate)
        assert rate >= 0


@pytest.mark.parametrize("kind", ["cosine", "polynomial", "one_cycle"])
def test_a_length_left_open_is_that_of_the_run(kind: str) -> None:
    spread = spread_over(schedule_from({"kind": kind}), 40)
    assert spread == schedule_from({"kind": kind, "total_epochs": 40})


@pytest.mark.parametrize("kind", ["cosine", "polynomial", "one_cycle"])
def test_a_run_of_one_epoch_trains_at_the_full_rate(kind: str) -> None:
    assert spread_over(schedule_from({"kind": kind}), 1).learning_rate(0.1, 0) == pytest.approx(0.1, rel=1e-15)


def test_a_length_left_open_is_what_the_warm_up_leaves_of_the_run() -> None:
    warmup = schedule_from({"kind": "warmup", "epochs": 10, "then": {"kind": "cosine"}})
    assert spread_over(warmup, 40).model_dump()["then"]["total_epochs"] == 30
    assert spread_over(warmup, 8).model_dump()["then"]["total_epochs"] == 1


def test_a_length_that_is_given_stays() -> None:
    cosine = schedule_from({"kind": "cosine", "total_epochs": 7})
    assert spread_over(cosine, 40) == cosine
    assert spread_over(schedule_from({"kind": "constant"}), 40) == schedule_from({"kind": "constant"})


def test_a_length_still_open_gives_no_rate() -> None:
    with pytest.raises(ValueError, match="spread_over"):
        schedule_from({"kind": "cosine"}).learning_rate(0.1, 0)


def test_a_cosine_stays_at_its_minimum() -> None:
    cosine = schedule_from({"kind": "cosine", "total_epochs": 10, "minimum_learning_rate": 0.01})
    assert [cosine.learning_rate(0.1, epoch) for epoch in (10, 11, 20, 500)] == [0.01] * 4


def test_the_second_wave_of_triangular2_is_half_as_high() -> None:
    cyclic = schedule_from({
        "kind": "cyclic", "minimum_learning_rate": 0.1, "maximum_learning_rate": 0.5, "step_size_up": 2,
        "step_size_down": 4, "mode": "triangular2",
    })  # fmt: skip
    rates = [cyclic.learning_rate(1.0, epoch) for epoch in range(12)]
    np.testing.assert_allclose(rates, [0.1, 0.3, 0.5, 0.4, 0.3, 0.2, 0.1, 0.2, 0.3, 0.25, 0.2, 0.15], rtol=1e-12)


def test_a_warm_up_by_default_ends_at_the_full_rate() -> None:
    warmup = schedule_from({"kind": "warmup", "epochs": 4, "start_factor": 0.2})
    rates = [warmup.learning_rate(1.0, epoch) for epoch in range(6)]
    np.testing.assert_allclose(rates, [0.2, 0.4, 0.6, 0.8, 1.0, 1.0], rtol=1e-15)


REFUSED: list[dict[str, Any]] = [
    {"kind": "plateau"},
    {"kind": "reduce_on_plateau", "factor": 1.0},
    {"kind": "reduce_on_plateau", "monitor": "loss"},
    {"kind": "reduce_on_plateau", "mode": "max"},
    {"kind": "step"},
    {"kind": "step", "step_size": 0},
    {"kind": "step", "step_size": 2.5},
    {"kind": "step", "step_size": 2, "gamma": 1.5},
    {"kind": "multi_step", "milestones": []},
    {"kind": "multi_step", "milestones": [5, 5]},
    {"kind": "multi_step", "milestones": [5, 3]},
    {"kind": "exponential", "gamma": 0.0},
    {"kind": "cosine", "total_epochs": 10, "T_max": 10},
    {"kind": "cosine", "total_epochs": 10**9},
    {"kind": "cosine", "total_epochs": 10, "eta_min": math.nan},
    {"kind": "cosine_warm_restarts", "first_period": 5, "period_factor": 0},
    {"kind": "one_cycle", "total_epochs": 10, "pct_start": 1.0},
    {"kind": "cyclic", "maximum_learning_rate": 0.1, "minimum_learning_rate": 0.2},
    {"kind": "warmup", "then": {"kind": "warmup"}},
    {"kind": "warmup", "then": {"kind": "nothing"}},
    {"kind": "warmup", "start_factor": 0.0},
]


@pytest.mark.parametrize("spec", REFUSED, ids=str)
def test_a_schedule_that_makes_no_sense_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schedule_from(spec)
