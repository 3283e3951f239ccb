"""Any file as a table."""

from pathlib import Path

import duckdb

from service.datasets.files.contents import Contents, FileRequest, format_of, refuse
from service.datasets.files.delimited import read_delimited
from service.datasets.files.json_files import read_json_file, read_json_lines
from service.datasets.files.npz import read_npz
from service.datasets.files.parquet import read_parquet

_MARK_BYTES = 64


def read_file(path: Path, request: FileRequest) -> Contents:
    """The table in a file, which may be rewritten on the way. Raises Invalid, with pointers `/file…` and `/kinds/…`."""
    with path.open("rb") as file:
        start = file.read(_MARK_BYTES)
    if not start:
        refuse("is empty")
    try:
        return _read(path, request, start)
    except MemoryError:
        refuse("takes more memory to read than this server allows")
    except duckdb.OutOfMemoryException:
        refuse("takes more memory to read than this server allows")
    except duckdb.Error as error:
        message = str(error).splitlines()[0].replace(str(path), "the file")
        refuse(f"cannot be read: {message[:200]}")


def _read(path: Path, request: FileRequest, start: bytes) -> Contents:
    match format_of(request, start):
        case "csv" | "tsv" as file_format:
            return read_delimited(path, request, file_format)
        case "json":
            return read_json_file(path, request)
        case "ndjson":
            return read_json_lines(path, request)
        case "parquet":
            return read_parquet(path, request)
        case "npz":
            return read_npz(path, request)
