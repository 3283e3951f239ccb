"""Preparation: fitted on training rows, the same for every row, and undone for predictions."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.cells import table_from_records
from core.data.choice import choose, choose_others, rows_with_target
from core.data.preparation import InputPlan, Preparation, TargetPlan
from core.data.rows import rows_of, table_from_rows
from core.data.samples import draw_sample
from core.data.schema import with_kinds
from core.data.table import CategoryColumn, NumberColumn, Table
from core.data.targets import NumberTarget, OutputNotFinite
from core.data.task import choose_encoding
from core.errors import Invalid
from core.losses.bce_with_logits import BceWithLogits
from core.losses.cross_entropy import CrossEntropy
from core.losses.mse import Mse

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(4, 20))

    def numbers(values: st.SearchStrategy[float]) -> NumberColumn:
        return NumberColumn("", np.array(draw(st.lists(values, min_size=rows, max_size=rows)), np.float64))

    codes = np.array(draw(st.lists(st.integers(-1, 3), min_size=rows, max_size=rows)), np.int32)
    return Table(
        (
            NumberColumn("small", numbers(st.floats(-100, 100) | st.just(np.nan)).values),
            NumberColumn("large", numbers(finite | st.just(np.nan)).values),
            CategoryColumn("kind", codes, ("a", "b", "c", "d")),
            NumberColumn("y", numbers(finite).values),
        )
    )


def training_rows(table: Table) -> Any:
    return np.arange(table.rows * 3 // 4)


def fit(table: Table, target: Any = "y", *, training: Any = None, **options: Any) -> Preparation:
    """The preparation of the input x, which all other columns feed unless `features` are named, and the target y."""
    choice = choose(table, target, "/target")
    loss, features = options.get("loss"), options.get("features")
    left_out: dict[str, str] = {}
    if features is None:
        fed, left_out = choose_others(table, choice.columns, "/features")
    else:
        fed = choose(table, features, "/features", targets=choice.columns)
    encoding = options.get("encoding") or choose_encoding(
        [table.column(name) for name in choice.columns], loss and loss.kind
    )
    plan = TargetPlan(choice, encoding, has_free_units=loss is None or loss.has_free_units)
    rows = training_rows(table) if training is None else training
    mode = options.get("mode", "auto")
    return Preparation.fit(table, rows, {"x": InputPlan(fed)}, {"y": plan}, mode=mode, left_out=left_out)


def refusal(*arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(Invalid) as caught:
        fit(*arguments, **options)
    return [problem.pointer for problem in caught.value.problems]


@given(tables())
def test_training_features_are_finite_and_standardized(table: Table) -> None:
    preparation = fit(table, encoding="number")
    features = preparation.inputs["x"].apply(table.take(training_rows(table)))
    assert np.isfinite(features).all()
    assert features.shape[1] == len(preparation.inputs["x"].names)
    # A column without any value is left out.
    for name in {"small", "large"} - preparation.left_out.keys():
        values = features[:, preparation.inputs["x"].names.index(name)]
        assert values.mean() == pytest.approx(0, abs=1e-6)
        assert values.std() == pytest.approx(1, abs=1e-6) or (values == 0).all()


@given(tables(), st.randoms())
def test_nothing_is_learned_from_rows_outside_training(table: Table, random: Any) -> None:
    training = training_rows(table)
    order = list(range(table.rows))
    outside = order[len(training) :]
    random.shuffle(outside)
    # The other rows in another order, each column by itself doubled: other statistics, the same classes.
    shuffled = table.take(np.array(order[: len(training)] + outside + outside[:1]))
    first, second = (fit(one, training=training, encoding="number") for one in (table, shuffled))
    assert first == second


def test_other_validation_rows_leave_every_fitted_number_as_it_was() -> None:
    rows: list[dict[str, Any]] = [{"x": float(row), "c": "ab"[row % 2], "y": float(row)} for row in range(10)]
    wild = [*rows[:8], {"x": None, "c": "z", "y": 1e300}, {"x": -1e300, "c": None, "y": -1e300}]
    training = np.arange(8)
    first, second = (fit(table_from_records(some), training=training, encoding="number") for some in (rows, wild))
    assert first == second
    assert np.isfinite(second.inputs["x"].apply(table_from_records(wild))).all()


@given(tables())
def test_a_row_is_prepared_the_same_alone_as_among_others(table: Table) -> None:
    preparation = fit(table, encoding="number")
    try:
        together = preparation.inputs["x"].apply(table)
    except Invalid:
        return
    for row in range(table.rows):
        alone = preparation.inputs["x"].apply(table.take(np.array([row])))
        assert np.array_equal(alone[0], together[row])


@given(tables())
def test_a_preparation_comes_back_from_json_unchanged(table: Table) -> None:
    preparation = fit(table, encoding="number")
    assert Preparation.model_validate_json(preparation.model_dump_json()) == preparation


def test_a_preparation_of_the_time_when_there_was_one_input_and_one_target_is_still_read() -> None:
    stored = {
        "inputs": {"features": [{"kind": "number", "column": "a", "fill": 1.0, "mean": 2.0, "deviation": 4.0}]},
        "target": {"encoding": "class", "labels": {"column": "c", "classes": ["u", "v"], "numeric": False}},
        "left_out": {"n": "text: nearly all values are different"},
    }
    found = Preparation.model_validate_json(json.dumps(stored)).named(["flower"], ["kind"])
    table = table_from_records([{"a": 6.0, "c": "v"}, {"a": None, "c": "u"}])
    assert {name: array.tolist() for name, array in found.input_arrays(table).items()} == {"flower": [[1], [-0.25]]}
    assert {name: array.tolist() for name, array in found.target_arrays(table).items()} == {"kind": [1, 0]}
    assert list(found.left_out) == ["n"]


@given(tables())
def test_rows_as_json_are_prepared_like_the_table(table: Table) -> None:
    preparation = fit(table, encoding="number")
    inputs = table.select(preparation.inputs["x"].columns)
    rows = table_from_rows(rows_of(inputs, 0, table.rows), preparation.feature_forms)
    assert outcome(preparation, rows) == outcome(preparation, inputs)


def outcome(preparation: Preparation, table: Table) -> object:
    """The features, or what is wrong with the rows."""
    try:
        return preparation.inputs["x"].apply(table).tolist()
    except Invalid as error:
        return error.problems


@given(st.lists(finite, min_size=2, max_size=30))
def test_regression_targets_are_standardized_and_come_back(values: list[float]) -> None:
    table = Table((NumberColumn("x", np.zeros(len(values))), NumberColumn("y", np.array(values))))
    preparation = fit(table, "y", training=np.arange(len(values)), encoding="number")
    targets = preparation.targets["y"].apply(table)
    assert targets.shape == (len(values), 1)
    largest = max(map(abs, values))
    # An output one rounding beyond the largest float64 is told apart from a wrong inverse.
    if largest < 1e308:
        assert preparation.targets["y"].predictions(targets) == pytest.approx(
            values, rel=1e-9, abs=1e-12 * largest + 1e-322
        )


def test_penguins_become_fourteen_features() -> None:
    table = draw_sample("penguins")
    preparation = fit(table, "species", training=np.arange(300))
    assert preparation.inputs["x"].names == (
        "island=Biscoe", "island=Dream", "island=Torgersen",
        "bill_length_mm", "bill_length_mm=(missing)", "bill_depth_mm", "bill_depth_mm=(missing)",
        "flipper_length_mm", "flipper_length_mm=(missing)", "body_mass_g", "body_mass_g=(missing)",
        "sex=female", "sex=male", "sex=(missing)",
    )  # fmt: skip
    assert preparation.targets["y"].classes == ["Adelie", "Chinstrap", "Gentoo"]
    gap = preparation.inputs["x"].apply(table)[2]
    assert dict(zip(preparation.inputs["x"].names, gap, strict=True))["sex=(missing)"] == 1
    assert preparation.targets["y"].predictions(preparation.targets["y"].apply(table)[:2]) == ["Adelie", "Adelie"]


def test_a_number_by_hand() -> None:
    """1, 3 and a gap: the gap becomes the median 2, the mean is 2, the deviation sqrt(2/3)."""
    table = table_from_records([{"x": x, "y": y} for x, y in ((1, 0.5), (3, 1.5), (None, 2.5))])
    preparation = fit(table, "y", training=np.arange(3), encoding="number")
    deviation = (2 / 3) ** 0.5
    assert preparation.inputs["x"].apply(table).tolist() == [[-1 / deviation, 0], [1 / deviation, 0], [0, 1]]


def test_rare_and_unknown_categories_share_a_feature() -> None:
    cells = ["a"] * 5 + ["b"] * 3 + ["c", "d"]
    table = table_from_records([{"c": cell, "y": float(row)} for row, cell in enumerate(cells)])
    preparation = fit(table, "y", training=np.arange(10), encoding="number")
    assert preparation.inputs["x"].names == ("c=a", "c=b", "c=(other)")
    rows = table_from_rows([{"c": cell} for cell in ("a", "b", "d", "new", None)], preparation.feature_forms)
    assert preparation.inputs["x"].apply(rows).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_a_constant_column_stays_and_gives_zeros() -> None:
    table = table_from_records([{"x": 0.1, "z": row, "y": row / 2} for row in range(10)])
    preparation = fit(table, encoding="number")
    assert preparation.inputs["x"].names == ("x", "z")
    other = table_from_rows([{"x": 7, "z": 1}], preparation.feature_forms)
    assert preparation.inputs["x"].apply(other)[0, 0] == 0


def test_text_and_empty_columns_are_left_out_and_said_so() -> None:
    table = table_from_records([{"name": f"n{row}", "gap": None, "x": row, "y": row / 2} for row in range(40)])
    preparation = fit(table)
    assert preparation.inputs["x"].columns == ("x",)
    assert sorted(preparation.left_out) == ["gap", "name"]
    assert fit(table, features=["name"]).inputs["x"].columns == ("name",)


def test_whole_numbers_as_classes_are_predicted_as_numbers() -> None:
    table = table_from_records([{"x": row, "y": (row % 3) * 5} for row in range(30)])
    preparation = fit(table)
    assert preparation.targets["y"].classes == ["0", "5", "10"]
    assert preparation.targets["y"].apply(table)[:4].tolist() == [0, 1, 2, 0]
    assert preparation.targets["y"].predictions(np.array([2, 0])) == [10, 0]


def test_a_binary_loss_takes_zeros_and_ones() -> None:
    table = table_from_records([{"x": row, "y": "yes" if row % 2 else "no", "z": row % 2} for row in range(30)])
    single = fit(table, "y", loss=BceWithLogits())
    assert single.targets["y"].apply(table)[:2].tolist() == [[0], [1]]
    assert single.targets["y"].classes == ["no", "yes"]
    assert single.targets["y"].predictions(np.array([[1.0], [0.0]])) == ["yes", "no"]
    double = fit(table, ["y", "z"], loss=BceWithLogits())
    assert double.targets["y"].predictions(np.array([[1, 0]])) == [["yes", 0]]


def test_a_binary_loss_takes_probabilities_as_they_are() -> None:
    table = table_from_records([{"x": row, "y": row / 29} for row in range(30)])
    assert fit(table, "y", loss=BceWithLogits()).targets["y"].apply(table)[29].tolist() == [1.0]


def test_several_number_targets_keep_their_own_units() -> None:
    table = table_from_records([{"x": row, "a": row * 1000, "b": row / 7} for row in range(12)])
    preparation = fit(table, ["a", "b"])
    assert isinstance(preparation.targets["y"], NumberTarget)
    found = preparation.targets["y"].predictions(preparation.targets["y"].apply(table))
    assert found[7] == pytest.approx([7000, 1])


def test_without_preparation_numbers_pass_as_they_are() -> None:
    table = table_from_records([{"x": 5, "y": 100.5}, {"x": -3, "y": 3.25}])
    preparation = fit(table, "y", training=np.arange(2), mode="none", encoding="number")
    assert preparation.inputs["x"].apply(table).tolist() == [[5], [-3]]
    assert preparation.targets["y"].apply(table).tolist() == [[100.5], [3.25]]


def test_without_preparation_categories_and_gaps_are_named() -> None:
    table = table_from_records([{"c": "a", "x": None, "z": 1, "y": 2.5}, {"c": "b", "x": 1, "z": 2, "y": 3.5}])
    assert refusal(table, mode="none") == ["/features/0", "/features/1"]
    preparation = fit(table, "y", training=np.arange(2), features=["z"], mode="none", encoding="number")
    with pytest.raises(Invalid) as caught:
        preparation.inputs["x"].apply(table_from_rows([{"z": 1}, {"z": None}], preparation.feature_forms))
    assert [problem.pointer for problem in caught.value.problems] == ["/rows/1/z"]


CARS: list[dict[str, Any]] = [
    {"x": row, "n": f"car {row}", "c": "abc"[row % 3], "one": "a", "y": row / 3} for row in range(30)
]


@pytest.mark.parametrize(
    ("target", "options", "expected"),
    [
        ("price", {}, ["/target"]),
        (["y", "price"], {}, ["/target/1"]),
        (["y", "y"], {}, ["/target/1"]),
        ([], {}, ["/target"]),
        ("y", {"features": ["x", "y", "w", "x"]}, ["/features/2", "/features/3", "/features/1"]),
        ("y", {"features": []}, ["/features"]),
        ("one", {}, ["/target"]),
        ("n", {}, ["/target"]),
        ("c", {"loss": Mse()}, ["/target"]),
        ("c", {"loss": BceWithLogits()}, ["/target"]),
        ("y", {"loss": CrossEntropy()}, ["/target"]),
        (["c", "x"], {"loss": CrossEntropy()}, ["/target"]),
        (["c", "y"], {}, ["/target"]),
        ("c", {"loss": Mse(), "mode": "none", "features": ["x", "one"]}, ["/features/1", "/target"]),
    ],
)
def test_what_does_not_fit_is_refused_by_place(target: Any, options: dict[str, Any], expected: list[str]) -> None:
    assert refusal(table_from_records(CARS), target, **options) == expected


def test_a_table_without_features_is_refused() -> None:
    assert refusal(table_from_records([{"y": row / 3} for row in range(9)])) == ["/features"]


def test_rows_without_a_target_are_found() -> None:
    table = table_from_records([{"a": 1, "b": "x"}, {"a": None, "b": "x"}, {"a": 1, "b": None}])
    assert rows_with_target(table, ["a"]).tolist() == [0, 2]
    assert rows_with_target(table, ["a", "b"]).tolist() == [0]


def test_an_unknown_or_missing_class_is_named() -> None:
    preparation = fit(table_from_records(CARS), "c")
    with pytest.raises(Invalid) as caught:
        preparation.targets["y"].apply(table_from_rows([{"c": "z"}, {"c": None}, {"c": "a"}], preparation.target_forms))
    assert [problem.pointer for problem in caught.value.problems] == ["/rows/0/c", "/rows/1/c"]


def test_a_column_of_another_kind_is_refused() -> None:
    table = table_from_records(CARS)
    preparation = fit(table)
    other = with_kinds(table, {"x": "category"})
    with pytest.raises(Invalid) as caught:
        preparation.inputs["x"].apply(other)
    assert [problem.pointer for problem in caught.value.problems] == ["/x"]


def test_numbers_too_far_away_are_refused_not_infinite() -> None:
    table = table_from_records([{"x": row * 1e-10, "y": row / 2} for row in range(10)])
    preparation = fit(table)
    with pytest.raises(Invalid) as caught:
        preparation.inputs["x"].apply(table_from_rows([{"x": 1}, {"x": -1e308}], preparation.feature_forms))
    assert [problem.pointer for problem in caught.value.problems] == ["/rows/1/x"]


def test_an_output_beyond_float64_is_no_prediction() -> None:
    preparation = fit(table_from_records([{"x": row, "y": row * 1e300} for row in range(10)]), encoding="number")
    with pytest.raises(OutputNotFinite):
        preparation.targets["y"].predictions(np.array([[1e200]]))
