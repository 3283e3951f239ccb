"""Whatever goes wrong becomes a problem document; only a programming error is a 500, which does not say its cause."""

import http
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from core.errors import CoreError, Invalid, Problem
from service.kit.database import NotStorable
from service.kit.http.documents import problem_response
from service.kit.http.idempotency import AnsweredBefore
from service.kit.http.problems import (
    FAMILIES,
    Conflict,
    CrashedAnswer,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ProblemAnswer,
    Unavailable,
    Unreadable,
)


class NoSuchRoute(NotFound):
    """There is no such resource; /openapi.json lists all there are."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached or is busy; try again after the time in Retry-After."""


class ChangedMeanwhile(Conflict):
    """Another request changed the same thing at the same moment; try again."""


def install_problem_handlers(app: FastAPI) -> None:
    """Every exception that can leave a route is answered by a problem document."""
    app.add_exception_handler(ProblemAnswer, _problem)
    app.add_exception_handler(Invalid, _invalid)
    app.add_exception_handler(CoreError, _core_error)
    app.add_exception_handler(NotStorable, _not_storable)
    app.add_exception_handler(AnsweredBefore, _answered_before)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(IntegrityError, _changed_meanwhile)
    app.add_exception_handler(ClientDisconnect, _gone)
    for kind in (OperationalError, InterfaceError, InternalError, NoConnection):
        app.add_exception_handler(kind, _database)
    app.add_exception_handler(Exception, _crash)


def invalid_request(error: Invalid, prefix: str = "") -> InvalidRequest:
    """The core's problems as an answer; `prefix` is the pointer to the part of the body that was checked."""
    return InvalidRequest(errors=[problem.below(prefix) for problem in error.problems])


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemAnswer)
    return problem_response(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, Invalid)
    return problem_response(request, invalid_request(error))


async def _core_error(request: Request, error: Exception) -> Response:
    return problem_response(request, InvalidRequest(str(error)))


async def _not_storable(request: Request, error: Exception) -> Response:
    return problem_response(request, InvalidRequest(str(error)))


async def _answered_before(request: Request, error: Exception) -> Response:
    assert isinstance(error, AnsweredBefore)
    return error.response


async def _gone(request: Request, error: Exception) -> Response:
    # Nobody is left to read it.
    return problem_response(request, Unreadable("The client went away before its request was complete."))


async def _changed_meanwhile(request: Request, error: Exception) -> Response:
    return problem_response(request, ChangedMeanwhile(headers={"Retry-After": "1"}))


async def _database(request: Request, error: Exception) -> Response:
    return problem_response(request, DatabaseUnavailable(retry_after_seconds=2))


async def _crash(request: Request, error: Exception) -> Response:
    # The gate logs the error itself, once, with the id of the request.
    return problem_response(request, CrashedAnswer())


async def _parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found: Sequence[Mapping[str, Any]] = error.errors()
    if any(details["loc"][0] == "path" for details in found):
        # A path that no id could have names nothing.
        return problem_response(request, NoSuchRoute())
    return problem_response(request, InvalidRequest(errors=[_parameter_problem(details) for details in found]))


def _parameter_problem(details: Mapping[str, Any]) -> Problem:
    place, *steps = details["loc"]
    names = "/".join(str(step) for step in steps)
    match place:
        case "query":
            pointer = f"?{names}"
        case "body":
            pointer = f"/{names}" if names else ""
        case _:
            pointer = names
    given = details.get("input")
    return Problem(pointer, str(details["msg"]), got=given if isinstance(given, str | int | float) else None)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == http.HTTPStatus.NOT_FOUND:
        return problem_response(request, NoSuchRoute())
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        return problem_response(request, MethodNotAllowed(headers={"Allow": ", ".join(_methods(request))}))
    family = FAMILIES.get(error.status_code, Unreadable)
    return problem_response(request, family(str(error.detail)))


def _methods(request: Request) -> Iterable[str]:
    """All methods of the path: Starlette would name only those of the first route that has it."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        path_regex = getattr(route, "path_regex", None)
        if path_regex is not None and path_regex.match(request.scope["path"]):
            methods |= route.methods or set()
    return sorted(methods)
