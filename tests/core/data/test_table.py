"""Tables and their bytes."""

import contextlib
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.table import (
    CategoryColumn,
    Column,
    CorruptTable,
    Group,
    NumberColumn,
    Table,
    table_from_bytes,
    table_to_bytes,
)

names = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), min_size=1, max_size=4, unique=True)
numbers = st.floats(allow_infinity=False)
words = st.none() | st.text(st.characters(codec="utf-8"), max_size=4)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(0, 12))
    columns: list[Column] = []
    for name in draw(names):
        if draw(st.booleans()):
            cells = draw(st.lists(numbers, min_size=rows, max_size=rows))
            columns.append(NumberColumn(name, np.array(cells, np.float64)))
        else:
            texts = draw(st.lists(words, min_size=rows, max_size=rows))
            categories = tuple(sorted({text for text in texts if text is not None}))
            codes = np.array([-1 if text is None else categories.index(text) for text in texts], np.int32)
            columns.append(CategoryColumn(name, codes, categories, draw(st.sampled_from(["category", "text"]))))
    return Table(tuple(columns))


def cells(table: Table) -> list[object]:
    return [
        (column.name, column.kind, column.values.tobytes())
        if isinstance(column, NumberColumn)
        else (column.name, column.kind, column.codes.tolist(), column.categories)
        for column in table.columns
    ]


@given(tables())
def test_a_table_comes_back_from_its_bytes_unchanged(table: Table) -> None:
    content = table_to_bytes(table)
    read = table_from_bytes(content)
    assert table_to_bytes(read) == content
    for before, after in zip(table.columns, read.columns, strict=True):
        assert (before.name, before.kind) == (after.name, after.kind)
        assert np.array_equal(before.missing, after.missing)
        if isinstance(before, NumberColumn) and isinstance(after, NumberColumn):
            assert np.array_equal(before.values, after.values, equal_nan=True)
        elif isinstance(before, CategoryColumn) and isinstance(after, CategoryColumn):
            assert cells(Table((before,))) == cells(Table((after,)))


def test_the_form_in_bytes_never_changes_by_accident() -> None:
    """Stored data sets are read by every later version; a new form needs a new mark."""
    table = Table(
        (
            NumberColumn("x", np.array([1.5, np.nan, -0.0])),
            CategoryColumn("größe", np.array([1, -1, 0], np.int32), ("klein", "λ")),
        )
    )
    digest = hashlib.sha256(table_to_bytes(table)).hexdigest()
    assert digest == "ae0ec32bc1e574601cd51c9663ab2dc388365f73ea1a73deedad5712fefef1ee"


def test_every_nan_is_the_same_missing_cell() -> None:
    strange = np.array([0x7FF8000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    plain = np.array([np.nan, np.nan])
    assert table_to_bytes(Table((NumberColumn("x", strange),))) == table_to_bytes(Table((NumberColumn("x", plain),)))


@given(tables(), st.data())
def test_bytes_that_were_cut_or_changed_are_refused_or_read_as_a_table(table: Table, data: st.DataObject) -> None:
    content = bytearray(table_to_bytes(table))
    position = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(CorruptTable):
        table_from_bytes(bytes(content[:position]))
    with pytest.raises(CorruptTable):
        table_from_bytes(bytes(content) + b"\0")
    content[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CorruptTable):
        table_from_bytes(bytes(content))


def a_grouped_table() -> Table:
    columns = tuple(NumberColumn(f"p{at}", np.full(2, float(at))) for at in range(4))
    return Table((*columns, NumberColumn("y", np.zeros(2))), (Group("g", ("p2", "p0", "p3", "p1"), (2, 2)),))


def test_groups_stay_with_the_table_they_are_of() -> None:
    table = a_grouped_table()
    assert table_from_bytes(table_to_bytes(table)).groups == table.take(np.array([1])).groups == table.groups
    assert table.select(["p0", "p1", "p2", "p3"]).groups == table.groups
    assert table.select(["p0", "y"]).groups == ()
    assert (table.group("g"), table.group("p0")) == (table.groups[0], None)


@pytest.mark.parametrize("wrong", [b"[2,0,3,9]", b"[2,0,3  ]"])
def test_a_group_of_columns_that_are_not_there_is_no_table(wrong: bytes) -> None:
    content = table_to_bytes(a_grouped_table())
    assert b"[2,0,3,1]" in content
    with pytest.raises(CorruptTable):
        table_from_bytes(content.replace(b"[2,0,3,1]", wrong))


def test_rows_are_taken_in_the_order_asked_for() -> None:
    table = Table(
        (NumberColumn("x", np.array([1.0, 2.0, 3.0])), CategoryColumn("c", np.array([0, 1, -1], np.int32), ("a", "b")))
    )
    taken = table.take(np.array([2, 0, 0]))
    assert cells(taken) == cells(
        Table(
            (
                NumberColumn("x", np.array([3.0, 1.0, 1.0])),
                CategoryColumn("c", np.array([-1, 0, 0], np.int32), ("a", "b")),
            )
        )
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: NumberColumn("x", np.array([1.0, np.inf])),
        lambda: NumberColumn("x", np.array([1, 2])),
        lambda: CategoryColumn("x", np.array([0, 2], np.int32), ("a", "b")),
        lambda: CategoryColumn("x", np.array([-2], np.int32), ("a",)),
        lambda: CategoryColumn("x", np.array([0], np.int32), ("b", "a")),
        lambda: Table((NumberColumn("x", np.zeros(1)), NumberColumn("x", np.zeros(1)))),
        lambda: Table((NumberColumn("x", np.zeros(1)), NumberColumn("y", np.zeros(2)))),
        lambda: Table((NumberColumn("x", np.zeros(1)),), (Group("x", ("x",), (1,)),)),
        lambda: Table((NumberColumn("x", np.zeros(1)),), (Group("g", ("x",), (1,)), Group("g", ("x",), (1,)))),
        lambda: Table((NumberColumn("x", np.zeros(1)),), (Group("g", ("y",), (1,)),)),
        lambda: Group("g", ("x", "y"), (3,)),
        lambda: Group("g", (), (0,)),
    ],
)
def test_a_table_that_breaks_its_promises_cannot_be_made(make) -> None:  # type: ignore[no-untyped-def]  # a lambda
    with pytest.raises(ValueError, match="column"):
        make()


def test_a_column_cannot_be_changed_once_made() -> None:
    column = NumberColumn("x", np.zeros(2))
    with pytest.raises(ValueError, match="read-only"):
        column.values[0] = 1
