"""Files as tables, whatever is in them."""

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.data.cells import table_from_records
from core.data.numerals import MISSING_MARKERS, is_infinite, number_of
from core.data.rows import rows_of
from core.data.table import Group, NumberColumn, table_from_bytes, table_to_bytes
from core.errors import Invalid
from service.datasets.files.contents import Contents, FileRequest
from service.datasets.files.engine import engine_for
from service.datasets.files.reading import read_file

ROWS: list[dict[str, Any]] = [
    {"id": 1, "weight": 3.5, "kind": "a, b", "note": 'say "hi"'},
    {"id": 2, "weight": None, "kind": "ü", "note": None},
    {"id": 3, "weight": -1e-3, "kind": None, "note": "two\nlines"},
    {"id": 4, "weight": 1.7e308, "kind": "ü", "note": "x"},
]


def read(folder: Path, content: bytes | str, **options: Any) -> Contents:
    path = folder / "file"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, FileRequest(**options))


def refusal(folder: Path, content: bytes | str, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        read(folder, content, **options)
    return [(problem.pointer, problem.detail) for problem in caught.value.problems]


def csv_of(delimiter: str) -> str:
    lines = [delimiter.join(ROWS[0])]
    for row in ROWS:
        lines.append(
            delimiter.join(
                "" if cell is None else f'"{str(cell).replace(chr(34), chr(34) * 2)}"' for cell in row.values()
            )
        )
    return "\n".join(lines)


def parquet_of(folder: Path, select: str) -> bytes:
    path = folder / "made.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}'")
    return path.read_bytes()


def npz_of(**arrays: Any) -> bytes:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


def parquet_rows(folder: Path) -> bytes:
    (folder / "rows.json").write_text(json.dumps(ROWS))
    columns = "{id: 'BIGINT', weight: 'DOUBLE', kind: 'VARCHAR', note: 'VARCHAR'}"
    return parquet_of(folder, f"SELECT * FROM read_json('{folder}/rows.json', columns = {columns})")


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda folder: csv_of(","), {}),
        (lambda folder: csv_of(",").replace("\n", "\r\n"), {"filename": "x.csv"}),
        (lambda folder: "\ufeff" + csv_of(";") + "\n\n", {}),
        (lambda folder: csv_of("|"), {"delimiter": "|"}),
        (lambda folder: csv_of("\t"), {"format": "tsv"}),
        (lambda folder: json.dumps(ROWS), {"filename": "x.JSON"}),
        (lambda folder: json.dumps({"rows": ROWS}), {}),
        (lambda folder: json.dumps({"columns": [*ROWS[0]], "data": [[*row.values()] for row in ROWS]}), {}),
        (lambda folder: "\n".join(map(json.dumps, ROWS)), {"filename": "x.jsonl"}),
        (lambda folder: "\n\n".join(map(json.dumps, ROWS)) + "\n", {"format": "ndjson"}),
        (parquet_rows, {}),
    ],
    ids=["csv", "crlf", ";", "|", "tsv", "json", "json-rows", "json-grid", "ndjson", "ndjson-gaps", "parquet"],
)
def test_every_format_gives_the_same_table(tmp_path: Path, make: Any, options: dict[str, Any]) -> None:
    expected = table_to_bytes(table_from_records(ROWS))
    content = make(tmp_path)
    if options.get("filename") == "x.csv":
        # Line ends inside a quoted text are changed like all others.
        assert "two\r\nlines" in content
    assert table_to_bytes(read(tmp_path, content, **options).table) == expected


def test_arrays_become_columns(tmp_path: Path) -> None:
    content = npz_of(
        x=np.arange(6).reshape(3, 2),
        y=np.array([0.5, np.nan, 2]),
        word=np.array(["a", "b", "a"]),
        ok=np.array([True, False, True]),
    )
    table, source = read(tmp_path, content)
    assert rows_of(table, 0, 3) == [
        {"x_0": 0, "x_1": 1, "y": 0.5, "word": "a", "ok": "true"},
        {"x_0": 2, "x_1": 3, "y": None, "word": "b", "ok": "false"},
        {"x_0": 4, "x_1": 5, "y": 2, "word": "a", "ok": "true"},
    ]
    assert source.notes == ["Array 'x' of shape (3, 2) became the columns x_0 to x_1."]


