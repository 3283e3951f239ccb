"""The application: every feature's routes behind one gate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from service.kit.database import open_database
from service.kit.features import load_tables, modules
from service.kit.http.gate import Gate
from service.kit.http.handlers import install_problem_handlers
from service.kit.http.metrics import RequestMetrics
from service.kit.http.openapi import document
from service.kit.http.problems import snake_case
from service.kit.http.routes import FeatureRouter
from service.kit.shutdown import Shutdown
from service.settings import Settings
from service.version import VERSION


def create_app(settings: Settings) -> FastAPI:
    """An application on the database of these settings, which has to be migrated already."""
    load_tables()
    app = Application(settings)
    install_problem_handlers(app)
    for module in modules("router"):
        _include(app, module.router)
    return app


class Application(FastAPI):
    """FastAPI with the gate outermost, before even its own handling of crashes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            title="Backprop Service",
            version=VERSION,
            summary=(
                "Train a neural network over HTTP, watch it learn, use it, and see exactly why it learned what it did."
            ),
            lifespan=_lifespan,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            openapi_tags=[],
            generate_unique_id_function=_operation_id,
        )
        self.state.settings = settings
        self.state.metrics = RequestMetrics()
        self.state.shutdown = Shutdown()

    def build_middleware_stack(self) -> ASGIApp:
        """The gate, and everything else behind it."""
        settings: Settings = self.state.settings
        return Gate(
            super().build_middleware_stack(),
            max_body_bytes=settings.max_body_bytes,
            allowed_hosts=settings.host_names,
            metrics=self.state.metrics,
        )

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with problems as this service answers them."""
        return document(self)


def _operation_id(route: APIRoute) -> str:
    """The function's name, a verb and a noun: what generated clients call the operation."""
    return snake_case(route.name)


def _include(app: FastAPI, router: object) -> None:
    # A plain router would parse bodies on the event loop and let unknown parameters pass.
    assert isinstance(router, FeatureRouter), (
        "A router.py has a `router` made by service.kit.http.routes.feature_router."
    )
    app.include_router(router)
    assert app.openapi_tags is not None
    app.openapi_tags.append(router.tag)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.database = open_database(app.state.settings.database_url)
    try:
        yield
    finally:
        app.state.shutdown.set()
        app.state.database.close()
