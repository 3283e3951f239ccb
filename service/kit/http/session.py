"""Database sessions for routes.

    @router.get("/jobs")
    def list_jobs(session: ReadSession) -> JobPage: ...

    @router.post("/jobs", status_code=201)
    def create_job(session: WriteSession, body: NewJob) -> JobView: ...

A write session commits before the answer leaves, so that 201 means stored; any error rolls it back.
"""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from service.kit.database import Database


def database_of(request: Request) -> Database:
    """The database of the application that got this request."""
    database = request.app.state.database
    assert isinstance(database, Database)
    return database


def _reading(request: Request) -> Iterator[Session]:
    with database_of(request).reading() as session:
        yield session


def _writing(request: Request) -> Iterator[Session]:
    with database_of(request).writing() as session:
        # Where an idempotent route finds the transaction in which to keep its answer.
        request.state.write_session = session
        yield session


# scope="function" commits before the answer leaves; the default scope answers first and commits after.
ReadSession = Annotated[Session, Depends(_reading, scope="function")]
WriteSession = Annotated[Session, Depends(_writing, scope="function")]
