"""The form in which a question is answered: JSON, or NPZ where the Accept header asks for it."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from core.inspection.answers import answered, holds_arrays, with_arrays_apart
from core.inspection.question import Library, Question
from service.inspections.errors import NoArrays
from service.inspections.npz import npz
from service.kit.http.accept import preferred
from service.kit.http.problems import NotAcceptable

JSON, NPZ = "application/json", "application/x-npz"

_HEADERS = {"Vary": "Accept"}


def respond(request: Request, question: Question, library: Library) -> Response:
    """The answer. Raises Invalid, NotAcceptable."""
    if _form(request, type(question)) == JSON:
        return Response(answered(question, library).model_dump_json(), media_type=JSON, headers=_HEADERS)
    answer, arrays = with_arrays_apart(question, library)
    attachment = {"Content-Disposition": f'attachment; filename="{question.question}.npz"'}
    pieces = npz(answer.model_dump_json().encode(), arrays)
    return StreamingResponse(pieces, media_type=NPZ, headers=_HEADERS | attachment)


def forms_of(kind: type[Question]) -> tuple[str, ...]:
    """The media types in which a question can be answered."""
    return (JSON, NPZ) if holds_arrays(kind.answer_type()) else (JSON,)


def _form(request: Request, kind: type[Question]) -> str:
    """Raises NotAcceptable."""
    offered = forms_of(kind)
    try:
        return preferred(request, *offered)
    except NotAcceptable:
        if NPZ not in offered and preferred(request, JSON, NPZ) == NPZ:
            raise NoArrays from None
        raise
