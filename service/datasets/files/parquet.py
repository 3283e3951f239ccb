"""Parquet files, read by DuckDB after a look at their own description of themselves."""

import re
from pathlib import Path

import duckdb
import numpy as np

from core.data.names import name_problems, text_fault
from core.data.schema import encode, with_kinds
from core.data.table import Column, NumberColumn, Table
from core.errors import Invalid, Problem
from service.datasets.files.contents import Contents, FileRequest, Source, check_cells, refuse
from service.datasets.files.engine import engine_for, texts

_NUMBERS = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\)")
_WORDS = re.compile(r"VARCHAR|BOOLEAN|DATE|TIME.*|UUID|ENUM\(.*\)")
_SHOWN_CELLS = 10
_MOST_TEXT_BYTES = 256_000_000


def read_parquet(path: Path, request: FileRequest) -> Contents:
    """The table in a Parquet file with flat columns of numbers, texts, booleans or times. Raises Invalid."""
    with engine_for(path) as connection:
        names = _names(connection, path)
        if problems := name_problems(names, "/file"):
            raise Invalid(problems)
        rows = _rows(connection, path)
        if rows < 1:
            refuse("has no rows")
        check_cells(rows, len(names))
        types = _types(connection, path, len(names))
        if problems := _type_problems(names, types):
            raise Invalid(problems)
        table = Table(tuple(_columns(connection, names, types)))
    return Contents(with_kinds(table, request.kinds), Source(format="parquet", filename=request.filename or None))


def _names(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """The names of the columns as they stand in the file: reading it, DuckDB renames those it finds twice."""
    query = "SELECT name, num_children FROM parquet_schema($path)"
    nodes = connection.execute(query, {"path": str(path)}).fetchall()
    names = []
    # The nodes stand in the order of a walk through the tree, the root first; only its children are columns.
    skip = 0
    for name, children in nodes[1:]:
        if skip == 0:
            names.append(name)
        else:
            skip -= 1
        skip += children or 0
    return names


def _rows(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    query = "SELECT num_rows FROM parquet_file_metadata($path)"
    ((rows,),) = connection.execute(query, {"path": str(path)}).fetchall()
    return int(rows)


def _types(connection: duckdb.DuckDBPyConnection, path: Path, width: int) -> list[str]:
    columns = ", ".join(f"c{at}" for at in range(width))
    # A view of the file under names of our own, so that no name of the file reaches a statement.
    literal = str(path).replace("'", "''")
    connection.execute(f"CREATE TEMP VIEW cells AS SELECT * FROM read_parquet('{literal}') AS file({columns})")  # noqa: S608
    return [str(row[1]) for row in connection.execute("DESCRIBE cells").fetchall()]


def _type_problems(names: list[str], types: list[str]) -> list[Problem]:
    return [
        Problem("/file", f"column {name!r} holds {kind}; only numbers, texts, booleans and times are taken")
        for name, kind in zip(names, types, strict=True)
        if not (_NUMBERS.fullmatch(kind) or _WORDS.fullmatch(kind))
    ]


def _columns(connection: duckdb.DuckDBPyConnection, names: list[str], types: list[str]) -> list[Column]:
    columns: list[Column] = []
    problems: list[Problem] = []
    for at, (name, kind) in enumerate(zip(names, types, strict=True)):
        try:
            columns.append(_words(connection, at, name) if _WORDS.fullmatch(kind) else _numbers(connection, at, name))
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems)
    return columns


def _numbers(connection: duckdb.DuckDBPyConnection, at: int, name: str) -> Column:
    values = np.ma.filled(connection.execute(_query(at, "DOUBLE")).fetchnumpy()["x"], np.nan)
    infinite = np.flatnonzero(np.isinf(values))[:_SHOWN_CELLS].tolist()
    if infinite:
        raise Invalid(Problem("/file", f"row {row + 1} of column {name!r} is not a finite number") for row in infinite)
    return NumberColumn(name, values)


def _words(connection: duckdb.DuckDBPyConnection, at: int, name: str) -> Column:
    # A text repeated a million times is stored once in the file, but not in memory.
    query = f"SELECT coalesce(sum(strlen(x)), 0) FROM ({_query(at, 'VARCHAR')})"  # noqa: S608 -- our own statement
    ((size_bytes,),) = connection.execute(query).fetchall()
    if size_bytes > _MOST_TEXT_BYTES:
        refuse(f"is too large: column {name!r} holds {size_bytes} bytes of text; at most {_MOST_TEXT_BYTES} are taken")
    cells = texts(connection, _query(at, "VARCHAR"))
    if fault := text_fault({text for text in cells if text is not None}):
        refuse(f"holds {fault}, in column {name!r}")
    return encode(name, cells)


def _query(at: int, kind: str) -> str:
    return f"SELECT CAST(c{at} AS {kind}) AS x FROM cells"  # noqa: S608 -- a column number and a constant
