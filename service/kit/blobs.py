"""Large bytes, kept once under their SHA-256, in pieces and apart from the tables that are scanned.

    digest = put(session, weights)             # the same bytes twice are kept once
    weights = get(session, digest)

A column that refers to a blob says so with `BlobDigest`, which is also how the garbage collector knows what is in use:

    weights: Mapped[str] = mapped_column(BlobDigest)
"""

import hashlib
from collections.abc import Collection
from typing import Literal

from sqlalchemy import BigInteger, ForeignKey, Integer, LargeBinary, String, delete, exists, func, not_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.kit.database import Base, insert_if_absent, rows_changed

CHUNK_BYTES = 1024 * 1024
_LOCK = 0x6261636B626C6F62


class BlobMissing(Exception):
    """A blob that something refers to is not in the database; restore it from a backup."""


class BlobDigest(String):
    """The type of a column that holds a blob's digest."""

    def __init__(self) -> None:
        super().__init__(64)


class BlobRow(Base):
    """A blob that is there, whole."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    chunks: Mapped[int] = mapped_column(Integer)


class BlobChunkRow(Base):
    """One piece of a blob."""

    __tablename__ = "blob_chunks"

    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


def put(session: Session, content: bytes) -> str:
    """The digest under which the content is kept from now on.

    Two writers of the same content do not disturb each other: the second waits for the first and then finds it there.
    """
    digest = hashlib.sha256(content).hexdigest()
    _lock(session, "shared")
    positions = range(0, len(content), CHUNK_BYTES)
    if not insert_if_absent(session, BlobRow, sha256=digest, size_bytes=len(content), chunks=len(positions)):
        return digest
    for position, start in enumerate(positions):
        session.add(BlobChunkRow(sha256=digest, position=position, content=content[start : start + CHUNK_BYTES]))
    session.flush()
    return digest


def get(session: Session, digest: str) -> bytes:
    """The content with this digest.

    Raises BlobMissing when it is not there, whole and unchanged.
    """
    query = select(BlobChunkRow.content).where(BlobChunkRow.sha256 == digest).order_by(BlobChunkRow.position)
    content = b"".join(session.scalars(query))
    if hashlib.sha256(content).hexdigest() != digest or not holds(session, digest):
        raise BlobMissing(f"{BlobMissing.__doc__} (sha256: {digest})")
    return content


def holds(session: Session, digest: str) -> bool:
    """Whether there is content with this digest."""
    return session.get(BlobRow, digest) is not None


def collect_unreferenced(session: Session, among: Collection[str] | None = None) -> int:
    """Delete every blob that no BlobDigest column refers to, or only those of them with these digests; how many.

    All tables have to be loaded: what a table that is not here refers to would be deleted.
    """
    _lock(session, "exclusive")
    columns = [
        column for table in Base.metadata.tables.values() for column in table.c if isinstance(column.type, BlobDigest)
    ]
    used = or_(*(exists().where(column == BlobRow.sha256) for column in columns)) if columns else None
    statement = delete(BlobRow) if among is None else delete(BlobRow).where(BlobRow.sha256.in_(among))
    return rows_changed(session.execute(statement if used is None else statement.where(not_(used))))


def _lock(session: Session, mode: Literal["shared", "exclusive"]) -> None:
    """Until the transaction ends, nobody collects while somebody puts.

    Otherwise a blob could be found there by `put` and be collected before the row that refers to it is committed.
    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock_shared if mode == "shared" else func.pg_advisory_xact_lock
        session.execute(select(lock(_LOCK)))