def test_arrays_with_more_axes_become_columns_in_row_major_order_and_are_remembered(tmp_path: Path) -> None:
    images = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 3)
    table, source = read(tmp_path, npz_of(image=images, ids=np.zeros((2, 2), np.int64), word=np.array(["a", "b"])))
    names = ("image_0_0", "image_0_1", "image_0_2", "image_1_0", "image_1_1", "image_1_2")
    assert table.groups == (Group("image", names, (2, 3)), Group("ids", ("ids_0", "ids_1"), (2,)))
    assert rows_of(table.select(names), 1, 2) == [dict(zip(names, range(6, 12), strict=True))]
    assert source.notes[0] == "Array 'image' of shape (2, 2, 3) became the columns image_0_0 to image_1_2."
    assert table_from_bytes(table_to_bytes(table)).groups == table.groups


def test_words_have_axes_too_and_an_array_without_entries_is_no_group(tmp_path: Path) -> None:
    table, _ = read(tmp_path, npz_of(x=np.array([[["a"], ["b"]]]), nothing=np.zeros((1, 0, 3))))
    assert [group.name for group in table.groups] == ["x"]
    assert rows_of(table, 0, 1) == [{"x_0_0": "a", "x_1_0": "b"}]


def test_kinds_leave_groups_as_they_are(tmp_path: Path) -> None:
    table = read(tmp_path, npz_of(x=np.zeros((2, 2))), kinds={"x_1": "category"}).table
    assert table.groups == (Group("x", ("x_0", "x_1"), (2,)),)


def test_missing_texts_are_counted_and_said(tmp_path: Path) -> None:
    table, source = read(tmp_path, "x,c\n1,a\nNA,?\n ,b\nNaN,\n2,NA\n")
    assert source.missing_texts == {"?": 1, "NA": 2, "NaN": 1}
    assert rows_of(table, 1, 4) == [{"x": None, "c": None}, {"x": None, "c": "b"}, {"x": None, "c": None}]


def test_a_stray_text_among_numbers_is_said_or_refused(tmp_path: Path) -> None:
    content = "x\n1\n2\noops\n4\n"
    table, source = read(tmp_path, content)
    assert table.column("x").kind == "category"
    assert source.notes == [
        "Column 'x' was taken for words although 3 of 4 cells are numbers; give it the kind number to see the others. "
        "Row 3 holds 'oops'."
    ]
    assert refusal(tmp_path, content, kinds={"x": "number"}) == [
        ("/file", "row 3 of column 'x' is not a finite number")
    ]


def test_numbers_with_decimal_commas_are_said_to_be_words(tmp_path: Path) -> None:
    table, source = read(tmp_path, "x;y\n1,5;1\n2;2\n-0,25;3\n")
    assert [column.kind for column in table.columns] == ["category", "number"]
    (note,) = source.notes
    assert "commas" in note
    assert note.endswith("Row 1 holds '1,5'.")


def test_a_given_kind_wins_over_the_guess(tmp_path: Path) -> None:
    table = read(tmp_path, "zip,x\n01234,1\n1234,2\n", kinds={"zip": "category"}).table
    assert rows_of(table, 0, 2) == [{"zip": "01234", "x": 1}, {"zip": "1234", "x": 2}]
    for content in (npz_of(x=np.array([1, 2])), parquet_of(tmp_path, "SELECT 1 AS x"), b'[{"x": 1}]'):
        assert read(tmp_path, content, kinds={"x": "category"}).table.column("x").kind == "category"
        assert refusal(tmp_path, content, kinds={"y": "category"}) == [("/kinds/y", "there is no such column")]


def test_a_file_without_header_is_taken_when_that_is_said(tmp_path: Path) -> None:
    ((place, detail),) = refusal(tmp_path, "1,2\n3,4\n")
    assert place == "/file"
    assert "header" in detail
    assert rows_of(read(tmp_path, "1,2\n3,4\n", header=False).table, 0, 9) == [
        {"column_1": 1, "column_2": 2}, {"column_1": 3, "column_2": 4},
    ]  # fmt: skip
    assert rows_of(read(tmp_path, "1,2\n3,4\n", header=True).table, 0, 9) == [{"1": 3, "2": 4}]


def test_empty_lines_are_missing_values_of_a_single_column_and_nothing_otherwise(tmp_path: Path) -> None:
    assert rows_of(read(tmp_path, "x\n1\n\n3\n\n\n").table, 0, 9) == [{"x": 1}, {"x": None}, {"x": 3}]
    assert rows_of(read(tmp_path, "x,y\n1,2\n\n3,4\n\n\n").table, 0, 9) == [{"x": 1, "y": 2}, {"x": 3, "y": 4}]


