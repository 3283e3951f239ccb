"""Problems (RFC 9457): what a caller did wrong, as exceptions whose docstring is the message.

    ProblemAnswer
    ├── Unreadable 400       ├── TooLarge 413               ├── TooManyRequests 429
    ├── Forbidden 403        ├── UnsupportedMedia 415       ├── HeadersTooLarge 431
    ├── NotFound 404         ├── MisdirectedRequest 421     ├── CrashedAnswer 500
    ├── MethodNotAllowed 405 ├── InvalidRequest 422         └── Unavailable 503
    ├── NotAcceptable 406
    └── Conflict 409

A feature subclasses a family, says the message in the docstring and gives the facts by name:

    class RunIsOver(Conflict):
        "The run has already ended, so it can no longer be cancelled."

    raise RunIsOver(state="succeeded")

is answered as 409 with `code` "run_is_over", the docstring as `title`, and the member `state`. Only families know a
status. Routes declare what they raise: `@router.post(..., responses=problems(RunNotFound, RunIsOver))`.
"""

import http
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from core.errors import Problem

MEDIA_TYPE = "application/problem+json"

# What the document itself says; a fact may not hide it.
_RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "errors", "error"})


class ProblemAnswer(Exception):
    """The request could not be answered as asked."""

    status: ClassVar[int]

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Iterable[Problem] = (),
        headers: Mapping[str, str] | None = None,
        **facts: object,
    ) -> None:
        if hidden := _RESERVED & facts.keys():
            raise TypeError(f"{sorted(hidden)} already mean something in a problem document.")
        self.detail = detail or _detail_of(type(self).message(), facts)
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.facts = facts
        super().__init__(self.detail)

    @classmethod
    def message(cls) -> str:
        """The docstring as one line."""
        return " ".join(inspect.cleandoc(cls.__doc__ or "").split())

    @classmethod
    def title(cls) -> str:
        """The first sentence of the docstring."""
        return re.split(r"(?<=\.)\s", cls.message(), maxsplit=1)[0]

    @classmethod
    def code(cls) -> str:
        """The stable slug that clients compare: the class' name in snake case."""
        return snake_case(cls.__name__)


class Unreadable(ProblemAnswer):
    """The request could not be read."""

    status = 400


class Forbidden(ProblemAnswer):
    """This is not allowed."""

    status = 403


class NotFound(ProblemAnswer):
    """There is nothing here."""

    status = 404


class MethodNotAllowed(ProblemAnswer):
    """This resource does not take that method; the Allow header lists those it takes."""

    status = 405


class NotAcceptable(ProblemAnswer):
    """The answer cannot be given in the form that the Accept header asks for."""

    status = 406


class Conflict(ProblemAnswer):
    """The request does not fit the present state."""

    status = 409


class TooLarge(ProblemAnswer):
    """The body of the request is larger than this server takes."""

    status = 413


class UnsupportedMedia(ProblemAnswer):
    """The body is of a type that this route does not read."""

    status = 415


class MisdirectedRequest(ProblemAnswer):
    """This server is not known by the name in the Host header; the setting BACKPROP_ALLOWED_HOSTS lists its names."""

    status = 421


class InvalidRequest(ProblemAnswer):
    """The request has mistakes; `errors` names every one of them."""

    status = 422


class TooManyRequests(ProblemAnswer):
    """There were too many requests; wait as long as Retry-After says."""

    status = 429


class HeadersTooLarge(ProblemAnswer):
    """The headers of the request are longer or more than this server takes."""

    status = 431


class CrashedAnswer(ProblemAnswer):
    """The server made a mistake; its log has the details under the id in `instance`."""

    status = 500


class Unavailable(ProblemAnswer):
    """The server cannot answer just now; try again after the time in Retry-After."""

    status = 503

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 1, **facts: object) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)}, errors=(), **facts)


FAMILIES: dict[int, type[ProblemAnswer]] = {family.status: family for family in ProblemAnswer.__subclasses__()}


def snake_case(name: str) -> str:
    """The name of a class as a slug: `NoSuchHTMLPage` is `no_such_html_page`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def problems(*kinds: type[ProblemAnswer] | int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that raises these problems, for the OpenAPI page."""
    messages: dict[int, list[str]] = {}
    for kind in kinds:
        known = FAMILIES[kind] if isinstance(kind, int) else kind
        messages.setdefault(known.status, []).append(known.message())
    return {status: response(status, " ".join(dict.fromkeys(texts))) for status, texts in sorted(messages.items())}


def response(status: int, description: str) -> dict[str, Any]:
    """The OpenAPI description of one problem answer."""
    return {
        "description": description or http.HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _detail_of(message: str, facts: Mapping[str, object]) -> str:
    shown = [f"{name}: {value}" for name, value in facts.items() if isinstance(value, str | int | float)]
    return f"{message} ({', '.join(shown)})" if shown else message
