"""What any patience would have chosen on a curve: the reference sequences, and each patience by itself."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from core.monitor import Monitor
from core.training.patience import Choice, choices
from core.training.stopping import EarlyStopping, StoppingState

CASES = json.loads((Path(__file__).parents[2] / "reference" / "early_stopping_and_init.json").read_text())[
    "early_stopping"
]["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_the_reference_sequences_are_judged_as_they_ran(case: dict[str, Any]) -> None:
    monitor: Monitor = "validation.accuracy" if case["mode"] == "max" else "validation.loss"
    rule = EarlyStopping(monitor=monitor, min_delta=case["min_delta"], start_from_epoch=case["start_from_epoch"])
    found = choices(rule, enumerate(map(float, case["monitored"])), case["patience"])[-1]
    expected = case["expected"]
    assert (found.patience, found.stop_epoch, found.best_epoch, found.best_value) == (
        case["patience"],
        expected["stopped_epoch"],
        expected["best_epoch"],
        expected["best_value"],
    )
    assert (found.reason or "max_epochs") == expected["reason"]


def test_all_patiences_at_once_are_each_patience_by_itself() -> None:
    chance = random.Random(5)
    for start in (0, 4):
        for _ in range(20):
            curve = [chance.choice([1.0, 0.9, 0.8, 0.7, 1.1]) + chance.random() / 5 for _ in range(25)]
            curve += [float("nan")] * chance.randrange(2)
            rule = EarlyStopping(min_delta=0.05, start_from_epoch=start)
            assert choices(rule, enumerate(curve), 30) == [_alone(rule, curve, patience) for patience in range(1, 31)]


def _alone(rule: EarlyStopping, curve: list[float], patience: int) -> Choice:
    rule, state = rule.model_copy(update={"patience": patience}), StoppingState()
    for epoch, value in enumerate(curve):
        rule.observe(state, epoch, value)
        if rule.is_over(state):
            return Choice(patience, epoch, state.best_epoch, state.best_value, state.verdict)
    return Choice(patience, None, state.best_epoch, state.best_value, None)
