"""Bounds on what one child process may take from its machine."""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

MEBIBYTE = 1024 * 1024
_PAGE_BYTES = resource.getpagesize()
_PR_SET_PDEATHSIG = 1
_NICENESS = 10


def be_modest() -> None:
    """Give way to the server and to whoever else uses the machine."""
    os.nice(_NICENESS)


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent is gone; on Linux only, elsewhere the lifeline remains."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the kernel was asked.
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def limited_growth(memory_mb: int) -> Iterator[None]:
    """Within the block this process can allocate only that much; what goes beyond is a MemoryError.

    Counted is what can be written to, not what the address space holds: threads reserve much more than they use.
    """
    used_bytes = _writable_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if used_bytes is None:
        yield
        return
    limit = used_bytes + memory_mb * MEBIBYTE
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextlib.contextmanager
def unlimited_growth() -> Iterator[None]:
    """Within the block nothing bounds what this process allocates but its supervisor, which looks at it from outside.

    For writing what a run has done: safetensors was seen to hang in a refused allocation, and libpq to lose its
    connection, so a job that needs too much memory could not even say so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def resident_bytes(pid: int) -> int | None:
    """The memory that a process has in use; None when it is gone or the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None


def _writable_bytes() -> int | None:
    """What this process has allocated so far; None when the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmData:")]
    return int(sizes[0]) * 1024 if sizes else None