CSV_MISTAKES: list[tuple[bytes | str, list[str]]] = [
    (b"", ["is empty"]),
    ("\n\n", ["is empty"]),
    ("a,b", ["has a header, but no rows"]),
    ("a,b\n", ["has a header, but no rows"]),
    ("\na,b\n1,2\n", ["begins with an empty line; the first line must hold the names of the columns"]),
    ("a,b,a\n1,2,3\n", ["columns 1 and 3 have the same name"]),
    ("a, a\n1,2\n", ["columns 1 and 2 have the same name"]),
    ("a,,b\n1,2,3\n", ["column 2 has no name"]),
    ("a,b\n1,2,3\n1,2\n1\n", [f"line {line} has {cells} cells where the first" for line, cells in ((2, 3), (4, 1))]),
    ("a,b\n1,2,\n", ["line 2 has 3 cells where the first line has 2"]),
    ('a,b\n"1,2\n', ["cannot be read at line 2: unexpected end of data"]),
    ('a,b\n"1"x,2\n', ["cannot be read at line 2: ',' expected after '\"'"]),
    ("a,größe\n1,2\n".encode("latin-1"), [
        "is not UTF-8: byte 4 cannot be read; save it as UTF-8 (it may be Latin-1 or Windows-1252)",
    ]),
    ("a,b\n1,2\n".encode("utf-16"), ["is UTF-16; save it as UTF-8"]),
    (b"a,b\n1,\0\n", ["is no text: byte 6 is NUL"]),
    ("a\n1e400\n", ["row 1 of column 'a' is not a finite number"]),
    ("a,b\n1,2\ninf,3\n-Infinity,4\n", [f"row {row} of column 'a' is not a finite number" for row in (2, 3)]),
    (",".join(f"c{at}" for at in range(100_000)) + "\n", ["has 100000 columns; at most 4096 are taken"]),
    (b"\x1f\x8b\x08", ["is compressed with gzip; send it unpacked"]),
    (b"\xd0\xcf\x11\xe0", ["is an Excel workbook; save it as CSV"]),
    ("a\n" + "x" * 3_000_000, ["has a line of 3000000 characters, line 2; at most 2000000 are taken"]),
    ("a\n" + "x" * 20_000, ["holds a text of 20000 characters; at most 10000 are taken"]),
    ("a\n" + "1\n" * 20_000_001, ["holds 20000001 rows of 1 columns; at most 20000000 cells are taken"]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), CSV_MISTAKES, ids=[str(at) for at in range(len(CSV_MISTAKES))])
def test_what_is_wrong_with_a_csv_file_is_said(tmp_path: Path, content: bytes | str, expected: list[str]) -> None:
    told = refusal(tmp_path, content)
    assert [place for place, _ in told] == ["/file"] * len(expected)
    assert all(part in detail for part, (_, detail) in zip(expected, told, strict=True))


@pytest.mark.parametrize("texts", [["1_000", "2"], ["٣", "2"], ["0x10", "2"], ["1,5", "2"], ["１", "2"]])
def test_texts_that_only_python_takes_for_numbers_are_words(tmp_path: Path, texts: list[str]) -> None:
    content = "x;y\n" + "\n".join(f"{text};1" for text in texts)
    assert read(tmp_path, content).table.column("x").kind == "category"


numerals = st.from_regex(r"[+-]?[0-9]{1,4}\.?[0-9]{0,4}([eE][+-]?[0-9]{1,3})?", fullmatch=True)
oddities = st.text("0123456789+-.eE_ naifINF", min_size=1, max_size=8)


