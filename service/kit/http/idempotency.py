"""Retries: the same Idempotency-Key gets the same answer, and the thing is created once.

    @router.post("/v1/jobs", status_code=201, dependencies=[Idempotent])
    def create_job(session: WriteSession, body: NewJob) -> JobView: ...

The key is claimed in a short transaction of its own; the answer is kept in the very transaction that creates the thing.
So whatever dies, either both are there or neither. A failure frees the key, and a claim whose server died frees itself.
"""

import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from anyio import CancelScope
from fastapi import Depends, Header, Request
from sqlalchemy import LargeBinary, String, delete, update
from sqlalchemy.orm import Mapped, Session, mapped_column
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from core.errors import Problem
from service.kit.database import Base, Database, JsonText, UtcTime, database_time, insert_if_absent, rows_changed
from service.kit.http.problems import Conflict, InvalidRequest
from service.kit.http.session import database_of

# Longer than any creating request takes. A slower one is not done twice either: its claim was taken over, so its
# transaction fails.
CLAIM_SECONDS = 20
KEEP_SECONDS = 48 * 3600

_KEPT_HEADERS = ("content-type", "location", "etag")


class StillInFlight(Conflict):
    """A request with this Idempotency-Key is being answered right now; ask again in a moment."""


class KeyUsedForAnother(InvalidRequest):
    """This Idempotency-Key was already used for a different request; use a new key."""


class IdempotencyRow(Base):
    """One key: claimed while `status` is null, and then the answer it stands for."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    nonce: Mapped[str] = mapped_column(String(32))
    claimed_until: Mapped[datetime] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, str] | None] = mapped_column(JsonText)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Claim:
    """The right to answer for a key, until somebody else takes it."""

    key: str
    nonce: str


class AnsweredBefore(Exception):
    """The key already has its answer, which is sent again."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__()


_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A text of your own, at most 255 visible characters. A repeated request with the same key gets "
        "the first answer again instead of creating a second thing.",
    ),
]


async def _idempotent(request: Request, key: _Key = None) -> AsyncIterator[None]:
    if key is None:
        yield
        return
    if not re.fullmatch(r"[!-~]{1,255}", key):
        raise InvalidRequest(errors=[Problem("Idempotency-Key", "A key has 1 to 255 visible ASCII characters.")])
    database = database_of(request)
    fingerprint = _fingerprint(request, await request.body())
    claim = await run_in_threadpool(_claim, database, key, fingerprint)
    request.state.idempotency_claim = claim
    try:
        yield
    except BaseException:
        with CancelScope(shield=True):
            await run_in_threadpool(_free, database, claim)
        raise


Idempotent = Depends(_idempotent, scope="function")
"""In `dependencies=[…]` of a creating route that has a WriteSession."""


def is_claimed(request: Request) -> bool:
    """Whether this request's answer is to be kept."""
    return hasattr(request.state, "idempotency_claim")


def keep_answer(request: Request, response: Response) -> None:
    """Write the answer beside what the request created, in the same transaction.

    A request that has begun no transaction has created nothing, and may as well be answered anew: it frees its key.

    Raises StillInFlight when the claim has been taken over meanwhile, so that nothing is created twice.
    """
    claim: Claim = request.state.idempotency_claim
    if not hasattr(request.state, "write_session"):
        _free(database_of(request), claim)
        return
    session: Session = request.state.write_session
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    kept = session.execute(
        update(IdempotencyRow)
        .where(IdempotencyRow.key == claim.key, IdempotencyRow.nonce == claim.nonce, IdempotencyRow.status.is_(None))
        .values(status=response.status_code, headers=headers, body=bytes(response.body))
    )
    if rows_changed(kept) == 0:
        raise StillInFlight


def _fingerprint(request: Request, body: bytes) -> str:
    """What makes two requests the same: method, path, query and body."""
    content_type = request.headers.get("content-type", "")
    if match := re.search(r'boundary="?([^";,\s]+)', content_type):
        # A client that retries draws a new boundary; the parts are the same.
        body = body.replace(match[1].encode(), b"boundary")
        content_type = content_type.replace(match[1], "boundary")
    digest = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query, content_type):
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    digest.update(body)
    return digest.hexdigest()


def _claim(database: Database, key: str, fingerprint: str) -> Claim:
    """The key is ours from here on.

    Raises AnsweredBefore, StillInFlight, KeyUsedForAnother.
    """
    nonce = secrets.token_hex(16)
    with database.writing() as session:
        session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < database_time(-KEEP_SECONDS)))
        if _insert(session, key, fingerprint, nonce) or _take_over(session, key, fingerprint, nonce):
            return Claim(key, nonce)
        row = session.get_one(IdempotencyRow, key)
        if row.fingerprint != fingerprint:
            raise KeyUsedForAnother
        if row.status is None:
            raise StillInFlight(headers={"Retry-After": "1"})
        headers = {**(row.headers or {}), "Idempotency-Replayed": "true"}
        raise AnsweredBefore(Response(row.body, status_code=row.status, headers=headers))


def _insert(session: Session, key: str, fingerprint: str, nonce: str) -> bool:
    return insert_if_absent(
        session,
        IdempotencyRow,
        key=key,
        fingerprint=fingerprint,
        nonce=nonce,
        claimed_until=database_time(CLAIM_SECONDS),
        created_at=database_time(),
    )


def _take_over(session: Session, key: str, fingerprint: str, nonce: str) -> bool:
    """Whether the key's claim had run out unanswered: its server died."""
    taken = session.execute(
        update(IdempotencyRow)
        .where(
            IdempotencyRow.key == key,
            IdempotencyRow.fingerprint == fingerprint,
            IdempotencyRow.status.is_(None),
            IdempotencyRow.claimed_until < database_time(),
        )
        .values(nonce=nonce, claimed_until=database_time(CLAIM_SECONDS))
    )
    return rows_changed(taken) == 1


def _free(database: Database, claim: Claim) -> None:
    with database.writing() as session:
        session.execute(
            delete(IdempotencyRow).where(
                IdempotencyRow.key == claim.key,
                IdempotencyRow.nonce == claim.nonce,
                IdempotencyRow.status.is_(None),
            )
        )
