"""`/v1/networks`."""

from fastapi import Request
from starlette.responses import Response

from core.errors import Problem
from service.kit.http.problems import InvalidRequest, problems
from service.kit.http.routes import feature_router
from service.networks import use_cases
from service.networks.schemas import CheckedNetwork, NetworkToCheck

router = feature_router("networks", "Networks, checked before anything is trained.")


@router.post(
    "/v1/networks/validate",
    summary="Check a network",
    response_model=CheckedNetwork,
    responses=problems(InvalidRequest),
)
def validate(request: Request, body: NetworkToCheck) -> Response:
    """All mistakes at once, or the network with every default written out, and the shape, parameters and operations
    of every node. Nothing is stored or allocated."""
    if body.loss is not None and body.losses is not None:
        detail = "The network brings its own `losses`; leave out one of the two."
        raise InvalidRequest(errors=[Problem("/loss", detail)])
    checked = use_cases.check(body, request.app.state.settings.max_parameters)
    return Response(checked.model_dump_json(), media_type="application/json")
