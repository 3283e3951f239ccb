"""`python -m service serve`: migrates, serves HTTP, and keeps the local workers running, until SIGTERM."""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from service.app import create_app
from service.commands.local_workers import LocalWorkers
from service.kit.migrations import upgrade
from service.settings import Settings


def main(settings: Settings) -> int:
    """Serve until told to stop; the exit status."""
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        return _fail(f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}")
    try:
        upgrade(settings.database_url)
    except (SQLAlchemyError, OSError) as error:
        listener.close()
        return _fail(f"cannot open the database: {str(error).splitlines()[0]}")
    server = _Server(create_app(settings), settings)
    for stop in (signal.SIGTERM, signal.SIGINT):
        # uvicorn sends itself the signal again when it is through; by then this does nothing any more.
        signal.signal(stop, server.handle_exit)
    with contextlib.ExitStack() as stack:
        if settings.worker_count:
            server.workers = stack.enter_context(LocalWorkers(settings))
        server.run(sockets=[listener])
    _leave(0 if server.started else 1)
    return 0


class _Server(uvicorn.Server):
    """uvicorn, which tells event streams and workers to end as soon as it stops taking requests."""

    workers: LocalWorkers | None = None

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        if self.started and sockets:
            host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
            print(f"Backprop Service: http://{host}:{sockets[0].getsockname()[1]} (documentation: /docs)", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wake up whoever would keep the server waiting, then wait for the requests in flight."""
        self.app.state.shutdown.set()
        if self.workers is not None:
            self.workers.ask_to_stop()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket; two servers on one port are an error here, before anything else has happened.

    Raises OSError.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(0)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(False)
    return listener


def _fail(reason: str) -> int:
    print(f"backprop: {reason}", file=sys.stderr)
    return 1


def _leave(status: int) -> None:
    """End now, even if a thread is still busy with the answer to a request that nobody waits for any more."""
    if threading.active_count() > 1:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(status)
