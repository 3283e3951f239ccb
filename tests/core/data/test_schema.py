"""Kinds and statistics of columns."""

import numpy as np
import pytest

from core.data.cells import table_from_records
from core.data.numerals import number_of
from core.data.schema import profile, with_kinds
from core.data.table import CategoryColumn, NumberColumn, Table, table_to_bytes
from core.errors import Invalid


def test_a_profile_by_hand() -> None:
    table = table_from_records([{"x": x, "c": c} for x, c in ((1, "b"), (4, "a"), (None, "b"), (1, None))])
    assert [column.model_dump(exclude_none=True) for column in profile(table)] == [
        {
            "name": "x", "kind": "number", "missing": 1, "distinct": 2,
            "statistics": {"min": 1, "max": 4, "mean": 2, "median": 1, "std": pytest.approx(2**0.5), "integers": True},
        },
        {
            "name": "c", "kind": "category", "missing": 1, "distinct": 2, "categories": ["a", "b"],
            "top": [{"category": "b", "count": 2}, {"category": "a", "count": 1}],
        },
    ]  # fmt: skip


def test_long_categories_are_cut_off_and_text_is_not_listed() -> None:
    words, essay = "x" * 5000, [f"essay {row}" for row in range(50)]
    long, text = profile(table_from_records([{"long": words, "text": each} for each in essay]))
    assert long.categories == ["x" * 200 + "…"]
    assert (text.kind, text.distinct, text.categories, text.top) == ("text", 50, None, None)


def test_statistics_at_the_ends_of_float64_are_finite() -> None:
    (column,) = profile(Table((NumberColumn("x", np.array([-1.7e308, 1.7e308, 1.7e308])),)))
    assert column.statistics is not None
    assert np.isfinite(list(column.statistics.model_dump().values())).all()


@pytest.mark.parametrize("text", ["0", "-1", "+1.5", ".5", "5.", "1e3", "1E-3", "007", "1.7e308"])
def test_numerals(text: str) -> None:
    assert number_of(text) == float(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "1_000", "1,5", "٣", "１", "0x10", "1e", "e5", ".", "+", "nan", "inf", "1e400", "1 2", "1\n", "--1"],
)
def test_texts_that_are_no_numbers(text: str) -> None:
    assert number_of(text) is None


def test_kinds_can_be_corrected_there_and_back() -> None:
    table = table_from_records([{"x": 3}, {"x": 1.5}, {"x": None}, {"x": -2}])
    words = with_kinds(table, {"x": "category"})
    column = words.column("x")
    assert isinstance(column, CategoryColumn)
    assert column.categories == ("-2", "1.5", "3")
    assert table_to_bytes(with_kinds(words, {"x": "number"})) == table_to_bytes(table)
    assert with_kinds(words, {"x": "text"}).column("x").kind == "text"


def test_words_that_are_no_numbers_cannot_become_numbers() -> None:
    table = table_from_records([{"x": "1"}, {"x": "one"}])
    with pytest.raises(Invalid) as caught:
        with_kinds(table, {"x": "number", "y": "number"})
    told = [(problem.pointer, problem.got) for problem in caught.value.problems]
    assert told == [("/kinds/y", None), ("/kinds/x", "one")]
