"""A small feature of workers, with which the kit's own behaviour is tested over HTTP."""

from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from fastapi import APIRouter, FastAPI, Form, Response, UploadFile
from pydantic import Field
from sqlalchemy import select
from starlette.testclient import TestClient

from core.errors import Invalid, Problem
from service.kit.clock import Time
from service.kit.database import database_now
from service.kit.http.idempotency import Idempotent
from service.kit.http.paging import Page, Paging, fetch_page
from service.kit.http.problems import Conflict, Unavailable, problems
from service.kit.http.routes import JsonBody, feature_router
from service.kit.http.schemas import StrictModel
from service.kit.http.session import ReadSession, WriteSession
from service.worker.tables import WorkerRow

router = feature_router("things", "For tests.")


class Dense(StrictModel):
    """A layer."""

    op: Literal["dense"]
    units: Annotated[int, Field(ge=1)]
    shape: tuple[int, ...] = ()


class Relu(StrictModel):
    """A layer without numbers."""

    op: Literal["relu"]


class NewThing(StrictModel):
    """What a test posts."""

    name: Annotated[str, Field(max_length=50)]
    rate: float = 0.5
    layers: list[Annotated[Dense | Relu, Field(discriminator="op")]] = []
    mode: Literal["a", "b"] = "a"
    labels: dict[str, str] = {}


class Thing(StrictModel):
    """What a test gets."""

    id: str
    rate: float
    at: Time


class ThingIsBusy(Conflict):
    """The thing is busy, so it cannot be changed.

    Wait for it.
    """


@router.post("/v1/things", status_code=201, dependencies=[Idempotent], responses=problems(ThingIsBusy))
def create_thing(session: WriteSession, body: JsonBody[NewThing], response: Response) -> Thing:
    """Creates a thing, or fails after having written it, as its name says."""
    now = database_now(session)
    session.add(WorkerRow(id=body.name, host="here", pid=1, started_at=now, seen_at=now))
    if body.name != "noticed at the commit":
        session.flush()
    match body.name:
        case "busy":
            raise ThingIsBusy(state="running")
        case "crash":
            raise ZeroDivisionError("a secret of the server")
        case "invalid":
            raise Invalid([Problem("/layers/0", "This does not fit.", allowed=["a"], got=3)])
        case "later":
            raise Unavailable(retry_after_seconds=7)
    response.headers["Location"] = f"/v1/things/{body.name}"
    return Thing(id=body.name, rate=body.rate, at=now)


@router.post("/v1/things/files", status_code=201, dependencies=[Idempotent])
def upload_thing(session: WriteSession, file: UploadFile, label: Annotated[str, Form()] = "") -> Thing:
    """Creates a thing that is called by the first line of a file."""
    now = database_now(session)
    name = file.file.readline().decode().strip()
    session.add(WorkerRow(id=name, host=label, pid=1, started_at=now, seen_at=now))
    return Thing(id=name, rate=0, at=now)


@router.get("/v1/things")
def list_things(session: ReadSession, paging: Paging) -> Page[Thing]:
    """Lists things."""
    rows = fetch_page(session, select(WorkerRow), WorkerRow.id, paging)
    return rows.page(lambda row: Thing(id=row.id, rate=0, at=row.seen_at), lambda thing: thing.id)


@router.put("/v1/things/{number}")
def replace_thing(session: ReadSession, number: Annotated[int, Field(ge=1, le=9)]) -> None:
    """Writes in a session that may only read."""
    now = database_now(session)
    session.add(WorkerRow(id=str(number), host="here", pid=1, started_at=now, seen_at=now))
    session.flush()


@pytest.fixture
def things_router() -> APIRouter:
    """The routes of things."""
    return router


@pytest.fixture
def things_app(app: FastAPI) -> FastAPI:
    """The application with things in it."""
    app.include_router(router)
    return app


@pytest.fixture
def things(things_app: FastAPI) -> Iterator[TestClient]:
    """A client of the application with things in it."""
    with TestClient(things_app) as running:
        yield running