@given(st.lists(numerals | oddities | st.sampled_from(MISSING_MARKERS[1:]), min_size=1, max_size=6))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_csv_cell_is_a_number_exactly_when_our_grammar_says_so(tmp_path: Path, cells: list[str]) -> None:
    content = "x,y\n" + "\n".join(f"{cell},1" for cell in cells)
    texts = [cell.strip() for cell in cells]
    words = [text for text in texts if text not in MISSING_MARKERS]
    if any(map(is_infinite, words)) and all(is_infinite(word) or number_of(word) is not None for word in words):
        assert refusal(tmp_path, content)
        return
    column = read(tmp_path, content).table.column("x")
    expected = [math.nan if text in MISSING_MARKERS else number_of(text) for text in texts]
    if None in expected:
        assert column.kind in ("category", "text")
    else:
        assert isinstance(column, NumberColumn)
        assert np.array_equal(column.values, np.array(expected, np.float64), equal_nan=True)


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("[", {}, ("/file", "is not JSON: Expecting value, line 1, column 2")),
        ("[]", {}, ("/file", "has no rows")),
        ('{"a": 1}', {}, ("/file", "is neither a list of objects")),
        ("[1]", {}, ("/file/0", "is not an object")),
        ('[{"a": NaN}]', {}, ("/file", "holds NaN")),
        ('[{"a": 1e999}]', {}, ("/file/0/a", "is not a finite number")),
        ('[{"a": 1, "a": 2}]', {}, ("/file", "more than once")),
        ('[{"a": 1}, {"b": 2}]', {}, ("/file/1/a", "is not there")),
        ('[{"a": 1}, {"a": "1.5"}]', {}, ("/file/1/a", "mixes numbers with texts")),
        ('[{"a": [1]}]', {}, ("/file/0/a", "is neither number nor text")),
        ('[{"a": "\\u0000"}]', {}, ("/file/0/a", "NUL")),
        ('[{"a": "\\ud800"}]', {}, ("/file/0/a", "surrogate")),
        ('[{"\\ud800": 1}]', {}, ("/file/0", "cannot be printed")),
        ('[{"a": ' + "9" * 5000 + "}]", {}, ("/file", "cannot be read")),
        ('[{"a": ' + "9" * 400 + "}]", {}, ("/file/0/a", "is not a finite number")),
        ("[" * 100_000, {}, ("/file", "is nested too deeply")),
        ('{"columns": ["a"], "data": [[1], [1, 2]]}', {}, ("/file/data/1", "has 2 cells")),
        ('{"columns": [1], "data": [[1]]}', {}, ("/file/columns", "is not a list of texts")),
        ('{"columns": ["a"], "data": [1]}', {}, ("/file/data/0", "is not a list")),
        ('{"a": 1}\n{"a": }\n', {"format": "ndjson"}, ("/file", "row 2: is not JSON")),
        ('{"a": 1}, {"a": 2}\n', {"format": "ndjson"}, ("/file", "row 1: is not JSON")),
        ('{"a": 1}\n{"b": 1}\n', {"format": "ndjson"}, ("/file/1/a", "is not there")),
        ('{"a": 1}\n7\n', {"format": "ndjson"}, ("/file/1", "is not an object")),
    ],
)
def test_what_is_wrong_with_a_json_file_is_said(
    tmp_path: Path, content: str, options: dict[str, Any], expected: tuple[str, str]
) -> None:
    place, detail = refusal(tmp_path, content, **options)[0]
    assert place == expected[0]
    assert expected[1] in detail


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("SELECT [1, 2] AS a, {'x': 1} AS b", ["column 'a' holds INTEGER[]", "column 'b' holds STRUCT"]),
        ("SELECT 'infinity'::DOUBLE AS a UNION ALL SELECT 1", ["row 1 of column 'a' is not a finite number"]),
        ("SELECT 1 AS a WHERE false", ["has no rows"]),
        ("SELECT 'x'::BLOB AS a", ["column 'a' holds BLOB"]),
        ("SELECT 1 AS a FROM range(20000001)", ["holds 20000001 rows"]),
        ("SELECT repeat('x', 20000) AS a", ["holds a text of 20000 characters"]),
        # Thirty thousand times the same text take next to no room in the file.
        ("SELECT repeat('x', 9000) AS a FROM range(30000)", ["column 'a' holds 270000000 bytes of text"]),
    ],
)
def test_what_is_wrong_with_a_parquet_file_is_said(tmp_path: Path, select: str, expected: list[str]) -> None:
    told = refusal(tmp_path, parquet_of(tmp_path, select))
    assert all(part in detail for part, (_, detail) in zip(expected, told, strict=True))


