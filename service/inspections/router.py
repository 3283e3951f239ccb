"""`/v1/inspect`: a route for every question that core.inspect has."""

from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import Request
from pydantic import TypeAdapter
from starlette.responses import Response

from core.inspect import QUESTIONS
from core.inspect.answers import PagedAnswer, form_of
from core.inspect.question import Question
from service.inspections.errors import NoArrays, QuestionNotFound
from service.inspections.forms import JSON, NPZ, forms_of, respond
from service.inspections.library import StoredModels
from service.inspections.schemas import Questions, QuestionView
from service.kit.http.problems import InvalidRequest, problems
from service.kit.http.routes import feature_router
from service.kit.http.session import database_of
from service.models.requests import shelf_of
from service.settings import Settings

router = feature_router("inspect", "Questions about networks and their gradients. Asking changes nothing.")


@router.get("/v1/inspect", summary="The questions")
def list_questions() -> Questions:
    """Every question with the JSON Schemas of what is asked and what is answered."""
    return _all_questions()


@cache
def _all_questions() -> Questions:
    return Questions(data=[_view(name, kind) for name, kind in QUESTIONS.items()])


def _view(name: str, kind: type[Question]) -> QuestionView:
    return QuestionView(
        question=name,
        sentence=kind.sentence,
        path=_path(name),
        request=kind.model_json_schema(),
        answer=TypeAdapter[Any](_answers(kind)).json_schema(mode="serialization"),
        example=dict(kind.example),
        media_types=list(forms_of(kind)),
    )


def _path(name: str) -> str:
    return f"/v1/inspect/{name}"


def _ask(kind: type[Question]) -> Callable[..., Response]:
    def ask(request: Request, body: Question) -> Response:
        settings: Settings = request.app.state.settings
        library = StoredModels(database_of(request), shelf_of(request), settings.max_parameters)
        return respond(request, body, library)

    # FastAPI reads the type of the body here.
    ask.__annotations__["body"] = kind
    ask.__name__ = f"ask_{kind.__name__}"
    return ask


def _answers(kind: type[Question]) -> Any:
    """What stands in JSON: the answer, or a page of it."""
    return form_of(kind) | PagedAnswer if NPZ in forms_of(kind) else form_of(kind)


def _files(kind: type[Question]) -> dict[str, Any]:
    """The answers that are not JSON, for the OpenAPI page."""
    return {form: {"schema": {"type": "string", "format": "binary"}} for form in forms_of(kind) if form != JSON}


for _name, _kind in QUESTIONS.items():
    router.add_api_route(
        _path(_name),
        _ask(_kind),
        methods=["POST"],
        summary=_kind.sentence,
        description=_kind.__doc__,
        response_model=_answers(_kind),
        responses={200: {"content": _files(_kind)}, **problems(InvalidRequest, NoArrays)},
        openapi_extra={"requestBody": {"content": {JSON: {"example": dict(_kind.example)}}}},
    )


@router.post("/v1/inspect/{question}", include_in_schema=False)
def ask_something_else(question: str) -> None:
    """Names the questions there are to somebody who has mistaken one."""
    raise QuestionNotFound(allowed=sorted(QUESTIONS))
