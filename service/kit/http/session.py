"""Database sessions for routes.

    @router.get("/jobs")
    def list_jobs(session: ReadSession) -> JobPage: ...

    @router.post("/jobs", status_code=201)
    def create_job(session: WriteSession, body: NewJob) -> JobView: ...

A write session commits before the answer leaves, so that 201 means stored; any error rolls it back. A route that
may work long before it knows whether to store anything begins its write session itself:

    @router.post("/questions")
    def ask(begin: BeginWrite, body: Question) -> Response:
        ...
        session = begin()
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
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


def _begin_write(request: Request) -> Iterator[Callable[[], Session]]:
    with ExitStack() as stack:

        def begin() -> Session:
            session = stack.enter_context(database_of(request).writing())
            request.state.write_session = session
            return session

        yield begin


# scope="function" commits before the answer leaves; the default scope answers first and commits after.
ReadSession = Annotated[Session, Depends(_reading, scope="function")]
WriteSession = Annotated[Session, Depends(_writing, scope="function")]
BeginWrite = Annotated[Callable[[], Session], Depends(_begin_write, scope="function")]
