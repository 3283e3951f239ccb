"""The OpenAPI document: FastAPI's own, with our problems in place of its validation errors."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from service.kit.http.idempotency import StillInFlight
from service.kit.http.problems import (
    InvalidRequest,
    NotFound,
    ProblemAnswer,
    TooLarge,
    Unavailable,
    Unreadable,
    UnsupportedMedia,
    response,
)
from service.kit.http.schemas import ProblemDocument

_REFERENCES = "#/components/schemas/{model}"


def request_body(json: Any, **other: dict[str, Any]) -> dict[str, Any]:
    """The `openapi_extra=` of a route that reads its body itself: a JSON type, and schemas by further media type.

    openapi_extra=request_body(NewDataset, **{"multipart/form-data": {"type": "object", …}})
    """
    schema = TypeAdapter(json).json_schema(ref_template=_REFERENCES)
    contents = {"application/json": schema, **other}
    return {
        "requestBody": {
            "required": True,
            "content": {media_type: {"schema": schema} for media_type, schema in contents.items()},
        }
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for operations in made["paths"].values():
            for operation in operations.values():
                _lift_definitions(operation, schemas)
                _declare_common_problems(operation)
        _add(schemas, "Problem", ProblemDocument.model_json_schema(ref_template=_REFERENCES))
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = made
    return app.openapi_schema


def _lift_definitions(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Definitions that stand in a request body move to where all references look for them."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for name, schema in content.get("schema", {}).pop("$defs", {}).items():
            schemas.setdefault(name, schema)


def _add(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    for inner, definition in schema.pop("$defs", {}).items():
        schemas.setdefault(inner, definition)
    schemas[name] = schema


def _declare_common_problems(operation: dict[str, Any]) -> None:
    """What any route of this shape can answer, beside what it declares itself."""
    # Every route refuses a parameter that it does not know.
    kinds: list[type[ProblemAnswer]] = [InvalidRequest, Unavailable]
    if "requestBody" in operation:
        kinds += [Unreadable, TooLarge, UnsupportedMedia]
    parameters = {(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", [])}
    if any(place == "path" for place, _ in parameters):
        kinds.append(NotFound)
    if ("header", "Idempotency-Key") in parameters:
        kinds.append(StillInFlight)
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for kind in kinds:
        responses.setdefault(str(kind.status), response(kind.status, kind.message()))
    operation["responses"] = dict(sorted(responses.items()))
