"""NPZ files: each array is looked at before it is unpacked, and nothing in it is ever executed."""

import lzma
import struct
import zipfile
import zlib
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from core.arrays import size_of
from core.data.cells import text_of
from core.data.names import MOST_COLUMNS, name_problems, shorten, text_fault
from core.data.schema import encode, with_kinds
from core.data.table import Column, Group, NumberColumn, Table
from core.errors import Invalid, Problem
from service.datasets.files.contents import MOST_CELLS, Contents, FileRequest, Source, check_cells, refuse

_MOST_BYTES = MOST_CELLS * 16
_LONGEST_HEADER_BYTES = 10_000
_MOST_AXES = 8
_SHOWN_CELLS = 10
_SHOWN_CHARACTERS = 200

# What zipfile, zlib and NumPy were seen to raise for damaged, encrypted and dishonest archives.
_DAMAGES = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError, OSError, ValueError,
    OverflowError, struct.error,
)  # fmt: skip


class _Header(NamedTuple):
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_npz(path: Path, request: FileRequest) -> Contents:
    """The table in an NPZ file: an array (n,) is a column, an array (n, h, w) a group of columns called name_0_0, ….

    Raises Invalid.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            headers = _headers(archive)
            _check(headers)
            columns = [column for header in headers for column in _columns(header, _read(archive, header))]
    except _DAMAGES as error:
        what = str(error) or type(error).__name__
        refuse(f"cannot be read as NPZ: {what.splitlines()[0][:_SHOWN_CHARACTERS]}")
    notes = [
        f"Array {header.name!r} of shape {header.shape} became the columns {names[0]} to {names[-1]}."
        for header in headers
        if len(header.shape) > 1 and (names := _column_names(header))
    ]
    source = Source(format="npz", filename=request.filename or None, notes=notes)
    groups = tuple(Group(header.name, tuple(_column_names(header)), header.shape[1:]) for header in _grouped(headers))
    return Contents(with_kinds(Table(tuple(columns), groups), request.kinds), source)


def _headers(archive: zipfile.ZipFile) -> list[_Header]:
    """What the arrays say of themselves, read without unpacking them."""
    members = archive.infolist()
    if len(members) > MOST_COLUMNS:
        refuse(f"holds {len(members)} files; at most {MOST_COLUMNS} are taken")
    if sum(member.file_size for member in members) > _MOST_BYTES:
        refuse(f"holds more than {_MOST_BYTES} bytes when unpacked")
    if strangers := [member.filename for member in members if not member.filename.endswith(".npy")]:
        refuse(f"is no NPZ file: it holds {strangers[0][:100]!r}")
    return [_header(archive, member) for member in members]


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Header:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(cast(BinaryIO, file))
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(cast(BinaryIO, file), max_header_size=_LONGEST_HEADER_BYTES)
    return _Header(member.filename.removesuffix(".npy"), shape, dtype)


def _check(headers: list[_Header]) -> None:
    problems = [problem for header in headers for problem in _header_problems(header)]
    lengths = sorted({header.shape[0] for header in headers if header.shape})
    if len(lengths) > 1:
        problems.append(Problem("/file", f"the arrays have different numbers of rows: {lengths[:10]}"))
    if not problems:
        names = [name for header in headers for name in _column_names(header)]
        problems = name_problems(names, "/file") + _group_problems(headers, names)
    if problems:
        raise Invalid(problems)
    if lengths[0] < 1:
        refuse("has no rows")
    check_cells(lengths[0], len(names))


def _header_problems(header: _Header) -> list[Problem]:
    problems = []
    if header.dtype.kind not in "biufSU":
        what = "Python objects" if header.dtype.hasobject else str(header.dtype)[:100]
        problems.append(
            Problem("/file", f"array {header.name!r} holds {what}; only numbers, texts and booleans are taken")
        )
    if not 1 <= len(header.shape) <= 1 + _MOST_AXES or size_of(header.shape[1:]) > MOST_COLUMNS:
        detail = (
            f"array {header.name!r} has the shape {header.shape}; (n,) is taken, and (n, …) with up to {_MOST_AXES} "
            f"more axes and {MOST_COLUMNS} entries in each row"
        )
        problems.append(Problem("/file", detail))
    return problems


def _grouped(headers: list[_Header]) -> list[_Header]:
    """The arrays that become several columns, or one with axes."""
    return [header for header in headers if len(header.shape) > 1 and size_of(header.shape[1:])]


def _group_problems(headers: list[_Header], columns: list[str]) -> list[Problem]:
    """Arrays whose name, which is that of their group, cannot be told from a column's or is none."""
    taken = frozenset(columns)
    return [
        Problem("/file", f"array {shorten(header.name)!r} is called as one of the columns is, or has no name")
        for header in _grouped(headers)
        if header.name in taken or name_problems([header.name], "/file")
    ]


def _column_names(header: _Header) -> list[str]:
    """The names of its columns, in row-major order."""
    indices = product(*(range(axis) for axis in header.shape[1:]))
    return ["_".join([header.name, *map(str, index)]) for index in indices]


def _read(archive: zipfile.ZipFile, header: _Header) -> NDArray[Any]:
    with archive.open(f"{header.name}.npy") as file:
        array: NDArray[Any] = np.lib.format.read_array(
            cast(BinaryIO, file), allow_pickle=False, max_header_size=_LONGEST_HEADER_BYTES
        )
    return array.reshape(len(array), -1)


def _columns(header: _Header, array: NDArray[Any]) -> list[Column]:
    if header.dtype.kind not in "iuf":
        return [_words(name, array[:, at]) for at, name in enumerate(_column_names(header))]
    # Beyond float64 a long double becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
        values = array.astype(np.float64)
    infinite = np.argwhere(np.isinf(values).reshape(header.shape))[:_SHOWN_CELLS].tolist()
    if infinite:
        detail = f"array {header.name!r} holds a number that is not finite, at "
        raise Invalid(Problem("/file", detail + str(index)) for index in infinite)
    return [NumberColumn(name, values[:, at].copy()) for at, name in enumerate(_column_names(header))]


def _words(name: str, array: NDArray[Any]) -> Column:
    if array.dtype.kind == "S":
        array = np.strings.decode(array, "utf-8")
    texts = [text_of(cell) for cell in array.tolist()]
    if fault := text_fault(set(texts)):
        refuse(f"holds {fault}, in column {name!r}")
    return encode(name, texts)
