"""`/v1/inspect`: a route for every question that core.inspect has."""

from collections.abc import Callable
from functools import cache

from fastapi import Request
from starlette.responses import Response

from core.inspect import QUESTIONS
from core.inspect.question import Question
from service.inspections.errors import QuestionNotFound
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
        answer=kind.answer_type().model_json_schema(mode="serialization"),
    )


def _path(name: str) -> str:
    return f"/v1/inspect/{name}"


def _ask(kind: type[Question]) -> Callable[..., Response]:
    def ask(request: Request, body: Question) -> Response:
        settings: Settings = request.app.state.settings
        answer = body.answer(StoredModels(database_of(request), shelf_of(request), settings.max_parameters))
        return Response(answer.model_dump_json(), media_type="application/json")

    # FastAPI reads the type of the body here.
    ask.__annotations__["body"] = kind
    ask.__name__ = f"ask_{kind.__name__}"
    return ask


for _name, _kind in QUESTIONS.items():
    router.add_api_route(
        _path(_name),
        _ask(_kind),
        methods=["POST"],
        summary=_kind.sentence,
        description=_kind.__doc__,
        response_model=_kind.answer_type(),
        responses=problems(InvalidRequest),
    )


@router.post("/v1/inspect/{question}", include_in_schema=False)
def ask_something_else(question: str) -> None:
    """Names the questions there are to somebody who has mistaken one."""
    raise QuestionNotFound(allowed=sorted(QUESTIONS))
