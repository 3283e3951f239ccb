"""The problem document itself: bounded in size, whatever the caller sent, and always encodable."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response

from core.errors import Problem
from service.kit.http.problems import MEDIA_TYPE, ProblemAnswer

# 300 kB of empty objects came back as 18 MB of errors; nobody reads more than a page of them.
MOST_ERRORS = 100
MOST_BYTES = 64 * 1024
_LONGEST_TEXT = 500
_LONGEST_POINTER = 300
_LONGEST_GOT = 80
_MOST_ALLOWED = 100


def problem_response(request: Request, problem: ProblemAnswer) -> Response:
    """The answer that this problem is."""
    return Response(
        problem_bytes(problem, path=request.scope.get("path", ""), request_id=request_id_of(request.state)),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def request_id_of(state: State) -> str:
    """The id that the gate gave to this request."""
    return str(getattr(state, "request_id", "unknown"))


def problem_bytes(problem: ProblemAnswer, *, path: str, request_id: str) -> bytes:
    """The document as JSON."""
    document: dict[str, Any] = {
        "type": f"urn:backprop:problem:{problem.code()}",
        "title": problem.title(),
        "status": problem.status,
        "detail": _text(problem.detail, _LONGEST_TEXT),
        "instance": f"urn:backprop:request:{request_id}",
        "code": problem.code(),
        **_facts(problem.facts),
    }
    if problem.errors:
        document["errors"] = shown_errors(problem.errors)
        if len(document["errors"]) < len(problem.errors):
            document["more_errors"] = True
    # The Open Inference Protocol's clients look for this member and for nothing else.
    if path == "/v2" or path.startswith("/v2/"):
        document["error"] = document["detail"]
    return _encoded(document)


def shown_errors(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """These mistakes as members of a document, as many as it holds."""
    shown: list[dict[str, Any]] = []
    room = MOST_BYTES
    for problem in problems:
        error = _error(problem)
        room -= len(_encoded(error))
        if room < 0 or len(shown) == MOST_ERRORS:
            break
        shown.append(error)
    return shown


def _error(problem: Problem) -> dict[str, Any]:
    error: dict[str, Any] = {
        "pointer": _text(problem.pointer, _LONGEST_POINTER),
        "detail": _text(problem.detail, _LONGEST_TEXT),
    }
    if problem.allowed is not None:
        error["allowed"] = [_short(value) for value in problem.allowed[:_MOST_ALLOWED]]
    if problem.got is not None:
        error["got"] = _short(problem.got)
    return error


def _facts(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: value if isinstance(value, list) else _short(value) for name, value in facts.items()}


def _short(value: object) -> object:
    """The value if it is small, else what it is: input is never echoed at length."""
    match value:
        case None | bool():
            return value
        case int():
            return value if abs(value) < 2**63 else "a number beyond 64 bits"
        case float():
            # Finite only: NaN has no JSON.
            return value if abs(value) < float("inf") else str(value)
        case str():
            return _text(value, _LONGEST_GOT)
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return f"an object with {len(value)} members"
        case _:
            return _text(str(value), _LONGEST_GOT)


def _text(text: str, longest: int) -> str:
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    # Half a surrogate pair has no UTF-8.
    return cut.encode("utf-8", "backslashreplace").decode()


def _encoded(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
