import hashlib
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Integer, Table, delete, func, insert, select, text, update

from service.kit.blobs import (
    CHUNK_BYTES,
    BlobChunkRow,
    BlobDigest,
    BlobMissing,
    BlobRow,
    collect_unreferenced,
    get,
    holds,
    put,
)
from service.kit.database import Base, Database


@pytest.fixture
def photos(database: Database) -> Iterator[Table]:
    """A table that refers to blobs."""
    table = Table("photos", Base.metadata, Column("id", Integer, primary_key=True), Column("content", BlobDigest()))
    table.create(database.engine)
    yield table
    Base.metadata.remove(table)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7])
def test_a_blob_comes_back_as_it_was(database: Database, size: int) -> None:
    content = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
    content = content[:size]
    with database.writing() as session:
        digest = put(session, content)
    assert digest == hashlib.sha256(content).hexdigest()
    with database.reading() as session:
        assert holds(session, digest)
        assert get(session, digest) == content


def test_the_same_content_is_kept_once(database: Database) -> None:
    with database.writing() as session:
        assert put(session, b"same") == put(session, b"same")
    with database.writing() as session:
        put(session, b"same")
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(BlobChunkRow)) == 1


def test_many_may_put_the_same_at_once(database: Database) -> None:
    content = b"x" * (2 * CHUNK_BYTES)
    failures: list[Exception] = []

    def put_it() -> None:
        try:
            with database.writing() as session:
                put(session, content)
        except Exception as error:  # noqa: BLE001 -- a thread's failure would be lost
            failures.append(error)

    threads = [threading.Thread(target=put_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(BlobRow)) == 1


def test_a_blob_that_is_not_there_is_missing(database: Database) -> None:
    with database.reading() as session, pytest.raises(BlobMissing):
        get(session, "0" * 64)


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_damaged_blob_is_missing_rather_than_wrong(database: Database, damage: str) -> None:
    with database.writing() as session:
        digest = put(session, b"y" * (CHUNK_BYTES + 1))
    last = BlobChunkRow.position == 1
    with database.writing() as session:
        if damage == "lost":
            session.execute(delete(BlobChunkRow).where(last))
        else:
            session.execute(update(BlobChunkRow).where(last).values(content=b"z"))
    with database.reading() as session, pytest.raises(BlobMissing):
        get(session, digest)


def test_only_what_nothing_refers_to_is_collected(database: Database, photos: Table) -> None:
    with database.writing() as session:
        kept = put(session, b"kept")
        put(session, b"lost")
        session.execute(insert(photos).values(id=1, content=kept))
    with database.writing() as session:
        assert collect_unreferenced(session) == 1
    with database.reading() as session:
        assert get(session, kept) == b"kept"
        assert session.execute(text("SELECT count(*) FROM blob_chunks")).scalar_one() == 1


def test_a_blob_that_is_being_put_is_not_collected_before_it_is_referred_to(database: Database, photos: Table) -> None:
    with database.writing() as session:
        put(session, b"here before")
    collected: list[int] = []

    def collect() -> None:
        with database.writing() as session:
            collected.append(collect_unreferenced(session))

    collector = threading.Thread(target=collect)
    with database.writing() as session:
        digest = put(session, b"here before")
        collector.start()
        # If it does not wait for us, it is through by then.
        collector.join(timeout=0.5)
        session.execute(insert(photos).values(id=1, content=digest))
    collector.join()
    assert collected == [0]
    with database.reading() as session:
        assert get(session, digest) == b"here before"
