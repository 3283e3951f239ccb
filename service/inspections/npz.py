"""An answer as an NPZ file, made while it is sent.

Every array is an entry named by its JSON Pointer without the leading slash; `answer.json` is the answer itself, with
summaries in place of the arrays. `numpy.load` reads both, the second as bytes.
"""

import re
from collections.abc import Iterator, Mapping
from io import RawIOBase
from typing import Any
from urllib.parse import quote
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from core.arrays import Array

ANSWER = "answer.json"

_BLOCK = 1 << 17
"""Entries that are copied and sent at a time: a megabyte."""

# What some system takes for a separator, a drive or nothing at all, and what numpy.load takes off a name.
_STRANGE = re.compile(r'[\x00-\x1f\x7f%\\:*?"<>|]|^\.\.?$|\.(?=npy$)')


def npz(answer: bytes, arrays: Mapping[str, Array]) -> Iterator[bytes]:
    """The file piece by piece; equal answers give equal bytes. No more than a piece of it is held at once."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        # Without a time of day, so that the bytes depend on the answer alone.
        archive.writestr(ZipInfo(ANSWER), answer)
        yield sink.taken()
        for pointer, array in arrays.items():
            entry = ZipInfo(f"{entry_name(pointer)}.npy")
            # The archive cannot go back to write a length that it has left too little room for.
            with archive.open(entry, "w", force_zip64=array.nbytes > 1 << 30) as file:
                np.lib.format.write_array_header_1_0(file, _header(array))
                for start in range(0, array.size, _BLOCK):
                    file.write(array.flat[start : start + _BLOCK].tobytes())
                    yield sink.taken()
    yield sink.taken()


def entry_name(pointer: str) -> str:
    """The pointer without its leading slash; characters that no file should have in its name are percent-encoded."""
    return "/".join(_plain(step) for step in pointer.removeprefix("/").split("/"))


def _plain(step: str) -> str:
    return _STRANGE.sub(lambda found: quote(found[0], safe="").replace(".", "%2E"), step) or "%"


def _header(array: Array) -> dict[str, Any]:
    """As `numpy.save` writes it, but always for C order, in which the entries are sent."""
    if array.dtype.hasobject:
        raise TypeError("an array of Python objects could only be pickled")
    return {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}


class _Sink(RawIOBase):
    """A file that cannot seek and forgets what has been taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        """What has been written since this was last asked for."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
