"""JSON and NDJSON files, read as strictly as the body of a request, but for the number of their values.

DuckDB's reader of JSON is not used: of two members of the same name it keeps one, it takes NaN, and a column of
numbers and texts becomes texts, all without a word.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, cast

from pydantic import JsonValue

from core.data.cells import Cell, table_from_grid, table_from_records
from core.data.names import shorten
from core.data.table import Table
from core.errors import Invalid, Problem, pointer
from service.datasets.files.contents import Contents, FileRequest, Source, check_cells, refuse
from service.datasets.files.delimited import plain_text

_MOST_PROBLEMS = 100


def read_json_file(path: Path, request: FileRequest) -> Contents:
    """The table in a JSON file: a list of objects, or an object as in the body of a request. Raises Invalid."""
    table = _table(_read(plain_text(path.read_bytes())), request)
    return Contents(table, Source(format="json", filename=request.filename or None))


def read_json_lines(path: Path, request: FileRequest) -> Contents:
    """The table in a file that has a JSON object on each line; empty lines do not count. Raises Invalid."""
    lines = [line for line in plain_text(path.read_bytes()).split("\n") if line.strip()]
    try:
        rows = _read("[" + ",\n".join(lines) + "]")
    except Invalid:
        rows = None
    if not isinstance(rows, list) or len(rows) != len(lines):
        # Only now line by line, which is slower, to say which one it is.
        rows = _line_by_line(lines)
    return Contents(_table(rows, request), Source(format="ndjson", filename=request.filename or None))


def _line_by_line(lines: Sequence[str]) -> list[JsonValue]:
    rows: list[JsonValue] = []
    problems: list[Problem] = []
    for row, line in enumerate(lines):
        try:
            rows.append(_read(line))
        except Invalid as error:
            problems += [Problem(problem.pointer, f"row {row + 1}: {problem.detail}") for problem in error.problems]
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise Invalid(problems[:_MOST_PROBLEMS])
    return rows


def _read(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        refuse("is nested too deeply")
    except json.JSONDecodeError as error:
        refuse(f"is not JSON: {error.msg}, line {error.lineno}, column {error.colno}")
    except ValueError as error:
        refuse(f"cannot be read: {error}")
    return value


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in members if names.count(name) > 1)
        refuse(f"has an object with the member {shorten(twice)!r} more than once")
    return members


def _no_constant(name: str) -> NoReturn:
    refuse(f"holds {name}, which is no number; write null for a missing value")


def _table(value: JsonValue, request: FileRequest) -> Table:
    if isinstance(value, list):
        return _from_rows(value, request, "/file")
    if isinstance(value, dict):
        rows, names, grid = value.get("rows"), value.get("columns"), value.get("data")
        if isinstance(rows, list) and value.keys() == {"rows"}:
            return _from_rows(rows, request, "/file/rows")
        if isinstance(names, list) and isinstance(grid, list) and value.keys() == {"columns", "data"}:
            return _from_grid(names, grid, request)
    return refuse('is neither a list of objects nor {"rows": […]} nor {"columns": […], "data": […]}')


def _from_rows(rows: list[JsonValue], request: FileRequest, place: str) -> Table:
    strangers = [row for row, record in enumerate(rows) if not isinstance(record, dict)]
    if strangers:
        raise Invalid(Problem(f"{place}/{row}", "is not an object") for row in strangers[:_MOST_PROBLEMS])
    records = cast("list[dict[str, Cell]]", rows)
    if not records:
        refuse("has no rows")
    check_cells(len(records), len(records[0]))
    return table_from_records(records, request.kinds, place=lambda row: place + pointer(row))


def _from_grid(names: list[JsonValue], grid: list[JsonValue], request: FileRequest) -> Table:
    if not all(isinstance(name, str) for name in names):
        raise Invalid([Problem("/file/columns", "is not a list of texts")])
    strangers = [row for row, cells in enumerate(grid) if not isinstance(cells, list)]
    if strangers:
        raise Invalid(Problem(f"/file/data/{row}", "is not a list") for row in strangers[:_MOST_PROBLEMS])
    check_cells(len(grid), len(names))
    try:
        return table_from_grid(cast("list[str]", names), cast("list[list[Cell]]", grid), request.kinds)
    except Invalid as error:
        raise Invalid(problem.below("/file") for problem in error.problems) from None
