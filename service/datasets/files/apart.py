"""Reading a file in a process of its own, so that whatever a file does, it does not do it to the server."""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import NamedTuple

import service
from core.errors import Invalid, Problem
from service.datasets.files.answer import Answer, Description
from service.datasets.files.contents import FileRequest
from service.kit.http.problems import Unavailable
from service.kit.threads import VARIABLES

# 60 MB of categories were seen to take 8 seconds of CPU; the rest is for a busy machine.
SECONDS_TO_READ = 60
_SECONDS_TO_WAIT = 10
_MOST_AT_ONCE = 2
# Whoever waits holds a thread of the server, of which it has 40 for everything.
_MOST_WAITING = 8

_slots = BoundedSemaphore(_MOST_AT_ONCE)
_places = BoundedSemaphore(_MOST_AT_ONCE + _MOST_WAITING)
_log = logging.getLogger("backprop.datasets")


class ReadersBusy(Unavailable):
    """Other files are being read; try again after the time in Retry-After."""


class FileOfTable(NamedTuple):
    """The table that was read, as bytes, and its description."""

    content: bytes
    description: Description


def read_file_apart(path: Path, request: FileRequest) -> FileOfTable:
    """The table in a file, which may be rewritten on the way.

    Raises Invalid, also for a file that takes too much time or memory to read, and ReadersBusy.
    """
    with _place(_places, 0), _place(_slots, _SECONDS_TO_WAIT):
        output = _run(path, request)
    line, _, content = output.partition(b"\n")
    answer = Answer.model_validate_json(line, strict=False)
    if answer.description is None:
        raise Invalid(mistake.problem for mistake in answer.mistakes)
    return FileOfTable(content, answer.description)


@contextmanager
def _place(semaphore: BoundedSemaphore, seconds: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=seconds):
        raise ReadersBusy(retry_after_seconds=_SECONDS_TO_WAIT)
    try:
        yield
    finally:
        semaphore.release()


def _run(path: Path, request: FileRequest) -> bytes:
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "service.datasets.files.child", str(path)],
            input=request.model_dump_json().encode(),
            capture_output=True,
            timeout=SECONDS_TO_READ,
            env=_environment(path.parent),
            cwd=path.parent,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Invalid([Problem("/file", f"takes longer than {SECONDS_TO_READ} seconds to read")]) from None
    if ended.returncode != 0:
        _log.error("reading a file ended with %s: %s", ended.returncode, ended.stderr.decode(errors="replace")[-2000:])
        raise Invalid(
            [Problem("/file", "cannot be read; it may be damaged, or take more memory than this server allows")]
        )
    return ended.stdout


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the server's own settings, which hold the password of the database."""
    root = Path(service.__path__[0]).parent
    return {
        "PYTHONPATH": os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "HOME": str(home),
        "TMPDIR": tempfile.gettempdir(),
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        **dict.fromkeys(VARIABLES, "1"),
    }
