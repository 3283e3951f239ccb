"""What is asked of a file, and what is said of it once it is read."""

from pathlib import PurePath
from typing import Literal, NamedTuple, NoReturn

from pydantic import Field

from core.data.table import ColumnKind, Table
from core.errors import Invalid, Problem
from service.kit.http.schemas import StrictModel

Format = Literal["csv", "tsv", "json", "ndjson", "parquet", "npz"]
Delimiter = Literal[",", ";", "\t", "|", ":"]

MOST_CELLS = 20_000_000
"""Rows times columns of one data set: 160 MB of numbers."""

_FORMAT_OF_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".npz": "npz",
}
_FOREIGN: dict[bytes, str] = {
    b"\x1f\x8b": "compressed with gzip; send it unpacked",
    b"BZh": "compressed with bzip2; send it unpacked",
    b"\xfd7zXZ": "compressed with xz; send it unpacked",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; send it unpacked",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save it as CSV",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


class FileRequest(StrictModel):
    """How a file is to be read; what is left out is found out."""

    filename: str = ""
    format: Format | None = None
    kinds: dict[str, ColumnKind] = Field(default={})
    delimiter: Delimiter | None = None
    header: bool | None = None


class Source(StrictModel):
    """Where the data came from, and what was found there that one should know."""

    format: Literal["csv", "tsv", "json", "ndjson", "parquet", "npz", "inline", "sample"]
    filename: str | None = None
    delimiter: str | None = Field(default=None, description="What stands between the cells of a CSV file.")
    header: bool | None = Field(default=None, description="Whether the first line of a CSV file gave the names.")
    missing_texts: dict[str, int] | None = Field(
        default=None, description="Texts of a CSV file that were taken for missing values, and how often."
    )
    sample: str | None = None
    noise: float | None = None
    seed: int | None = None
    notes: list[str] = Field(default=[], description="What was found or decided that one should know.")


class Contents(NamedTuple):
    """A table and where it came from."""

    table: Table
    source: Source


def refuse(detail: str, got: object | None = None) -> NoReturn:
    """Raise Invalid for the file as a whole."""
    raise Invalid([Problem("/file", detail, got=got)])


def check_cells(rows: int, columns: int) -> None:
    """Raises Invalid when a table of this size is more than one data set may hold."""
    if rows * columns > MOST_CELLS:
        refuse(f"holds {rows} rows of {columns} columns; at most {MOST_CELLS} cells are taken")


def format_of(request: FileRequest, start: bytes) -> Format:
    """The format that was asked for, or that the end of the name or the first bytes tell. Raises Invalid."""
    for mark, what in _FOREIGN.items():
        if start.startswith(mark):
            refuse(f"is {what}")
    if request.format is not None:
        return request.format
    by_name = _FORMAT_OF_SUFFIX.get(PurePath(request.filename).suffix.lower())
    if by_name is not None:
        return by_name
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"PK\x03\x04"):
        return "npz"
    if start.lstrip()[:1] in (b"[", b"{"):
        return "json"
    return "csv"