def test_parquet_types_become_numbers_or_words(tmp_path: Path) -> None:
    select = (
        "SELECT 1::HUGEINT AS a, 1.5::DECIMAL(4, 1) AS b, true AS c, DATE '2026-01-31' AS d, 'nan'::FLOAT AS e, "
        "NULL::VARCHAR AS f"
    )
    table = read(tmp_path, parquet_of(tmp_path, select)).table
    assert rows_of(table, 0, 1) == [{"a": 1, "b": 1.5, "c": "true", "d": "2026-01-31", "e": None, "f": None}]


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    content = parquet_of(tmp_path, "SELECT range AS a FROM range(1000)")
    for broken in (
        content[:-20],
        b"PAR1",
        content[:100] + bytes(100) + content[200:],
        content[:-8] + b"\xff" * 4 + b"PAR1",
    ):
        assert refusal(tmp_path, broken, format="parquet")[0][0] == "/file"


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"x": np.array([1, None], dtype=object)}, "holds Python objects"),
        ({"x": np.zeros((1,) * 10)}, "has the shape (1, 1, 1, 1, 1, 1, 1, 1, 1, 1)"),
        ({"x": np.zeros((1, 65, 64))}, "has the shape (1, 65, 64)"),
        ({"x": np.full((2, 2, 2), np.inf)}, "holds a number that is not finite, at [0, 0, 0]"),
        ({"x_0": np.zeros((1, 2)), "x": np.zeros((1, 1))}, "'x_0' is called as one of the columns is"),
        ({"x": np.array(1.0)}, "has the shape ()"),
        ({"x": np.zeros(3), "y": np.zeros(2)}, "different numbers of rows: [2, 3]"),
        ({"x": np.array([1, np.inf])}, "holds a number that is not finite, at [1]"),
        ({"x": np.array([1j])}, "holds complex128"),
        ({"x": np.array(["2026-01-01"], "M8[D]")}, "holds datetime64"),
        ({"x": np.zeros(0)}, "has no rows"),
        ({"x": np.zeros((1, 5000))}, "has the shape (1, 5000)"),
        ({"x_0": np.zeros(1), "x": np.zeros((1, 1))}, "have the same name"),
        ({}, "needs at least one column"),
    ],
)
def test_what_is_wrong_with_an_npz_file_is_said(tmp_path: Path, arrays: dict[str, Any], expected: str) -> None:
    assert expected in refusal(tmp_path, npz_of(**arrays), filename="x.npz")[0][1]


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return packed.getvalue()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = zipped(x__npy=bytes(400_000_000))
    assert len(bomb) < 1_000_000
    assert "holds more than 320000000 bytes when unpacked" in refusal(tmp_path, bomb)[0][1]


def test_an_array_that_announces_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    small = io.BytesIO()
    np.save(small, np.zeros(1000))
    lying = small.getvalue().replace(b"(1000,), }", b"(9999,), }")
    assert "cannot be read as NPZ" in refusal(tmp_path, zipped(x__npy=lying))[0][1]
    huge = small.getvalue().replace(b"(1000,), }            ", b"(99999999999999999999,)}")
    assert refusal(tmp_path, zipped(x__npy=huge))[0][0] == "/file"


@pytest.mark.parametrize(
    "member", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x09\x00", b"cos\nsystem\n"]
)
def test_a_damaged_array_is_refused(tmp_path: Path, member: bytes) -> None:
    assert refusal(tmp_path, zipped(x__npy=member))[0][0] == "/file"


@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), min_size=1, max_size=4))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_a_changed_archive_is_a_table_or_refused_and_nothing_else(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    content = bytearray(npz_of(x=np.arange(300.0), y=np.arange(300) % 7))
    for position, flip in flips:
        content[position % len(content)] ^= flip
    try:
        told: object = read(tmp_path, bytes(content), format="npz").table.rows
    except Invalid as error:
        told = error.problems
    assert told


def test_an_excel_workbook_is_no_npz(tmp_path: Path) -> None:
    assert "is no NPZ file: it holds 'xl'" in refusal(tmp_path, zipped(xl=b"x"))[0][1]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@pytest.mark.parametrize("file_format", ["csv", "tsv", "json", "ndjson", "parquet", "npz", None])
def test_garbage_is_a_table_or_refused_and_nothing_else(tmp_path: Path, file_format: Any, content: bytes) -> None:
    try:
        told: object = read(tmp_path, content, format=file_format).table.rows
    except Invalid as error:
        told = error.problems
    assert told


def test_the_engine_reaches_no_other_file_and_stays_locked(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.write_text("a\n1\n")
    other.write_text("a\n1\n")
    with engine_for(mine) as engine:
        assert engine.execute("SELECT count(*) FROM read_csv($path)", {"path": str(mine)}).fetchall() == [(1,)]
        for statement in (
            f"SELECT * FROM read_csv('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            f"ATTACH '{other}'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
            "SELECT * FROM glob('/*')",
        ):
            with pytest.raises(duckdb.Error):
                engine.execute(statement)
