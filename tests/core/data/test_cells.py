"""Tables out of JSON cells, and what is said of cells that make none."""

from typing import Any

import numpy as np
import pytest

from core.data.cells import table_from_grid, table_from_records
from core.data.rows import ColumnForm, rows_of, table_from_inputs, table_from_rows
from core.data.table import CategoryColumn, NumberColumn, table_to_bytes
from core.errors import Invalid

ROWS: list[dict[str, Any]] = [
    {"x": 1, "sex": "male", "ok": True},
    {"x": None, "sex": None, "ok": False},
    {"x": -2.5, "sex": "female", "ok": None},
]


MIXTURE = "mixes numbers with texts, or true and false, in one column; give the column a kind to take it so"


def refusal(make: Any, *arguments: Any, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        make(*arguments, **options)
    return [(problem.pointer, problem.detail) for problem in caught.value.problems]


def test_rows_become_columns_and_come_back() -> None:
    table = table_from_records(ROWS)
    assert table.names == ("x", "sex", "ok")
    assert [column.kind for column in table.columns] == ["number", "category", "category"]
    assert rows_of(table, 0, 3) == [
        {"x": 1, "sex": "male", "ok": "true"},
        {"x": None, "sex": None, "ok": "false"},
        {"x": -2.5, "sex": "female", "ok": None},
    ]
    assert rows_of(table, 1, 2) == rows_of(table, 0, 3)[1:2]


def test_rows_and_a_grid_of_the_same_cells_make_the_same_table() -> None:
    grid = table_from_grid(list(ROWS[0]), [list(row.values()) for row in ROWS])
    assert table_to_bytes(grid) == table_to_bytes(table_from_records(ROWS))


def test_the_order_of_members_in_later_rows_does_not_matter() -> None:
    turned = [ROWS[0], *(dict(reversed(row.items())) for row in ROWS[1:])]
    assert table_to_bytes(table_from_records(turned)) == table_to_bytes(table_from_records(ROWS))


def test_words_that_are_nearly_all_different_are_text() -> None:
    different = [{"name": f"passenger {row}", "sex": "male" if row % 2 else "female"} for row in range(60)]
    assert [column.kind for column in table_from_records(different).columns] == ["text", "category"]
    assert table_from_records(different, {"name": "category"}).column("name").kind == "category"
    few = [{"name": f"passenger {row}"} for row in range(8)]
    assert table_from_records(few).column("name").kind == "category"


def test_a_column_with_no_value_at_all_is_one_of_missing_numbers() -> None:
    column = table_from_records([{"x": None}, {"x": None}]).column("x")
    assert isinstance(column, NumberColumn)
    assert column.missing.all()


def test_a_given_kind_converts_the_cells() -> None:
    table = table_from_records(
        [{"zip": 1001, "size": " 1.5 "}, {"zip": 20.0, "size": None}], {"zip": "category", "size": "number"}
    )
    codes, sizes = table.columns
    assert isinstance(codes, CategoryColumn)
    assert codes.categories == ("1001", "20")
    assert isinstance(sizes, NumberColumn)
    assert np.array_equal(sizes.values, [1.5, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("rows", "kinds", "expected"),
    [
        ([], {}, [("/rows", "needs at least one row")]),
        ([{}], {}, [("/rows/0", "needs at least one column")]),
        ([{"": 1}], {}, [("/rows/0", "column 1 has no name")]),
        ([{"a\nb": 1}], {}, [("/rows/0", "column 1 has a name with characters that cannot be printed")]),
        ([{"a": 1}, {"b": 1}], {}, [
            ("/rows/1/a", "is not there; write null for a missing value"),
            ("/rows/1/b", "is not one of the columns"),
        ]),
        ([{"a/b": 1}, {"a/b": [1]}], {}, [("/rows/1/a~1b", "is neither number nor text")]),
        ([{"a": {}}], {}, [("/rows/0/a", "is neither number nor text")]),
        ([{"a": 1}, {"a": "1.5"}, {"a": 2}], {}, [
            ("/rows/1/a", MIXTURE),
        ]),
        ([{"a": 1}, {"a": True}], {"a": "number"}, [("/rows/1/a", "is not a finite number")]),
        ([{"a": "x"}, {"a": "1_000"}, {"a": "٣"}, {"a": "1e999"}, {"a": "nan"}], {"a": "number"}, [
            (f"/rows/{row}/a", "is not a finite number") for row in range(5)
        ]),
        ([{"a": 10**400}], {}, [("/rows/0/a", "is not a finite number")]),
        ([{"a": float("inf")}, {"a": float("nan")}], {}, [
            ("/rows/0/a", "is not a finite number"), ("/rows/1/a", "is not a finite number"),
        ]),
        ([{"a": "x\0"}], {}, [("/rows/0/a", "is a text with the character NUL")]),
        ([{"a": "\ud800"}], {}, [("/rows/0/a", "is a text with half of a surrogate pair")]),
        ([{"a": "x" * 10_001}], {}, [("/rows/0/a", "is a text of 10001 characters; at most 10000 are taken")]),
        ([{"a": 1}], {"b": "number"}, [("/kinds/b", "there is no such column")]),
    ],
)  # fmt: skip
def test_rows_that_make_no_table_are_refused_by_place(
    rows: list[dict[str, Any]], kinds: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert refusal(table_from_records, rows, kinds) == expected


def test_all_mistakes_are_told_at_once_but_no_more_than_a_hundred() -> None:
    assert len(refusal(table_from_records, [{"a": 1, "b": "x"}, {"a": "y", "b": 2}])) == 2
    assert len(refusal(table_from_records, [{"a": 1}] + [{"b": 1}] * 100_000)) == 100


@pytest.mark.parametrize(
    ("names", "grid", "expected"),
    [
        ([], [], ["/columns", "/data"]),
        (["a", "b", "a"], [[1, 2, 3]], ["/columns"]),
        (["a", "b"], [[1, 2], [3], [4, 5, 6]], ["/data/1", "/data/2"]),
        (["a", "b"], [[1, 2], [3, "x"]], ["/data/1/1"]),
        ([f"c{column}" for column in range(5000)], [[0] * 5000], ["/columns"]),
    ],
)
def test_grids_that_make_no_table_are_refused_by_place(names: list[str], grid: Any, expected: list[str]) -> None:
    assert [place for place, _ in refusal(table_from_grid, names, grid)] == expected


FORMS = [ColumnForm("age", "number"), ColumnForm("sex", "category", ("female", "male"))]


def test_rows_to_predict_may_hold_null_and_unknown_categories() -> None:
    table = table_from_rows([{"sex": "other", "age": None}, {"age": 3, "sex": None}], FORMS)
    assert rows_of(table, 0, 2) == [{"age": None, "sex": "other"}, {"age": 3, "sex": None}]
    assert table_to_bytes(table_from_inputs([[None, "other"], [3, None]], FORMS)) == table_to_bytes(table)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"age": "3", "sex": "male"}, [("/rows/0/age", "is not a finite number")]),
        ({"age": True, "sex": "male"}, [("/rows/0/age", "is not a finite number")]),
        ({"age": 3, "sex": 1}, [("/rows/0/sex", "is not a text")]),
        ({"age": 3, "sex": False}, [("/rows/0/sex", "is not a text")]),
        ({"age": [3], "sex": {}}, [("/rows/0/age", "is not a finite number"), ("/rows/0/sex", "is not a text")]),
        ({"age": 3}, [("/rows/0/sex", "is not there; write null for a missing value")]),
        ({"age": 3, "sex": "male", "Age": 4}, [("/rows/0/Age", "is not one of the columns")]),
    ],
)
def test_rows_to_predict_are_refused_by_place(row: Any, expected: list[tuple[str, str]]) -> None:
    assert refusal(table_from_rows, [row], FORMS) == expected


def test_inputs_of_another_width_are_refused() -> None:
    assert refusal(table_from_inputs, [[1, "male"], [1]], FORMS) == [
        ("/inputs/1", "has 1 cells where there are 2 columns")
    ]


def test_numbers_and_booleans_are_taken_where_they_name_categories() -> None:
    zips, flags = ColumnForm("zip", "category", ("1001", "20")), ColumnForm("ok", "category", ("false", "true"))
    table = table_from_inputs([[20, True], ["7", False]], [zips, flags])
    assert rows_of(table, 0, 2) == [{"zip": "20", "ok": "true"}, {"zip": "7", "ok": "false"}]


def test_an_object_is_no_category_whatever_the_categories_are() -> None:
    with pytest.raises(Invalid) as caught:
        table_from_inputs([["1"], [{}]], [ColumnForm("c", "category", ("1", "2"))])
    assert [problem.pointer for problem in caught.value.problems] == ["/inputs/1/0"]
