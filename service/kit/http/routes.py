"""Routes whose JSON bodies are read strictly, off the event loop, and whose query has no unknown parameter.

    router = feature_router("jobs", "Training runs.")

    @router.post("/v1/jobs", status_code=201, responses=problems(DatasetNotFound))
    def create_job(session: WriteSession, body: NewJob, response: Response) -> JobView: ...

`body` is an ordinary FastAPI body: a StrictModel, or a union of them. Its schema is on the OpenAPI page, and each
mistake is answered with a JSON Pointer. `JsonBody[NewJob]` says the same more loudly.
"""

import json
from collections.abc import Callable, Coroutine
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from core.errors import Problem
from service.kit.http.idempotency import is_claimed, keep_answer
from service.kit.http.pointers import mistakes_of
from service.kit.http.problems import InvalidRequest, TooLarge, Unreadable, UnsupportedMedia
from service.kit.http.strict_json import Json, read_json

Model = TypeVar("Model")

JsonBody = Annotated[Model, Body()]

# pydantic needs 10 µs to name a mistake, and nothing else runs meanwhile; 300 kB of empty objects have 100,000.
_MANY_MISTAKES = 2000
_BEGINNING_ITEMS = 100

# Shorter than this, the way to another thread and back takes longer than the reading.
_SMALL_BYTES = 4096


class JsonTooLarge(TooLarge):
    """The JSON body is larger than this server reads; send large data as a file."""


class FeatureRouter(APIRouter):
    """The routes of one feature, which share a tag and its description on the OpenAPI page."""

    def __init__(self, tag: str, description: str) -> None:
        super().__init__(tags=[tag], route_class=StrictRoute, redirect_slashes=False)
        self.tag = {"name": tag, "description": description}


def feature_router(tag: str, description: str) -> FeatureRouter:
    """The router of one feature, for the name `router` in its `router.py`."""
    return FeatureRouter(tag, description)


class JsonReader:
    """Reads one type of body."""

    def __init__(self, annotation: Any) -> None:
        self.adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """The JSON Schema of the body, or None if its type has none."""
        try:
            return self.adapter.json_schema()
        except PydanticUserError:
            return None

    def read(self, raw: bytes) -> Any:
        """The body as a valid object of its type.

        Raises Unreadable, or InvalidRequest with all mistakes.
        """
        text, value = read_json(raw)
        try:
            return self.adapter.validate_json(text, strict=True)
        except ValidationError as error:
            if error.error_count() <= _MANY_MISTAKES:
                raise InvalidRequest(errors=mistakes_of(error, value, self.schema)) from None
            count = error.error_count()
        raise InvalidRequest(errors=self._first_mistakes(_beginning(value)) or [_elsewhere(count)])

    def _first_mistakes(self, beginning: Json) -> list[Problem]:
        try:
            self.adapter.validate_json(json.dumps(beginning), strict=True)
        except ValidationError as error:
            return mistakes_of(error, beginning, self.schema)
        return []


def _beginning(value: Json) -> Json:
    """The value with all its lists and objects cut short."""
    match value:
        case list():
            return [_beginning(item) for item in value[:_BEGINNING_ITEMS]]
        case dict():
            return {name: _beginning(item) for name, item in islice(value.items(), _BEGINNING_ITEMS)}
        case _:
            return value


def _elsewhere(count: int) -> Problem:
    return Problem("", f"{count} values are wrong, none of them among the first {_BEGINNING_ITEMS} of a list.")


async def read_body(request: Request, reader: JsonReader) -> Any:
    """The JSON body of the request, read in another thread when it is long.

    Raises UnsupportedMedia, Unreadable, InvalidRequest, TooLarge.
    """
    if not is_json(request):
        raise UnsupportedMedia("The body must be JSON, sent with the header Content-Type: application/json.")
    most_bytes: int = request.app.state.settings.max_json_bytes
    raw = await request.body()
    if len(raw) > most_bytes:
        raise JsonTooLarge(max_json_bytes=most_bytes)
    if not raw:
        raise Unreadable("The request has no body; this route needs a JSON object.")
    return reader.read(raw) if len(raw) <= _SMALL_BYTES else await run_in_threadpool(reader.read, raw)


def is_json(request: Request) -> bool:
    """Whether the body says that it is JSON."""
    media_type = _media_type(request)
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


class _ReadRequest(Request):
    """A request whose JSON body has already been read and checked."""

    checked_body: object = None

    async def json(self) -> Any:
        """The checked body: pydantic lets a valid object of the right type through as it is."""
        return self.checked_body


class StrictRoute(APIRoute):
    """A route that refuses what it does not know."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        known = {field.alias for field in get_flat_params(self.dependant) if isinstance(field.field_info, params.Query)}
        is_form = self.body_field is not None and isinstance(self.body_field.field_info, params.Form)
        reader = None if is_form else self._reader()
        optional = self.body_field is not None and not self.body_field.field_info.is_required()

        async def handler(request: Request) -> Response:
            _refuse_unknown_parameters(request, known)
            read = _ReadRequest(request.scope, request.receive)
            if is_form:
                # Kept, so that a dependency can read it too: parsing the form would use it up.
                await read.body()
            elif reader is not None and not (optional and not await read.body()):
                read.checked_body = await read_body(read, reader)
            response = await answer(read)
            if is_claimed(read):
                await run_in_threadpool(keep_answer, read, response)
            return response

        return handler

    def _reader(self) -> JsonReader | None:
        field = self.body_field
        if field is None:
            return None
        return JsonReader(Annotated[field.field_info.annotation, field.field_info])


def _refuse_unknown_parameters(request: Request, known: set[str]) -> None:
    mistakes = [
        Problem(f"?{name}", "There is no parameter of this name here.", allowed=[*sorted(known)])
        for name in request.query_params
        if name not in known
    ]
    mistakes += [
        Problem(f"?{name}", "A text may not hold NUL.")
        for name, value in request.query_params.items()
        if "\x00" in value
    ]
    if mistakes:
        raise InvalidRequest(errors=mistakes)
