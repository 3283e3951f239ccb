"""What holds of every schedule, and the reference values."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from core.schedule import Schedule
from core.schedules import SCHEDULES, AnySchedule, spread_over

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
    if case["name"] != "reduce_on_plateau"  # depends on the loss, so it is no function of the epoch
}

every_case = pytest.mark.parametrize("name", CASES)


def schedule_from(spec: dict[str, Any]) -> Schedule:
    schedule: Schedule = TypeAdapter(AnySchedule).validate_python(spec)
    return schedule


@every_case
def test_the_rates_of_the_reference_are_met(name: str) -> None:
    expected = next(case["values"] for case in REFERENCE["schedules"] if case["name"] == name)
    schedule = schedule_from(CASES[name])
    rates = [schedule.learning_rate(REFERENCE["base_lr"], epoch) for epoch in range(len(expected))]
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=0)


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
