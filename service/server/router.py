"""`/v1`, `/metrics`, and the documentation pages, which need no internet."""

from pathlib import Path
from typing import Literal

from fastapi import Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import FileResponse, HTMLResponse, Response

from service.kit.http.paging import MOST
from service.kit.http.routes import feature_router
from service.kit.http.strict_json import DEEPEST
from service.server.schemas import Limits, Server
from service.settings import Settings
from service.version import VERSION

router = feature_router("server", "What this server is, and what it counts.")

_FILES = Path(__file__).parent / "swagger"

# Swagger UI styles its elements one by one and has icons in data: URLs; it runs no script but the files below.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Backprop Service</title>
<link rel="icon" type="image/png" href="/docs/static/favicon-32x32.png">
<link rel="stylesheet" href="/docs/static/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/static/swagger-ui-bundle.js"></script>
<script src="/docs/static/start.js"></script>
</body>
</html>
"""


@router.get("/v1", summary="Name, version and limits")
async def describe_server(request: Request) -> Server:
    """What this server is, and how much it takes."""
    settings: Settings = request.app.state.settings
    limits = Limits(
        max_body_bytes=settings.max_body_bytes,
        max_json_bytes=settings.max_json_bytes,
        max_parameters=settings.max_parameters,
        job_memory_mb=settings.job_memory_mb,
        job_seconds=settings.job_seconds,
        page_items=MOST,
        json_depth=DEEPEST,
    )
    return Server(
        name="Backprop Service", version=VERSION, documentation="/docs", openapi="/openapi.json", limits=limits
    )


@router.get("/metrics", summary="Counters for Prometheus", response_class=Response)
def read_metrics(request: Request) -> Response:
    """Requests by route and status, their times, and the process' memory and files."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/docs", include_in_schema=False)
async def documentation() -> HTMLResponse:
    """The OpenAPI document as a page to read and to try."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/static/{name}", include_in_schema=False)
async def documentation_file(
    name: Literal["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "start.js"],
) -> FileResponse:
    """One of the files of that page."""
    return FileResponse(_FILES / name, headers={"Cache-Control": "public, max-age=3600"})
