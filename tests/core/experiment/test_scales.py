"""Advice at the creation of a job whose numbers are fed as they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from core.data.samples import draw_sample
from core.data.table import CategoryColumn, Group, NumberColumn, Table
from core.experiment import ExperimentSpec, resolve

ROWS = 40
WAVE = np.where(np.arange(ROWS) % 2, 1.0, -1.0)
"""Standard deviation 1 over all rows."""


def a_table(*columns: np.ndarray[Any, Any], groups: Sequence[Group] = ()) -> Table:
    numbers = [NumberColumn(f"c{index}", values.astype(np.float64)) for index, values in enumerate(columns)]
    target = CategoryColumn("t", (np.arange(ROWS) % 4 // 2).astype(np.int32), ("a", "b"))
    return Table((*numbers, target), tuple(groups))


def advice(table: Table, **description: Any) -> list[str]:
    asked = {"target": "t", "preparation": "none", "split": {"validation": 0}, **description}
    return [note for note in resolve(ExperimentSpec.model_validate(asked), table).notes if "fed as they are" in note]


@pytest.mark.parametrize(
    ("scale", "told"), [(1.0, False), (9.9, False), (10.1, True), (1 / 9.9, False), (1 / 10.1, True)]
)
def test_columns_more_than_ten_times_apart_are_told_of(scale: float, told: bool) -> None:
    found = advice(a_table(WAVE, scale * WAVE))
    assert bool(found) == told
    if told:
        assert "'c0'" in found[0] and "'c1'" in found[0] and "auto" in found[0]


@pytest.mark.parametrize(("spread", "told"), [(99.0, False), (101.0, True)])
def test_a_spread_of_more_than_a_hundred_is_told_of(spread: float, told: bool) -> None:
    assert bool(advice(a_table(spread * WAVE, spread * WAVE))) == told


def test_prepared_numbers_and_those_that_are_normalized_first_need_no_advice() -> None:
    table = a_table(WAVE, 1000 * WAVE)
    assert advice(table)
    assert not advice(table, preparation="auto")
    assert not advice(table, network={"layers": [{"op": "batch_norm"}, {"op": "dense"}]})


def test_columns_without_a_scale_of_their_own_are_not_compared() -> None:
    rare = (np.arange(ROWS) == 3).astype(np.float64)
    assert not advice(a_table(5 * WAVE, rare, np.full(ROWS, 1e6)))


def test_the_entries_of_an_image_share_their_scale() -> None:
    """The pixels of a border hardly vary, and are none the worse for it."""
    columns = [WAVE, 0.01 * WAVE, 16 * WAVE, 0.001 * WAVE]
    table = a_table(*columns, groups=[Group("image", ("c0", "c1", "c2", "c3"), (1, 2, 2))])
    network = {"layers": [{"op": "conv2d", "filters": 2, "kernel": 2}, {"op": "flatten"}, {"op": "dense"}]}
    assert not advice(table, features=["image"], network=network)
    large = a_table(*(1000 * column for column in columns), groups=table.groups)
    (note,) = advice(large, features=["image"], network=network)
    assert "the input 'x'" in note


def test_numbers_near_the_largest_are_told_of_without_overflow() -> None:
    (note,) = advice(a_table(1e307 * WAVE, WAVE), dtype="float64")
    assert "1e+307" in note


def test_of_many_numbers_some_rows_tell_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.experiment.scales._MOST_NUMBERS", 8)
    waves = np.sin(np.arange(ROWS))
    assert advice(a_table(waves, 1000 * waves))
    assert not advice(a_table(waves, waves))


def test_the_cars_are_told_by_their_weights() -> None:
    asked = {"target": "mpg", "preparation": "none", "features": ["Weight_in_lbs", "Cylinders", "Acceleration"]}
    notes = resolve(ExperimentSpec.model_validate(asked), draw_sample("cars")).notes
    assert any("'Weight_in_lbs'" in note and "'Cylinders'" in note for note in notes)
