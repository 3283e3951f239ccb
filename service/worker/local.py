"""The local engine: each job in a child process of its own, which ends with its parent and can be killed."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn

from service.jobs.leases import Lease
from service.worker.limits import MEBIBYTE, be_modest, die_with_parent, resident_bytes

OVERTIME_SECONDS = 2.0
"""How long a runner may take to end by itself when its time is up."""

Cause = Literal["lost", "time_limit", "memory_limit", "stopped"]

_log = logging.getLogger("backprop.worker")


@dataclass
class Child:
    """A runner that was started."""

    pid: int
    lease: Lease
    kill_at: float
    most_bytes: int
    cause: Cause = "lost"
    """Why the supervisor has killed it, if it has."""


@dataclass(frozen=True)
class Ending:
    """A runner that is gone; if it did not finish its job, this is why."""

    lease: Lease
    cause: Cause
    exit_code: int
    """The exit status, or the signal that ended it with a minus."""


class LocalEngine:
    """Starts, kills and reports runners. It knows nothing of the database."""

    def __init__(self, run: Callable[[Lease], int]) -> None:
        self._run = run
        self._children: dict[int, Child] = {}
        # Only this process holds the writing end: when it is gone, however that comes, the children read the end.
        self._lifeline, self._life = os.pipe()

    def __len__(self) -> int:
        return len(self._children)

    def start(self, lease: Lease) -> None:
        """Run an attempt in a new process; its memory is this one's, loaded and warm."""
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._become_runner(lease, parent)
        child_bytes = resident_bytes(pid) or 0
        self._children[pid] = Child(
            pid,
            lease,
            kill_at=time.monotonic() + lease.seconds_left + OVERTIME_SECONDS,
            most_bytes=child_bytes + lease.memory_mb * MEBIBYTE,
        )

    def ended(self) -> list[Ending]:
        """The runners that have ended since this was last asked."""
        endings = []
        for pid, child in list(self._children.items()):
            waited, status = os.waitpid(pid, os.WNOHANG)
            if waited:
                del self._children[pid]
                endings.append(_ending(child, os.waitstatus_to_exitcode(status)))
        return endings

    def enforce_limits(self) -> None:
        """Kill every runner that has gone beyond its bounds and did not end by itself."""
        for child in self._children.values():
            if time.monotonic() >= child.kill_at:
                self._kill(child, "time_limit")
            elif (resident_bytes(child.pid) or 0) > child.most_bytes:
                self._kill(child, "memory_limit")

    def ask_to_stop(self) -> None:
        """Ask every runner to give its job back after its last whole epoch."""
        for child in self._children.values():
            os.kill(child.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End every runner that is left."""
        for child in self._children.values():
            self._kill(child, "stopped")

    def _kill(self, child: Child, cause: Cause) -> None:
        if child.cause == "lost":
            child.cause = cause
            _log.warning("the runner is killed: %s", cause, extra={"job": child.lease.job_id})
            os.kill(child.pid, signal.SIGKILL)

    def _become_runner(self, lease: Lease, parent: int) -> NoReturn:
        """What happens in the child: it never returns into its parent's code."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for caught in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(caught, signal.SIG_DFL)
            os.setpgid(0, 0)
            os.close(self._life)
            die_with_parent(parent)
            threading.Thread(target=_end_with, args=(self._lifeline,), name="lifeline", daemon=True).start()
            be_modest()
            status = self._run(lease)
        except BaseException:  # noqa: BLE001 -- nothing may leave the child but its exit status
            _log.exception("the runner stopped", extra={"job": lease.job_id, "attempt": lease.attempt})
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def _end_with(lifeline: int) -> None:
    """Wait for the end of the pipe, and end the process with it."""
    while os.read(lifeline, 1):
        pass
    os._exit(1)


def _ending(child: Child, exit_code: int) -> Ending:
    # Asked to stop before it could listen: that is no loss either.
    was_asked = exit_code == -signal.SIGTERM and child.cause == "lost"
    return Ending(child.lease, "stopped" if was_asked else child.cause, exit_code)
