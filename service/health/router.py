"""`/health/live` and `/health/ready`."""

from fastapi import Request, Response
from sqlalchemy.exc import SQLAlchemyError

from service.health.schemas import Live, Ready
from service.health.use_cases import readiness
from service.kit.http.routes import feature_router
from service.kit.http.session import database_of
from service.kit.shutdown import shutdown_of

router = feature_router("health", "Whether the service lives, and whether it can do its work.")


@router.get("/health/live", summary="Is the process alive?")
async def check_live() -> Live:
    """Always true when it is answered; it asks nothing of the database."""
    return Live(live=True)


@router.get(
    "/health/ready",
    summary="Can the service do its work?",
    responses={503: {"model": Ready, "description": "Not now; the members say why."}},
)
def check_ready(request: Request, response: Response) -> Ready:
    """Whether the database is reachable, its migrations are current, and a worker is alive to train."""
    state = _readiness(request)
    if not state.ready:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return state


def _readiness(request: Request) -> Ready:
    if shutdown_of(request).is_set():
        return Ready(ready=False, database=False, migrations=False, worker=False, stopping=True)
    try:
        with database_of(request).reading() as session:
            return readiness(session, request.app.state.settings.lease_seconds)
    except SQLAlchemyError:
        return Ready(ready=False, database=False, migrations=False, worker=False, stopping=False)
