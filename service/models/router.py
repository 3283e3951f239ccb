"""`/v1/models`."""

import base64
import hashlib
from typing import Annotated, get_args

from fastapi import Query, Request
from sqlalchemy import select
from starlette.responses import Response

from core.errors import Problem
from service.kit.http.paging import Page, Paging, fetch_page
from service.kit.http.problems import problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession, WriteSession
from service.models import references, use_cases
from service.models.errors import ModelNotFound, UnknownFormat
from service.models.exports import MEDIA_TYPES, Format, export
from service.models.names import LONGEST_NAME
from service.models.requests import ModelPath, load_model
from service.models.schemas import ModelSummary, ModelView
from service.models.tables import ModelRow

router = feature_router("models", "What runs leave behind: networks with learned weights, by name and version.")

Name = Annotated[str | None, Query(max_length=LONGEST_NAME, description="Only the versions of this name.")]
AnyFormat = Annotated[
    str,
    Query(alias="format", description="The form of the file.", json_schema_extra={"enum": list(get_args(Format))}),
]


@router.get("/v1/models", summary="The models")
def list_models(session: ReadSession, paging: Paging, name: Name = None) -> Page[ModelSummary]:
    """All models, the newest first."""
    query = select(ModelRow) if name is None else select(ModelRow).where(ModelRow.name == name)
    return fetch_page(session, query, ModelRow.id, paging).page(ModelSummary.of, lambda row: row.id)


@router.get("/v1/models/{model}", summary="One model", responses=problems(ModelNotFound))
def read_model(session: ReadSession, model: ModelPath) -> ModelView:
    """What the model was trained on, how, and how good it is."""
    return ModelView.of(references.find_model(session, model))


@router.delete("/v1/models/{model}", status_code=204, summary="Forget a model", responses=problems(ModelNotFound))
def delete_model(session: WriteSession, model: ModelPath) -> None:
    """Of a name without a version it is the latest that goes. Its version is not given to another model again."""
    use_cases.forget(session, model)


@router.get(
    "/v1/models/{model}/export",
    summary="A model as a file",
    response_class=Response,
    responses={
        200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()}},
        **problems(ModelNotFound, UnknownFormat),
    },
)
def export_model(request: Request, model: ModelPath, form: AnyFormat = "safetensors") -> Response:
    """`safetensors` and `npz` hold the weights as arrays named `node.param`; `json` is the network with its weights as
    `params`, which can be posted wherever a network goes. A checkpoint can be exported as well."""
    chosen = _format(form)
    loaded = load_model(request, model)
    content = export(loaded, chosen)
    digest = hashlib.sha256(content).digest()
    headers = {
        "Content-Disposition": f'attachment; filename="{loaded.label.replace("@", "-")}.{chosen}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "ETag": f'"{digest.hex()}"',
    }
    return Response(content, media_type=MEDIA_TYPES[chosen], headers=headers)


def _format(text: str) -> Format:
    """Raises UnknownFormat, naming those there are."""
    for known in MEDIA_TYPES:
        if text == known:
            return known
    raise UnknownFormat(errors=[Problem("?format", "There is no such format.", allowed=[*MEDIA_TYPES], got=text)])
