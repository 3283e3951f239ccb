import threading
from datetime import timedelta
from importlib.util import find_spec

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from service.kit.clock import now
from service.kit.database import Database, database_now, database_time, open_database, rows_changed
from service.kit.database.sqlite import sqlite
from service.worker.tables import WorkerRow


def a_worker(database: Database, name: str) -> None:
    with database.writing() as session:
        at = database_now(session)
        session.add(WorkerRow(id=name, host="here", pid=1, started_at=at, seen_at=at))


def names(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(WorkerRow.id).order_by(WorkerRow.id)))


def test_what_a_writing_session_did_stays(database: Database) -> None:
    a_worker(database, "a")
    assert names(database) == ["a"]


def test_what_a_failed_writing_session_did_is_gone(database: Database) -> None:
    def write_and_fail() -> None:
        with database.writing() as session:
            session.add(WorkerRow(id="a", host="here", pid=1, started_at=now(), seen_at=now()))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert names(database) == []


def test_a_reading_session_cannot_write(database: Database) -> None:
    a_worker(database, "a")
    with pytest.raises(DBAPIError), database.reading() as session:
        session.execute(update(WorkerRow).values(host="there"))
    with database.writing() as session:
        assert rows_changed(session.execute(update(WorkerRow).values(host="there"))) == 1


def test_a_reading_session_sees_one_moment(database: Database) -> None:
    a_worker(database, "a")
    with database.reading() as session:
        session.execute(select(WorkerRow)).all()
        a_worker(database, "b")
        assert session.scalars(select(WorkerRow.id)).all() == ["a"]
    assert names(database) == ["a", "b"]


def test_two_who_read_and_then_write_do_not_lose_an_update(database: Database) -> None:
    a_worker(database, "a")

    def add_one() -> None:
        for _ in range(20):
            with database.writing() as session:
                row = session.scalars(select(WorkerRow).with_for_update()).one()
                row.pid += 1

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.scalars(select(WorkerRow.pid)).one() == 81


def test_the_database_has_a_clock_that_agrees_with_ours(database: Database) -> None:
    with database.reading() as session:
        assert abs(database_now(session) - now()) < timedelta(seconds=5)


def test_a_time_comes_back_to_the_microsecond(database: Database) -> None:
    at = now().replace(microsecond=123457)
    with database.writing() as session:
        session.add(WorkerRow(id="a", host="here", pid=1, started_at=at, seen_at=at))
    with database.reading() as session:
        assert session.scalars(select(WorkerRow.seen_at)).one() == at


def test_statements_reckon_with_the_databases_clock(database: Database) -> None:
    a_worker(database, "a")
    with database.writing() as session:
        session.execute(update(WorkerRow).values(seen_at=database_time(10)))
    with database.reading() as session:
        row = session.scalars(select(WorkerRow)).one()
        assert timedelta(seconds=9) < row.seen_at - row.started_at < timedelta(seconds=20)
        assert session.scalars(select(WorkerRow.id).where(WorkerRow.seen_at > database_time(5))).all() == ["a"]
        assert session.scalars(select(WorkerRow.id).where(WorkerRow.seen_at < database_time())).all() == []


def test_sqlite_keeps_what_it_acknowledged_through_a_power_cut(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database.reading() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert session.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert session.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    database.close()


@pytest.mark.skipif(find_spec("pysqlite3") is None, reason="there is no wheel of pysqlite3 for this platform")
def test_the_library_of_sqlite_is_one_that_cannot_corrupt_a_database_when_its_log_is_reset() -> None:
    assert sqlite.sqlite_version_info >= (3, 51, 3)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "postgresql:/x:y:z"])
def test_an_url_of_no_database_we_know_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///file or postgresql://"):
        open_database(url)
