"""`/v1/inspect`: a route for every question that core.inspect has; and the answers that were left to jobs."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from fastapi import Header, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from core.inspect import QUESTIONS
from core.inspection.answers import PagedAnswer, form_of
from core.inspection.effort import MOST_OPERATIONS
from core.inspection.question import Question
from service.inspections import use_cases
from service.inspections.errors import AnswerNotFound, NoArrays, QuestionNotFound
from service.inspections.forms import JSON, NPZ, forms_of, respond
from service.inspections.library import StoredModels
from service.inspections.schemas import Questions, QuestionView
from service.jobs import repository
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobIdPath
from service.jobs.orders import Bounds
from service.jobs.schemas import JobView
from service.jobs.views import view
from service.kit.database import database_now
from service.kit.http.idempotency import Idempotent
from service.kit.http.problems import InvalidRequest, problems
from service.kit.http.routes import feature_router
from service.kit.http.session import BeginWrite, ReadSession, database_of
from service.models.requests import shelf_of
from service.settings import Settings

router = feature_router("inspect", "Questions about networks and their gradients. Asking changes nothing.")

_RESPOND_ASYNC = "respond-async"

Prefer = Annotated[
    str | None, Header(description="`respond-async` has the question answered by a job, however little it takes.")
]


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
    def ask(request: Request, begin: BeginWrite, body: Question, prefer: Prefer = None) -> Response:
        settings: Settings = request.app.state.settings
        library = StoredModels(database_of(request), shelf_of(request), settings.max_parameters)
        wants_job = _prefers_job(prefer)
        work = body.work(library)
        # What is more than any answer may take is refused at once by the question itself.
        if work > MOST_OPERATIONS or (not wants_job and work <= settings.inspect_operations):
            return respond(request, body, library)
        session = begin()
        bounds = Bounds(settings.max_parameters, settings.job_seconds, settings.job_memory_mb)
        job = use_cases.ask(session, body, bounds, database_now(session))
        headers = {"Location": f"/v1/jobs/{job.id}"} | ({"Preference-Applied": _RESPOND_ASYNC} if wants_job else {})
        shown = view(session, job).model_dump_json()
        return Response(shown, status_code=201, headers=headers, media_type="application/json")

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


def _prefers_job(prefer: str | None) -> bool:
    """Whether the header of RFC 7240 asks for an answer later: `respond-async, wait=10`."""
    preferences = (one.partition(";")[0].strip().lower() for one in (prefer or "").split(","))
    return _RESPOND_ASYNC in preferences


_LEFT_TO_A_JOB: dict[int | str, dict[str, Any]] = {
    201: {
        "model": JobView,
        "description": "The answer takes long, or `Prefer: respond-async` was sent: a job of the kind inspect finds "
        "it. Its `result` says where it then stands.",
        "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
    }
}

for _name, _kind in QUESTIONS.items():
    router.add_api_route(
        _path(_name),
        _ask(_kind),
        methods=["POST"],
        dependencies=[Idempotent],
        summary=_kind.sentence,
        description=_kind.__doc__,
        response_model=_answers(_kind),
        responses={200: {"content": _files(_kind)}, **_LEFT_TO_A_JOB, **problems(InvalidRequest, NoArrays)},
        openapi_extra={"requestBody": {"content": {JSON: {"example": dict(_kind.example)}}}},
    )


@router.post("/v1/inspect/{question}", include_in_schema=False)
def ask_something_else(question: str) -> None:
    """Names the questions there are to somebody who has mistaken one."""
    raise QuestionNotFound(allowed=sorted(QUESTIONS))


@router.get(
    "/v1/jobs/{job_id}/answer",
    summary="The answer that a job has found",
    response_class=Response,
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}},
        **problems(JobNotFound, AnswerNotFound),
    },
)
def read_answer(session: ReadSession, job_id: JobIdPath) -> Response:
    """Exactly what the question would have been answered with at once; its schema is in `GET /v1/inspect`."""
    return Response(use_cases.read(session, repository.find(session, job_id)), media_type="application/json")
