"""CSV and TSV files: dialect and shape are settled here, and DuckDB reads the cells in just that dialect."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from core.data.names import name_problems
from core.data.numerals import number_of
from core.data.schema import unknown_kinds
from core.data.table import Table
from core.errors import Invalid, Problem
from service.datasets.files.contents import Contents, Delimiter, FileRequest, Format, Source, check_cells, refuse
from service.datasets.files.engine import engine_for
from service.datasets.files.text_columns import TextTable

# Of equally good ones the first. DuckDB's own sniffer renames columns of the same name without a word, and reads a
# ragged file as a single column.
DELIMITERS: tuple[str, ...] = get_args(Delimiter)

_LONGEST_LINE = 2_000_000
_MOST_PROBLEMS = 100


def read_delimited(path: Path, request: FileRequest, file_format: Format) -> Contents:
    """The table in a CSV or TSV file; the file is rewritten with plain line ends. Raises Invalid."""
    # While the delimiter is not known, a whole line can look like one cell. Longer lines are refused anyway.
    csv.field_size_limit(_LONGEST_LINE)
    text = plain_text(path.read_bytes())
    path.write_text(text, "utf-8", newline="")
    delimiter = request.delimiter or ("\t" if file_format == "tsv" else _most_cells(path))
    first = _first_line(path, delimiter)
    header = _is_header(first, request.header)
    names = [name.strip() for name in first] if header else [f"column_{at + 1}" for at in range(len(first))]
    if problems := name_problems(names, "/file") + unknown_kinds(names, request.kinds):
        raise Invalid(problems)
    if '"' not in text:
        # Then each line is a row, and there is no need to look at all of them to see that they are too many.
        check_cells(text.count("\n"), len(names))
    rows = _count_rows(path, delimiter, len(names)) - header
    if rows < 1:
        refuse("has a header, but no rows")
    check_cells(rows, len(names))
    with engine_for(path) as connection:
        connection.execute(_load_statement(len(names)), {"path": str(path), "delimiter": delimiter, "header": header})
        texts = TextTable(connection, names, has_underscores="_" in text)
        table = Table(tuple(texts.convert(request.kinds)))
    if table.rows != rows:
        refuse(f"reads as {table.rows} rows where {rows} were counted; quote texts that hold quotes or line ends")
    source = Source(
        format=file_format,
        filename=request.filename or None,
        delimiter=delimiter,
        header=header,
        missing_texts=dict(sorted(texts.missing_texts.items())) or None,
        notes=texts.notes,
    )
    return Contents(table, source)


def plain_text(content: bytes) -> str:
    """The text of a file without byte order mark and empty lines at the end, its lines ended by newlines.

    Raises Invalid for an empty file and for one that is no UTF-8 text, saying from which byte on.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        refuse("is UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(f"is not UTF-8: byte {error.start} cannot be read; save it as UTF-8 (it may be Latin-1 or Windows-1252)")
    if "\0" in text:
        refuse(f"is no text: byte {content.index(0)} is NUL")
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if not text.strip():
        refuse("is empty")
    return text


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if len(line) > _LONGEST_LINE:
                refuse(f"has a line of {len(line)} characters, line {number}; at most {_LONGEST_LINE} are taken")
            yield line


def _records(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Cells by the number of the line they end in. Raises Invalid where quotes do not match."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        refuse(f"cannot be read at line {reader.line_num}: {error}")


def _first_line(path: Path, delimiter: str) -> list[str]:
    _, cells = next(_records(_lines(path), delimiter))
    if not any(cell.strip() for cell in cells):
        refuse("begins with an empty line; the first line must hold the names of the columns")
    return cells


def _most_cells(path: Path) -> str:
    """The delimiter that divides the first line into the most cells."""
    return max(DELIMITERS, key=lambda delimiter: len(next(_records(_lines(path), delimiter))[1]))


def _is_header(first: list[str], given: bool | None) -> bool:
    if given is None and all(number_of(cell.strip()) is not None for cell in first):
        refuse(
            "has a first line of numbers only; add a line with the names of the columns, or say whether this is one "
            "with the field header: true or false"
        )
    return True if given is None else given


def _count_rows(path: Path, delimiter: str, width: int) -> int:
    """How many lines of `width` cells there are; empty lines do not count unless there is but one column.

    Raises Invalid with the lines that have more cells, or fewer.
    """
    rows = 0
    problems: list[Problem] = []
    for line, cells in _widths(path, delimiter):
        if cells == 0 and width > 1:
            continue
        rows += 1
        if max(cells, 1) != width:
            problems.append(Problem("/file", f"line {line} has {cells} cells where the first line has {width}"))
            if len(problems) == _MOST_PROBLEMS:
                break
    if problems:
        raise Invalid(problems)
    return rows


def _widths(path: Path, delimiter: str) -> Iterator[tuple[int, int]]:
    """The line number and number of cells of each line; counting delimiters is enough while nothing is quoted."""
    if any('"' in line for line in _lines(path)):
        for number, record in _records(_lines(path), delimiter):
            yield number, len(record)
        return
    for number, line in enumerate(_lines(path), 1):
        yield number, line.count(delimiter) + 1 if line != "\n" else 0


def _load_statement(width: int) -> str:
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(width))
    return (
        "CREATE TABLE texts AS FROM read_csv($path, auto_detect = false, delim = $delimiter, quote = '\"', "
        f"escape = '\"', header = $header, columns = {{{columns}}}, strict_mode = true, null_padding = false)"
    )
