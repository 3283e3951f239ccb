"""Columns that are the entries of one array a row: standardized channel by channel, or whole numbers as they are."""

from typing import Any

import numpy as np
import pytest

from core.data.choice import choose
from core.data.preparation import InputPlan, Preparation, TargetPlan
from core.data.shaped import ChannelAxis, ShapedPreparation, channel_of_entries
from core.data.table import CategoryColumn, NumberColumn, Table
from core.errors import Invalid

ROWS = 12


def a_table(columns: int, *, seed: int = 0) -> Table:
    drawn = np.random.default_rng(seed).normal(size=(ROWS, columns)) * 10 ** np.arange(columns) + 5
    names = [f"p{at}" for at in range(columns)]
    numbers = [NumberColumn(name, drawn[:, at].copy()) for at, name in enumerate(names)]
    return Table((*numbers, NumberColumn("y", np.arange(ROWS, dtype=np.float64))))


def features_of(table: Table) -> list[str]:
    return [name for name in table.names if name != "y"]


def fit(table: Table, shape: tuple[int, ...], axis: ChannelAxis = "first", **options: Any) -> Preparation:
    mode = options.pop("mode", "auto")
    plan = InputPlan(
        choose(table, features_of(table), "/features"), shape, "/network/inputs/x/shape", axis=axis, **options
    )
    target = TargetPlan(choose(table, "y", "/target"), "number")
    return Preparation.fit(table, np.arange(ROWS // 2), {"x": plan}, {"y": target}, mode=mode, used=np.arange(ROWS))


def prepared(preparation: Preparation, table: Table) -> Any:
    return preparation.inputs["x"].apply(table)


def problems(table: Table, shape: tuple[int, ...], **options: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        fit(table, shape, **options)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


@pytest.mark.parametrize("axis", ["first", "last"])
def test_every_channel_is_standardized_over_all_its_columns_of_the_training_rows(axis: ChannelAxis) -> None:
    table, channel_axis = a_table(6), {"first": 1, "last": 2}[axis]
    training = prepared(fit(table, (2, 3), axis), table)[: ROWS // 2].reshape(-1, 2, 3)
    others = tuple(at for at in range(3) if at != channel_axis)
    np.testing.assert_allclose(training.mean(axis=others), 0, atol=1e-12)
    np.testing.assert_allclose(training.std(axis=others), 1, rtol=1e-12)


def test_a_channel_by_hand() -> None:
    """Pixels 1 and 3 in one row, 5 and a gap in the other: the mean is 3, the deviation sqrt(8/3), the gap gives 0."""
    columns = NumberColumn("a", np.array([1.0, 5.0])), NumberColumn("b", np.array([3.0, np.nan]))
    table = Table((*columns, NumberColumn("y", np.arange(2.0))))
    choice = choose(table, ["a", "b"], "/features")
    target = {"y": TargetPlan(choose(table, "y", "/target"), "number")}
    found = Preparation.fit(table, np.arange(2), {"x": InputPlan(choice, (1, 1, 2))}, target)
    deviation = (8 / 3) ** 0.5
    np.testing.assert_allclose(prepared(found, table), [[-2 / deviation, 0], [2 / deviation, 0]], rtol=1e-15)


def test_a_pixel_that_never_varies_is_no_noise_that_is_blown_up() -> None:
    """Standardized by itself a pixel that is 0 but for one row of training would be as loud as the whole image."""
    pixels = np.random.default_rng(0).uniform(0, 16, (ROWS, 4))
    pixels[:, 0] = 0
    pixels[-1, 0] = 0.01
    columns = [NumberColumn(f"p{at}", pixels[:, at].copy()) for at in range(4)]
    table = Table((*columns, NumberColumn("y", np.arange(ROWS, dtype=np.float64))))
    found = prepared(fit(table, (1, 2, 2)), table)
    assert np.ptp(found[:, 0]) < 0.01


def test_a_constant_channel_gives_zeros() -> None:
    columns = [NumberColumn(f"p{at}", np.full(ROWS, 7.0 if at < 2 else float(at))) for at in range(4)]
    table = Table((*columns, NumberColumn("y", np.arange(ROWS, dtype=np.float64))))
    found = prepared(fit(table, (2, 2)), table)
    assert (found[:, :2] == 0).all()
    assert (found[:, 2:] != 0).all()


def test_a_shaped_preparation_learns_nothing_from_other_rows_and_comes_back_from_json() -> None:
    table = a_table(4)
    found = fit(table, (2, 2))
    wild = [NumberColumn(c.name, np.where(np.arange(ROWS) < ROWS // 2, c.values, 1e6)) for c in table.columns]  # type: ignore[union-attr]  # all are numbers
    assert fit(Table(tuple(wild)), (2, 2)) == found
    assert Preparation.model_validate_json(found.model_dump_json()) == found
    assert isinstance(found.inputs["x"], ShapedPreparation)


def test_a_row_is_prepared_alone_as_among_thousands() -> None:
    table = a_table(4)
    many = table.take(np.arange(5000) % ROWS)
    preparation = fit(table, (2, 2))
    np.testing.assert_array_equal(prepared(preparation, many), prepared(preparation, table)[np.arange(5000) % ROWS])


def test_without_preparation_a_shaped_input_is_fed_as_it_is() -> None:
    table = a_table(4)
    raw = np.stack([column.values for column in table.columns[:-1]], axis=1)  # type: ignore[union-attr]  # all are numbers
    np.testing.assert_array_equal(prepared(fit(table, (2, 2), mode="none"), table), raw)


def test_a_shape_with_other_than_one_axis_takes_prepared_categories_in_their_order() -> None:
    codes = (np.arange(ROWS) % 2).astype(np.int32)
    table = Table((
        CategoryColumn("c", codes, ("a", "b")), CategoryColumn("d", codes, ("u", "v")),
        NumberColumn("y", np.arange(ROWS, dtype=np.float64)),
    ))  # fmt: skip
    assert prepared(fit(table, (2, 2)), table)[0].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(("shape", "dtype"), [((3, 3), "float"), ((5,), "float"), ((4, 2), "int")])
def test_a_shape_of_another_size_is_told_with_both_numbers(shape: tuple[int, ...], dtype: Any) -> None:
    (found,) = problems(a_table(4), shape, dtype=dtype).items()
    assert found[0] == "/network/inputs/x/shape"
    assert str(np.prod(shape)) in found[1] and "4" in found[1]


def test_numbers_too_far_away_are_refused_by_row_and_column() -> None:
    table = a_table(4)
    far = [NumberColumn(c.name, np.where(np.arange(ROWS) == 3, 1e308, c.values * 1e-10)) for c in table.columns]  # type: ignore[union-attr]  # all are numbers
    near = [NumberColumn(c.name, c.values * 1e-10) for c in table.columns]  # type: ignore[union-attr]  # likewise
    with pytest.raises(Invalid) as caught:
        prepared(fit(Table(tuple(near)), (2, 2)), Table(tuple(far)))
    assert caught.value.problems[0].pointer == "/rows/3/p0"


def test_the_channel_of_each_entry_is_its_index_on_the_axis() -> None:
    assert channel_of_entries((2, 1, 2), "first") == [0, 0, 1, 1]
    assert channel_of_entries((2, 3), "last") == [0, 1, 2, 0, 1, 2]


def tokens(**cells: Any) -> Table:
    columns = {"t0": np.arange(ROWS, dtype=np.float64), "t1": np.full(ROWS, 3.0)}
    for name, (row, value) in cells.items():
        columns[name] = np.where(np.arange(ROWS) == row, value, columns[name])
    numbers = [NumberColumn(name, values) for name, values in columns.items()]
    return Table((*numbers, NumberColumn("y", np.arange(ROWS, dtype=np.float64))))


@pytest.mark.parametrize("mode", ["auto", "none"])
def test_whole_numbers_are_fed_as_they_are_whatever_the_preparation(mode: Any) -> None:
    found = prepared(fit(tokens(), (2,), dtype="int", mode=mode), tokens())
    assert found.dtype == np.int64
    assert found.tolist() == [[row, 3] for row in range(ROWS)]


@pytest.mark.parametrize("value", [np.nan, -1.0, 2.5, 2.0**53])
def test_what_is_no_index_is_refused_by_row_and_column(value: float) -> None:
    """Also in a row that is not for training: an embedding would have no vector for it."""
    (found,) = problems(tokens(t1=(ROWS - 1, value)), (2,), dtype="int").items()
    assert found[0] == "/features/1"
    assert f"row {ROWS - 1} of column 't1'" in found[1]
    with pytest.raises(Invalid) as caught:
        prepared(fit(tokens(), (2,), dtype="int"), tokens(t1=(4, value)))
    assert [problem.pointer for problem in caught.value.problems] == ["/rows/4/t1"]


def test_categories_are_no_indices() -> None:
    table = Table(
        (CategoryColumn("c", np.zeros(ROWS, np.int32), ("a",)), NumberColumn("y", np.arange(ROWS, dtype=np.float64)))
    )
    assert list(problems(table, (1,), dtype="int")) == ["/features/0"]
