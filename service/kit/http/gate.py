"""The one layer in front of every route, present and future: ids, host, sizes, and the last word on crashes.

Who may do what will be decided here too.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.kit.http.documents import problem_bytes
from service.kit.http.metrics import RequestMetrics
from service.kit.http.problems import (
    MEDIA_TYPE,
    CrashedAnswer,
    Forbidden,
    HeadersTooLarge,
    MisdirectedRequest,
    NotFound,
    ProblemAnswer,
    TooLarge,
    Unavailable,
)

MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

_log = logging.getLogger("backprop.http")


class CrossSiteRequest(Forbidden):
    """A page of another site may not change anything here."""


class NotANameHere(NotFound):
    """There is no such resource: a path holds no NUL."""


class ServerIsStopping(Unavailable):
    """The server is stopping and could not finish this request; send it again."""


class _BodyTooLarge(Exception):
    """More of the body came than this server takes."""


@dataclass
class _Exchange:
    """One request on its way: what has been read, and what has been answered."""

    request_id: str
    path: str
    started: float = field(default_factory=time.perf_counter)
    received_bytes: int = 0
    too_large: bool = False
    status: int | None = None


class Gate:
    """Lets through what is well-formed and small enough, and answers everything else itself."""

    def __init__(
        self, app: ASGIApp, *, max_body_bytes: int, allowed_hosts: Iterable[str] | None, metrics: RequestMetrics
    ) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.allowed_hosts = None if allowed_hosts is None else frozenset(host.lower() for host in allowed_hosts)
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = _Exchange(_request_id(headers), scope["path"])
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        try:
            await self._answer(scope, receive, send, exchange)
        finally:
            seconds = time.perf_counter() - exchange.started
            self.metrics.observe(scope, exchange.status or 499, seconds)
            _log_exchange(scope, exchange, seconds)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, exchange: _Exchange) -> None:
        async def counted() -> Message:
            message = await receive()
            exchange.received_bytes += len(message.get("body", b""))
            if exchange.received_bytes > self.max_body_bytes:
                exchange.too_large = True
                raise _BodyTooLarge
            return message

        async def noted(message: Message) -> None:
            if exchange.too_large:
                # The route may have made anything of the broken body; the gate answers below.
                return
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                _complete(MutableHeaders(scope=message), exchange.request_id)
            await send(message)

        refusal = self._refusal(scope) or await self._failure(scope, counted, noted, exchange)
        if refusal is not None and exchange.status is None:
            exchange.too_large = False
            await _send_problem(noted, refusal, exchange)

    async def _failure(self, scope: Scope, receive: Receive, send: Send, exchange: _Exchange) -> ProblemAnswer | None:
        """Let the application answer; if it could not, why."""
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            # uvicorn cancels what is not answered in time when it stops.
            return ServerIsStopping()
        except Exception as error:  # noqa: BLE001 -- the last one who can still answer
            if not exchange.too_large:
                _log.error("request %s crashed", exchange.request_id, exc_info=error)
                return CrashedAnswer()
        return TooLarge(max_body_bytes=self.max_body_bytes) if exchange.too_large else None

    def _refusal(self, scope: Scope) -> ProblemAnswer | None:
        """Why this request goes no further, or None."""
        raw_headers: list[tuple[bytes, bytes]] = scope["headers"]
        if len(raw_headers) > MOST_HEADERS or sum(len(n) + len(v) for n, v in raw_headers) > MOST_HEADER_BYTES:
            return HeadersTooLarge(max_headers=MOST_HEADERS, max_header_bytes=MOST_HEADER_BYTES)
        headers = Headers(scope=scope)
        if self.allowed_hosts is not None and _host_name(headers.get("host", "")) not in self.allowed_hosts:
            return MisdirectedRequest()
        if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in _SAFE_METHODS:
            return CrossSiteRequest()
        if "\x00" in scope["path"]:
            return NotANameHere()
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self.max_body_bytes):
            return TooLarge(max_body_bytes=self.max_body_bytes)
        return None


def _request_id(headers: Headers) -> str:
    """The caller's own id if it is a plain one, so that logs of both sides can be joined; else a new one."""
    given = headers.get("x-request-id", "")
    return given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else secrets.token_hex(8)


def _host_name(host: str) -> str:
    """The Host header without its port."""
    return re.sub(r":[0-9]*$", "", host.strip().lower())


def _complete(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-Id"] = request_id
    for name, value in _SECURITY_HEADERS.items():
        headers.setdefault(name, value)


async def _send_problem(send: Send, problem: ProblemAnswer, exchange: _Exchange) -> None:
    body = problem_bytes(problem, path=exchange.path, request_id=exchange.request_id)
    # What is left of the request is not read, so the connection cannot be used for another.
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "connection": "close", **problem.headers}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _log_exchange(scope: Scope, exchange: _Exchange, seconds: float) -> None:
    _log.log(
        # Probes come every second and say nothing new.
        logging.DEBUG if exchange.path.startswith(("/health", "/metrics")) else logging.INFO,
        "%s %s %s",
        scope["method"],
        # Escaped, so that nobody writes lines of their own into the log.
        exchange.path.encode("unicode_escape").decode()[:200],
        exchange.status or "gone",
        extra={"request_id": exchange.request_id, "milliseconds": round(seconds * 1000, 1)},
    )
