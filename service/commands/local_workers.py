"""The workers of this machine: a supervisor in a process of its own, started again whenever it dies."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from typing import Self

from service.settings import Settings

_STOP_SECONDS = 4.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0

_log = logging.getLogger("backprop.serve")


class LocalWorkers:
    """A running supervisor, from the start of the `with` block to its end.

    The supervisor holds the reading end of a pipe whose writing end only this process has: if this process is killed,
    the pipe closes, and the supervisor stops.
    """

    def __init__(self, settings: Settings) -> None:
        self._environment = os.environ | _as_environment(settings)
        self._workers = settings.worker_count
        self._reading_end, self._writing_end = os.pipe()
        self._stopping = threading.Event()
        self._process = self._start()
        self._watcher = threading.Thread(target=self._keep_alive, name="workers", daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ask_to_stop()
        self._watcher.join(timeout=_STOP_SECONDS)
        if self._watcher.is_alive():
            _log.warning("the workers did not stop in time and are killed")
            self._process.kill()
            self._watcher.join()
        os.close(self._writing_end)
        os.close(self._reading_end)

    def ask_to_stop(self) -> None:
        """Let the workers give their jobs back; returns at once."""
        self._stopping.set()
        self._process.terminate()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "service", "worker", "--workers", str(self._workers)]
        return subprocess.Popen(
            [*command, "--parent-pipe", str(self._reading_end)],
            pass_fds=[self._reading_end],
            env=self._environment,
            # Ctrl-C in a terminal is for this process alone, which passes it on in its own time.
            start_new_session=True,
        )

    def _keep_alive(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            begun = time.monotonic()
            status = self._process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - begun >= _HEALTHY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            _log.error("the workers ended with status %s and are started again in %s s", status, pause)
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            self._process = self._start()
            if self._stopping.is_set():
                self._process.terminate()


def _as_environment(settings: Settings) -> dict[str, str]:
    """Settings as the variables from which they would be read again."""
    return {
        f"BACKPROP_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.model_dump().items()
        if value is not None
    }
