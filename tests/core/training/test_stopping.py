"""Early stopping: the reference sequences, and a state that survives a restart."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.monitor import Monitor
from core.training.stopping import EarlyStopping, StoppingState

REFERENCE = json.loads((Path(__file__).parents[2] / "reference" / "early_stopping_and_init.json").read_text())
CASES = REFERENCE["early_stopping"]["cases"]

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))


def rule_of(case: dict[str, Any]) -> EarlyStopping:
    monitor: Monitor = "validation.accuracy" if case["mode"] == "max" else "validation.loss"
    return EarlyStopping(
        monitor=monitor,
        patience=case["patience"],
        min_delta=case["min_delta"],
        start_from_epoch=case["start_from_epoch"],
    )


def outcome(rule: EarlyStopping, values: list[Any], *, restart_each_epoch: bool) -> dict[str, Any]:
    state = StoppingState()
    for epoch, value in enumerate(values):
        rule.observe(state, epoch, float(value))
        if restart_each_epoch:
            state = StoppingState(**json.loads(json.dumps(asdict(state), allow_nan=False)))
        if rule.is_over(state):
            break
    return {
        "stopped_epoch": epoch if rule.is_over(state) else None,
        "best_epoch": state.best_epoch,
        "best_value": state.best_value,
        "reason": state.verdict or "max_epochs",
    }


@every_case
def test_the_reference_sequences_stop_where_they_should(case: dict[str, Any]) -> None:
    assert outcome(rule_of(case), case["monitored"], restart_each_epoch=False) == case["expected"]


@every_case
def test_a_restart_after_any_epoch_changes_nothing(case: dict[str, Any]) -> None:
    assert outcome(rule_of(case), case["monitored"], restart_each_epoch=True) == case["expected"]


def test_the_best_epoch_is_told_when_it_happens() -> None:
    rule, state = EarlyStopping(patience=9), StoppingState()
    assert [rule.observe(state, epoch, value) for epoch, value in enumerate([3.0, 2.0, 2.0, 1.0])] == [
        True,
        True,
        False,
        True,
    ]


def test_patience_runs_out_one_epoch_at_a_time() -> None:
    rule, state = EarlyStopping(patience=3), StoppingState()
    left = []
    for epoch, value in enumerate([1.0, 1.1, 0.9, 1.0, 1.0, 1.0]):
        rule.observe(state, epoch, value)
        left.append(rule.patience - state.wait)
    assert left == [3, 2, 3, 2, 1, 0]
    assert state.verdict == "patience"


def test_a_run_that_is_not_finite_from_the_start_has_no_best_epoch() -> None:
    rule, state = EarlyStopping(), StoppingState()
    assert not rule.observe(state, 0, math.nan)
    assert (state.best_epoch, state.best_value, state.verdict) == (None, None, "non_finite")


@pytest.mark.parametrize(
    ("monitor", "rises"),
    [("training.loss", False), ("validation.rmse", False), ("validation.accuracy", True), ("training.accuracy", True)],
)
def test_only_accuracy_is_wanted_high(monitor: Monitor, rises: bool) -> None:
    assert EarlyStopping(monitor=monitor).higher_is_better is rises


@pytest.mark.parametrize(
    "fields",
    [
        {"patience": 0},
        {"patience": 1.5},
        {"min_delta": -0.1},
        {"min_delta": math.inf},
        {"monitor": "test.loss"},
        {"mode": "min"},
        {"start_from_epoch": -1},
        {"restore_best": "yes"},
    ],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EarlyStopping.model_validate(fields)
