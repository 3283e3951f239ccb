"""A child that ends with its parent, however the parent ends."""

import os
import signal
import threading


def stop_with_parent(pipe: int) -> None:
    """Send this process SIGTERM when the other end of the pipe closes, which happens when the parent is gone."""
    threading.Thread(target=_wait_for_the_end, args=(pipe,), name="parent", daemon=True).start()


def _wait_for_the_end(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
