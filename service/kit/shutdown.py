"""The server's wish to stop, for whoever would otherwise keep it waiting: event streams and long polls.

shutdown = shutdown_of(request)
while not await shutdown.wait(seconds=1):     # True as soon as the server stops
    yield next_events()
"""

import asyncio

from starlette.requests import Request


class Shutdown:
    """Set once, when the server begins to stop; belongs to one event loop, and can be read from any thread."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake everybody who waits."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the server is stopping."""
        return self._event.is_set()

    async def wait(self, seconds: float) -> bool:
        """Wait that long at most; whether the server is stopping."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return self.is_set()
        return True


def shutdown_of(request: Request) -> Shutdown:
    """The shutdown of the application that got this request."""
    shutdown = request.app.state.shutdown
    assert isinstance(shutdown, Shutdown)
    return shutdown
